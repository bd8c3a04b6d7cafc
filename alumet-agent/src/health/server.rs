use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use alumet_shared_http_server::{Limits, PLAIN, Response, only_get, respond};
use anyhow::Context;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::exit::Failed;

use super::Health;
use super::exposition::exposition;

/// Who asks wants to know it now.
const LIMITS: Limits = Limits {
    what: "health endpoint",
    clients: 128,
    duration: Duration::from_secs(15),
    keep_alive: None,
};

/// Takes the address; clients that come before [`serve`] wait.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failed> {
    let listener = alumet_shared_http_server::listen(address).and_then(TcpListener::from_std);
    let listener = listener.with_context(|| {
        format!(
            "the health endpoint cannot listen at {address}; choose another `health.address`, or remove it"
        )
    })?;
    tracing::info!(address = %listener.local_addr().unwrap_or(address), "health is served at /livez, /readyz and /metrics");
    Ok(listener)
}

/// Serves `/livez`, `/readyz` and `/metrics`; never ends.
pub(crate) async fn serve(listener: TcpListener, health: Arc<Health>) {
    let plain = |stream| std::future::ready(Ok(stream));
    let answer = move |request, _| {
        let health = Arc::clone(&health);
        only_get(request, |request| answer(request, health))
    };
    alumet_shared_http_server::serve(listener, LIMITS, plain, answer).await;
}

async fn answer(request: Request<Incoming>, health: Arc<Health>) -> Response {
    match request.uri().path() {
        "/livez" => {
            let threat = life_threat(health).await;
            verdict(threat.into_iter().collect(), Vec::new())
        }
        "/readyz" => verdict(health.obstacles(), health.notes()),
        "/metrics" => match health.status() {
            Some(status) => {
                let body = exposition(&health.app, status);
                respond(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body)
            }
            None => respond(
                StatusCode::SERVICE_UNAVAILABLE,
                PLAIN,
                "the pipeline does not run\n",
            ),
        },
        _ => respond(
            StatusCode::NOT_FOUND,
            PLAIN,
            "there are /livez, /readyz and /metrics\n",
        ),
    }
}

/// [`Health::life_threat`], which the answer of the poll threads may delay. Those who ask meanwhile share the next look, so
/// that one thread is enough for all.
pub(crate) async fn life_threat(health: Arc<Health>) -> Option<String> {
    let asked = Instant::now();
    let mut last = health.last_look.lock().await;
    if let Some((at, threat)) = &*last
        && *at >= asked
    {
        return threat.clone();
    }
    let at = Instant::now();
    let looking = Arc::clone(&health);
    let threat = tokio::task::spawn_blocking(move || looking.life_threat()).await;
    let threat = threat.ok().flatten();
    *last = Some((at, threat.clone()));
    threat
}

/// 200 without obstacles, else 503 with one line for each.
fn verdict(obstacles: Vec<String>, notes: Vec<String>) -> Response {
    let (status, first) = match obstacles.as_slice() {
        [] => (StatusCode::OK, "ok"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ok"),
    };
    let notes = notes.into_iter().map(|note| format!("note: {note}"));
    let lines = std::iter::once(first.to_owned()).chain(obstacles).chain(notes);
    respond(status, PLAIN, lines.collect::<Vec<_>>().join("\n") + "\n")
}
