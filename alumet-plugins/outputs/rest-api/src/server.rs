//! The server: its own threads, so that questions never keep samples waiting.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::plugin::StartError;
use alumet_shared_http_server::{Limits, most_connections, serve};
use alumet_shared_trust::{ServerTls, explain_server};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

/// How long a connection may last that only hears of live samples; it is opened anew then.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long further requests are taken on a connection.
const KEEP_ALIVE: Duration = Duration::from_secs(300);
/// More threads would take the machine from those who measure.
const THREADS: usize = 4;
/// How long the end waits for answers that are being made.
const FAREWELL: Duration = Duration::from_secs(1);

/// Answers until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// Missing while it is dropped.
    runtime: Option<Runtime>,
}

impl Server {
    /// Answers those who connect, at most `clients` at a time.
    ///
    /// # Errors
    /// When the system has no threads.
    pub(crate) fn start(
        listener: StdListener,
        clients: usize,
        tls: Option<ServerTls>,
        router: Router,
    ) -> Result<Self, StartError> {
        let limits = Limits {
            what: "API",
            clients: most_connections(clients),
            duration: LONGEST,
            keep_alive: Some(KEEP_ALIVE),
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.min(THREADS))
            .thread_name("alumet-api")
            .enable_all()
            .build()?;
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let answer = move |request, peer| answer(router.clone(), request, peer);
        match tls.map(Arc::new) {
            None => {
                let plain = |stream| std::future::ready(Ok(stream));
                runtime.spawn(serve(listener, limits, plain, answer));
            }
            Some(tls) => {
                let handshake = move |stream| shake_hands(Arc::clone(&tls), stream);
                runtime.spawn(serve(listener, limits, handshake, answer));
            }
        }
        Ok(Self {
            runtime: Some(runtime),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // On a thread of its own: whoever drops this may be a task, which must not wait for a runtime.
            let end = std::thread::spawn(move || runtime.shutdown_timeout(FAREWELL));
            let _ = end.join();
        }
    }
}

async fn answer(router: Router, request: Request<Incoming>, peer: SocketAddr) -> Response {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let Ok(response) = router.oneshot(request).await;
    response
}

/// Says in the log why a client is not believed, or does not believe this server.
async fn shake_hands(tls: Arc<ServerTls>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let peer = stream.peer_addr();
    let shaken = TlsAcceptor::from(tls.config()).accept(stream).await;
    shaken.inspect_err(|error| {
        if let (Some(reason), Ok(peer)) = (explain_server(error, tls.files()), peer) {
            tracing::warn!(%peer, reason, "a client of the API was refused");
        }
    })
}
