//! A small HTTP server that clients cannot fill: only so many connections stand at a time, and none that asks for nothing.

#![forbid(unsafe_code)]

mod place;
mod room;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

pub use place::{listen, remedy, try_listen};
pub use room::most_connections;

/// How long each client has in any case: who asks does so at once.
const GRACE: Duration = Duration::from_millis(5);
/// How large the head of a request may be.
const HEAD: usize = 16 << 10;
/// How long a client may take for a handshake, and then to send each request.
const PATIENCE: Duration = Duration::from_secs(5);
/// A pause when the system has no room for another connection.
const OUT_OF_FILES: Duration = Duration::from_millis(50);

/// The content type of a text for people.
pub const PLAIN: &str = "text/plain; charset=utf-8";

/// What a client is answered.
pub type Response = hyper::Response<Full<Bytes>>;

/// How much clients may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// What the server is, for the log: `health endpoint`.
    pub what: &'static str,
    /// How many may be connected. One more takes the place of who has asked for nothing for longest, so that those who only
    /// connect keep nobody from asking.
    pub clients: usize,
    /// How long each connection may last.
    pub duration: Duration,
    /// How long further requests are taken on a connection, each soon after the answer before it; without it, there is one.
    pub keep_alive: Option<Duration>,
}

/// An answer with a body.
pub fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Somebody who is connected.
struct Client {
    task: AbortHandle,
    silent: Silent,
}

/// Since when a client asks for nothing; `None` while an answer is being made for it.
type Silent = Arc<Mutex<Option<Instant>>>;

/// Answers those who connect; never ends. `handshake` makes of a connection the one that is spoken on; `answer` gets each request,
/// with the address of who asks.
pub async fn serve<S, H, A, B>(
    listener: TcpListener,
    limits: Limits,
    handshake: impl Fn(TcpStream) -> H,
    answer: impl Fn(Request<Incoming>, SocketAddr) -> A + Clone + Send + Sync + 'static,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Future<Output = io::Result<S>> + Send + 'static,
    A: Future<Output = hyper::Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut clients = Vec::new();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Usually no file descriptor is left: another client may have one to spare.
                tracing::warn!(%error, "a connection to the {} could not be accepted", limits.what);
                tokio::time::sleep(OUT_OF_FILES).await;
                make_room(&mut clients, 1).await;
                continue;
            }
        };
        make_room(&mut clients, limits.clients).await;
        // The last part of an answer must not wait until the client has acknowledged the one before. Where that cannot be set, it
        // only comes later.
        let _ = stream.set_nodelay(true);
        let silent = Arc::new(Mutex::new(Some(Instant::now())));
        let answer = answer.clone();
        let answer = move |request| answer(request, peer);
        let conversation = converse(handshake(stream), answer, Arc::clone(&silent), limits.keep_alive);
        let task = tokio::spawn(async move {
            // A client that goes away in the middle, or stays too long, is its own business.
            let _ = timeout(limits.duration, conversation).await;
        });
        clients.push(Client {
            task: task.abort_handle(),
            silent,
        });
    }
}

/// Leaves less than `limit` clients, or one less than there are: of those whose answer is not being made, the one has to go that
/// has asked for nothing for longest.
async fn make_room(clients: &mut Vec<Client>, limit: usize) {
    loop {
        clients.retain(|client| !client.task.is_finished());
        if clients.len() < limit {
            return;
        }
        let now = Instant::now();
        let silent = clients.iter().enumerate();
        let silent = silent.filter_map(|(index, client)| Some(((*client.silent.lock())?, index)));
        let longest = silent.min();
        let until = longest.map_or(now, |(since, _)| since) + GRACE;
        if until > now {
            tokio::time::sleep_until(until).await;
        } else if let Some((_, index)) = longest {
            clients.swap_remove(index).task.abort();
            return;
        }
    }
}

/// Answers one request, or all that come within `keep_alive`, and closes the connection.
async fn converse<S, A, B>(
    handshake: impl Future<Output = io::Result<S>>,
    answer: impl Fn(Request<Incoming>) -> A,
    silent: Silent,
    keep_alive: Option<Duration>,
) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Future<Output = hyper::Response<B>>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let stream = timeout(PATIENCE, handshake).await.ok()?.ok()?;
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(request);
        let silent = &silent;
        async move {
            *silent.lock() = None;
            let response = answer.await;
            // What is left is to read it, for which nobody needs long.
            *silent.lock() = Some(Instant::now());
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(HEAD)
            .keep_alive(keep_alive.is_some())
            .serve_connection(TokioIo::new(stream), service)
    );
    if let Some(keep_alive) = keep_alive {
        match timeout(keep_alive, connection.as_mut()).await {
            Ok(ended) => return ended.ok(),
            // The answer that is under way is the last.
            Err(_) => connection.as_mut().graceful_shutdown(),
        }
    }
    connection.await.ok()
}

/// The answer to a `GET` or `HEAD`; what asks for something else is refused.
pub async fn only_get<A: Future<Output = Response>>(
    request: Request<Incoming>,
    answer: impl FnOnce(Request<Incoming>) -> A,
) -> Response {
    match *request.method() {
        Method::GET | Method::HEAD => answer(request).await,
        _ => not_allowed(),
    }
}

fn not_allowed() -> Response {
    let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET\n");
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::net::Ipv4Addr;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[tokio::test]
    async fn no_part_of_an_answer_waits_for_the_client_to_acknowledge_another() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            what: "test",
            clients: 1,
            duration: PATIENCE,
            keep_alive: None,
        };
        let (accepted, mut seen) = unbounded_channel();
        let handshake = move |stream: TcpStream| {
            accepted.send(stream.nodelay().unwrap()).unwrap();
            ready(Ok(stream))
        };
        let answer = |_, _| ready(respond(StatusCode::OK, PLAIN, ""));
        let server = tokio::spawn(serve(listener, limits, handshake, answer));
        let _client = TcpStream::connect(address).await.unwrap();
        assert_eq!(seen.recv().await, Some(true));
        server.abort();
    }
}
