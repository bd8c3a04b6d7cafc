//! The server that is asked: one thread that sleeps between scrapes.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use alumet_core::plugin::StartError;
use alumet_core::time::Clock;
use alumet_shared_http_server::{Limits, PLAIN, Response, only_get, respond, serve};
use alumet_shared_trust::{Secret, ServerTls, Unreadable, explain_server, read_secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use hyper::{Request, StatusCode};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Config;
use crate::format::{Coding, Format};
use crate::store::Store;

/// Each of them may hold one exposition in memory; Prometheus waits two minutes for one at most.
const LIMITS: Limits = Limits {
    what: "exporter",
    clients: 16,
    duration: Duration::from_secs(120),
    keep_alive: None,
};

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// Dropping it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What scrapers ask for.
struct Exporter {
    store: Arc<Mutex<Store>>,
    clock: Arc<dyn Clock>,
    credentials: Option<Credentials>,
    utf8_names: bool,
}

struct Credentials {
    user: String,
    password: Option<Secret>,
    file: Option<PathBuf>,
}

impl Server {
    /// Answers those who connect with what the store holds.
    ///
    /// # Errors
    /// When the system has no thread.
    pub(crate) fn start(
        config: &Config,
        listeners: Vec<StdListener>,
        tls: Option<ServerTls>,
        store: Arc<Mutex<Store>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let credentials = config.user.clone().map(|user| Credentials {
            user,
            password: config.password.clone(),
            file: config.password_file.clone(),
        });
        let exporter = Arc::new(Exporter {
            store,
            clock,
            credentials,
            utf8_names: config.utf8_names,
        });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let tls = tls.map(Arc::new);
        let run = async move {
            for listener in listeners {
                if let Err(error) = begin(listener, tls.clone(), Arc::clone(&exporter)) {
                    tracing::error!(%error, "the exporter does not listen");
                }
            }
            let _ = stopped.await;
        };
        let thread = std::thread::Builder::new().name("alumet-exporter".to_owned());
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread.spawn(move || runtime.block_on(run))?),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        // Its addresses are free afterwards.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn begin(listener: StdListener, tls: Option<Arc<ServerTls>>, exporter: Arc<Exporter>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let answer = move |request, peer: SocketAddr| {
        let exporter = Arc::clone(&exporter);
        only_get(request, async move |request| exporter.answer(&request, peer.ip()))
    };
    match tls {
        None => {
            let plain = |stream| std::future::ready(Ok(stream));
            tokio::spawn(serve(listener, LIMITS, plain, answer));
        }
        Some(tls) => {
            let handshake = move |stream| shake_hands(Arc::clone(&tls), stream);
            tokio::spawn(serve(listener, LIMITS, handshake, answer));
        }
    }
    Ok(())
}

/// Says in the log why a scraper is not believed, or does not believe this server.
async fn shake_hands(tls: Arc<ServerTls>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let peer = stream.peer_addr();
    let shaken = TlsAcceptor::from(tls.config()).accept(stream).await;
    shaken.inspect_err(|error| {
        if let (Some(reason), Ok(peer)) = (explain_server(error, tls.files()), peer) {
            tracing::warn!(%peer, reason, "a scraper was refused");
        }
    })
}

impl Exporter {
    fn answer(&self, request: &Request<Incoming>, scraper: IpAddr) -> Response {
        let header = |name: HeaderName| {
            let values = request.headers().get_all(name).into_iter();
            let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
            values.join(",")
        };
        match self
            .credentials
            .as_ref()
            .map(|credentials| credentials.are(&header(AUTHORIZATION)))
        {
            None | Some(Ok(true)) => {}
            Some(Ok(false)) => return unauthorized(),
            Some(Err(error)) => {
                tracing::warn!(%error, "nobody can scrape; mend `password_file`");
                return respond(
                    StatusCode::SERVICE_UNAVAILABLE,
                    PLAIN,
                    "the password cannot be read\n",
                );
            }
        }
        if request.uri().path() != "/metrics" {
            return respond(StatusCode::NOT_FOUND, PLAIN, "there is /metrics\n");
        }
        let format = Format::accepted(&header(ACCEPT), self.utf8_names);
        let coding = Coding::accepted(&header(ACCEPT_ENCODING));
        let content_type = format.content_type(self.utf8_names);
        // Who only wants to know whether it is there has not seen the series that end.
        if request.method() == hyper::Method::HEAD {
            return respond(StatusCode::OK, content_type, "");
        }
        let mut text = Vec::new();
        let now = self.clock.now().monotonic;
        self.store.lock().scrape(format, scraper, now, &mut text);
        let Ok(body) = coding.compress(text) else {
            return respond(
                StatusCode::INTERNAL_SERVER_ERROR,
                PLAIN,
                "there is no memory left\n",
            );
        };
        let mut response = respond(StatusCode::OK, content_type, body);
        if let Some(name) = coding.name() {
            let name = HeaderValue::from_static(name);
            response.headers_mut().insert(CONTENT_ENCODING, name);
        }
        response
    }
}

impl Credentials {
    /// What comes after `Basic` in the header of a scraper that has them.
    fn expected(&self) -> Result<String, Unreadable> {
        let password = read_secret(self.password.as_ref(), self.file.as_deref())?.unwrap_or_default();
        Ok(STANDARD.encode(format!("{}:{password}", self.user)))
    }

    /// Whether a scraper has them; how long that takes says nothing about how far they are right.
    fn are(&self, header: &str) -> Result<bool, Unreadable> {
        let expected = self.expected()?;
        let (scheme, given) = header.split_once(' ').unwrap_or_default();
        let is_same: bool = given.trim().as_bytes().ct_eq(expected.as_bytes()).into();
        Ok(is_same && scheme.eq_ignore_ascii_case("basic"))
    }
}

fn unauthorized() -> Response {
    let mut response = respond(
        StatusCode::UNAUTHORIZED,
        PLAIN,
        "a user and a password are needed\n",
    );
    let challenge = HeaderValue::from_static("Basic realm=\"alumet\", charset=\"UTF-8\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}
