//! One connection: TLS, HTTP/2, and how long it may stay without a session.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use alumet_relay_protocol::identity::node_of;
use alumet_relay_protocol::v1::relay_server::RelayServer;
use alumet_shared_trust::{ServerTls, begins_tls, explain_server};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};
use tokio::time::{sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::codegen::Service;

use crate::frames::{Progress, Watched};
use crate::refusal::{Reason, Refusal};
use crate::service::RelayService;
use crate::session::too_slow;
use crate::state::Running;

/// How large the first message may be. A client that has not begun a session costs no more memory than this and what its
/// connection needs.
const HELLO_LIMIT: usize = 16 << 10;
/// How much may wait in the memory of a connection to be written.
const SEND_BUFFER: usize = 64 << 10;
/// How large the headers of a request may be.
const HEADERS: u32 = 8 << 10;
/// A session, the one that takes over from it, and some that are refused.
const STREAMS: u32 = 4;
/// So many may be asked for in the life of a connection. An agent has one; another connection waits for its turn.
const REQUESTS: usize = 64;
/// How long a connection may wait because others from its address have begun no session.
const LINE: Duration = Duration::from_secs(1);
/// How much of a session may be on its way over the network.
const STREAM_WINDOW: u32 = 256 << 10;
/// HTTP/2 ends a connection when the overhead of small pieces that were not read yet is more than half of this (`h2` counts
/// 256 bytes for each piece, less its size). A window full of the smallest messages must stay below that.
const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;
/// How long sessions may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// Somebody who is connected.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    /// The node of its certificate.
    pub(crate) certificate: Option<String>,
    /// Each session has a receiver.
    sessions: watch::Sender<()>,
    begun: Notify,
    was_used: AtomicBool,
}

impl Connection {
    fn new(peer: SocketAddr, certificate: Option<String>) -> Arc<Self> {
        Arc::new(Self {
            peer,
            certificate,
            sessions: watch::Sender::new(()),
            begun: Notify::new(),
            was_used: AtomicBool::new(false),
        })
    }

    /// A session is there until it lets go of what it gets.
    pub(crate) fn begin_session(&self) -> watch::Receiver<()> {
        let session = self.sessions.subscribe();
        self.was_used.store(true, Ordering::Relaxed);
        self.begun.notify_one();
        session
    }

    /// Whether it ever had a session.
    fn was_used(&self) -> bool {
        self.was_used.load(Ordering::Relaxed)
    }

    /// Waits until there was no session for `limit`. Holds `pending` until the first.
    async fn alone(&self, limit: Duration, pending: OwnedSemaphorePermit) {
        let mut pending = Some(pending);
        while timeout(limit, self.begun.notified()).await.is_ok() {
            drop(pending.take());
            self.sessions.closed().await;
        }
    }
}

/// Serves a connection until it ends. One that begins no session makes the next ones from its address wait.
pub(crate) async fn serve(
    running: Arc<Running>,
    stream: TcpStream,
    peer: SocketAddr,
    pending: OwnedSemaphorePermit,
) {
    let throttle = &running.state.throttle;
    let now = Instant::now();
    if let Some(until) = throttle.wait(peer.ip(), now) {
        if until - now > LINE {
            let message =
                "too many connections from this address have begun no session; the next ones have to wait";
            running
                .state
                .refusals
                .note(&Refusal::new(Reason::Busy, message), peer, "");
            return;
        }
        tokio::select! {
            () = sleep_until(until.into()) => {}
            () = running.stop.cancelled() => return,
        }
    }
    let (result, was_used) = serve_client(&running, stream, peer, pending).await;
    if !was_used {
        throttle.note(peer.ip(), Instant::now());
    }
    if let Err(refusal) = result {
        running.state.refusals.note(&refusal, peer, "");
    }
}

/// Says also whether it has begun a session.
async fn serve_client(
    running: &Arc<Running>,
    stream: TcpStream,
    peer: SocketAddr,
    pending: OwnedSemaphorePermit,
) -> (Result<(), Refusal>, bool) {
    let Some(tls) = &running.state.trust.tls else {
        return match hear_plain_text(running, &stream).await {
            Ok(()) => {
                let connection = Connection::new(peer, None);
                let result = serve_http(running, stream, &connection, pending).await;
                (result, connection.was_used())
            }
            Err(refusal) => (refusal.map_or(Ok(()), Err), false),
        };
    };
    match shake_hands(running, tls, stream).await {
        Ok(stream) => {
            let chain = stream.get_ref().1.peer_certificates();
            let node = chain.and_then(|chain| node_of(chain.first()?));
            let connection = Connection::new(peer, node);
            let result = serve_http(running, stream, &connection, pending).await;
            (result, connection.was_used())
        }
        Err(refusal) => (refusal.map_or(Ok(()), Err), false),
    }
}

/// Waits for the first word of a client and refuses one that begins with TLS, which this server does not speak. Nothing is
/// refused when the server stops.
async fn hear_plain_text(running: &Running, stream: &TcpStream) -> Result<(), Option<Refusal>> {
    let patience = *running.state.config.handshake_timeout;
    let mut first = [0];
    let heard = tokio::select! {
        heard = timeout(patience, stream.peek(&mut first)) => heard,
        () = running.stop.cancelled() => return Err(None),
    };
    match heard {
        Err(_) => Err(Some(too_slow("the connection had no session", patience))),
        Ok(Ok(1)) if begins_tls(first[0]) => {
            // What is not read would cut the answer off, by which the client knows that this is no TLS.
            let _ = stream.try_read(&mut [0; 4 << 10]);
            let _ = stream.try_write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            Err(Some(Refusal::new(
                Reason::Tls,
                "the client speaks TLS, and this server does not; set `tls.certificate` and `tls.key` here, or write its \
                 address with `http://` there",
            )))
        }
        Ok(_) => Ok(()),
    }
}

/// Nothing is refused when somebody looks whether the port is open, or the server stops.
async fn shake_hands(
    running: &Running,
    tls: &ServerTls,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Option<Refusal>> {
    let patience = *running.state.config.handshake_timeout;
    let handshake = TlsAcceptor::from(tls.config()).accept(stream);
    let shaken = tokio::select! {
        shaken = timeout(patience, handshake) => shaken,
        () = running.stop.cancelled() => return Err(None),
    };
    match shaken {
        Err(_) => Err(Some(too_slow("the TLS handshake was not complete", patience))),
        Ok(stream) => stream.map_err(|error| {
            let explained = explain_server(&error, tls.files())?;
            Some(Refusal::new(Reason::Tls, explained))
        }),
    }
}

async fn serve_http(
    running: &Arc<Running>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    connection: &Arc<Connection>,
    pending: OwnedSemaphorePermit,
) -> Result<(), Refusal> {
    let config = &running.state.config;
    let limit = usize::try_from(config.max_message_bytes.0).unwrap_or(usize::MAX);
    let relay = RelayServer::new(RelayService::new(Arc::clone(running), Arc::clone(connection)));
    let relay = relay.max_decoding_message_size(limit);
    let (asked, worn) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let wears = Arc::clone(&worn);
    let service = service_fn(move |request: Request<Incoming>| {
        if asked.fetch_add(1, Ordering::Relaxed) == REQUESTS {
            wears.notify_one();
        }
        let progress = Progress::new(HELLO_LIMIT);
        let mut request = request.map(|inner| Watched {
            inner,
            progress: progress.clone(),
        });
        request.extensions_mut().insert(progress);
        relay.clone().call(request)
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(Some(*config.keepalive))
        .keep_alive_timeout(*config.keepalive);
    let mut http = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let patience = *config.handshake_timeout;
    tokio::select! {
        result = http.as_mut() => {
            if let Err(error) = result {
                tracing::debug!(peer = %connection.peer, %error, "a connection broke");
            }
            return Ok(());
        }
        () = connection.alone(patience, pending) => if !connection.was_used() {
            return Err(too_slow("the connection had no session", patience));
        },
        () = worn.notified() => {}
        () = running.stop.cancelled() => {}
    }
    http.as_mut().graceful_shutdown();
    let _ = timeout(GRACE, http).await;
    Ok(())
}
