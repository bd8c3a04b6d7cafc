use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::exit::Failed;

use super::Health;
use super::exposition::exposition;

/// How many clients may be connected. One more takes the place of the oldest, so that those who only connect keep nobody
/// from asking.
const CLIENTS: usize = 128;
/// How long each of them has in any case: who asks does so at once.
const GRACE: Duration = Duration::from_millis(5);
/// How many may wait to be accepted. The system lets those beyond it try again after a second.
const BACKLOG: u32 = 4096;
/// How large the head of a request may be.
const HEAD: usize = 16 << 10;
/// How long a client may take to send its request, and to read the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A pause when the system has no room for another connection.
const OUT_OF_FILES: Duration = Duration::from_millis(50);

/// Takes the address; clients that come before [`serve`] wait.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failed> {
    let listener = bind(address).with_context(|| {
        format!(
            "the health endpoint cannot listen at {address}; choose another `health.address`, or remove it"
        )
    })?;
    tracing::info!(address = %listener.local_addr().unwrap_or(address), "health is served at /livez, /readyz and /metrics");
    Ok(listener)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Somebody who is connected.
struct Client {
    task: AbortHandle,
    since: Instant,
    /// Whether it has asked and the answer is being made.
    is_served: Arc<AtomicBool>,
}

/// Serves `/livez`, `/readyz` and `/metrics`; never ends.
pub(crate) async fn serve(listener: TcpListener, health: Arc<Health>) {
    let mut clients = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Usually no file descriptor is left: another client of this endpoint may have one to spare.
                tracing::warn!(%error, "a connection to the health endpoint could not be accepted");
                tokio::time::sleep(OUT_OF_FILES).await;
                make_room(&mut clients, 1).await;
                continue;
            }
        };
        make_room(&mut clients, CLIENTS).await;
        let is_served = Arc::default();
        let task = tokio::spawn(converse(stream, Arc::clone(&health), Arc::clone(&is_served)));
        clients.push_back(Client {
            task: task.abort_handle(),
            since: Instant::now(),
            is_served,
        });
    }
}

/// Leaves less than `limit` clients, or one less than there are: the oldest has to go of those whose answer is not being
/// made.
async fn make_room(clients: &mut VecDeque<Client>, limit: usize) {
    loop {
        clients.retain(|client| !client.task.is_finished());
        if clients.len() < limit {
            return;
        }
        let now = Instant::now();
        let silent = |client: &Client| !client.is_served.load(Ordering::Relaxed);
        let index = clients.iter().position(silent);
        let until = index.map_or(now, |index| clients[index].since) + GRACE;
        if until > now {
            tokio::time::sleep_until(until).await;
        } else if let Some(client) = index.and_then(|index| clients.remove(index)) {
            client.task.abort();
            return;
        }
    }
}

/// Answers one question and closes the connection.
async fn converse(stream: TcpStream, health: Arc<Health>, is_served: Arc<AtomicBool>) {
    let service = service_fn(|request| {
        is_served.store(true, Ordering::Relaxed);
        let (health, is_served) = (Arc::clone(&health), Arc::clone(&is_served));
        async move {
            let response = answer(request, health).await;
            // What is left is to read it, for which nobody needs long.
            is_served.store(false, Ordering::Relaxed);
            response
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
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
            let threat = life_threat(health).await;
            verdict(threat.into_iter().collect(), Vec::new())
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

/// [`Health::life_threat`], which the answer of the poll threads may delay. Those who ask meanwhile share the next look, so
/// that one thread is enough for all.
async fn life_threat(health: Arc<Health>) -> Option<String> {
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
