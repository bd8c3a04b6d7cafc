use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::exit::Failed;

use super::Health;
use super::exposition::exposition;

/// How many clients may be connected. One more takes the place of the oldest, so that those who only connect keep nobody
/// from asking.
const CLIENTS: usize = 128;
/// How long each of them has in any case.
const GRACE: Duration = Duration::from_millis(20);
/// How long a client may take to send its request, and to read the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes the address; clients that come before [`serve`] wait.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failed> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "the health endpoint cannot listen at {address}; choose another `health.address`, or remove it"
        )
    })?;
    tracing::info!(address = %listener.local_addr().unwrap_or(address), "health is served at /livez, /readyz and /metrics");
    Ok(listener)
}

/// Serves `/livez`, `/readyz` and `/metrics`; never ends.
pub(crate) async fn serve(listener: TcpListener, health: Arc<Health>) {
    let mut clients: VecDeque<(AbortHandle, Instant)> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Usually no file descriptor is left; they come back when connections end.
                tracing::warn!(%error, "a connection to the health endpoint could not be accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        clients.retain(|(task, _)| !task.is_finished());
        if clients.len() >= CLIENTS
            && let Some((oldest, since)) = clients.pop_front()
        {
            tokio::time::sleep_until(since + GRACE).await;
            oldest.abort();
        }
        let task = tokio::spawn(converse(stream, Arc::clone(&health)));
        clients.push_back((task.abort_handle(), Instant::now()));
    }
}

/// Answers one question and closes the connection.
async fn converse(stream: TcpStream, health: Arc<Health>) {
    let service = service_fn(|request| answer(request, Arc::clone(&health)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away in the middle is its own business.
    let _ = tokio::time::timeout(PATIENCE * 3, connection).await;
}

async fn answer(
    request: Request<Incoming>,
    health: Arc<Health>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return Ok(response);
    }
    Ok(match request.uri().path() {
        "/livez" => {
            // The answer of the poll threads may take a while.
            let threat = tokio::task::spawn_blocking(move || health.life_threat()).await;
            verdict(threat.ok().flatten().into_iter().collect(), Vec::new())
        }
        "/readyz" => {
            let (obstacles, notes) = health.obstacles();
            verdict(obstacles, notes)
        }
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
    })
}

/// 200 without obstacles, else 503 with one line for each.
fn verdict(obstacles: Vec<String>, notes: Vec<String>) -> Response<Full<Bytes>> {
    let (status, first) = match obstacles.as_slice() {
        [] => (StatusCode::OK, "ok"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ok"),
    };
    let notes = notes.into_iter().map(|note| format!("note: {note}"));
    let lines = std::iter::once(first.to_owned()).chain(obstacles).chain(notes);
    respond(status, PLAIN, lines.collect::<Vec<_>>().join("\n") + "\n")
}

const PLAIN: &str = "text/plain; charset=utf-8";

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
