//! A server that does what it is told, byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_shared_http_delivery::{HttpClient, HttpConfig};
use alumet_shared_trust::ServerTls;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Sends these bytes, and waits for the next request.
    Bytes(Vec<u8>),
    /// Sends these bytes again and again.
    Endless(&'static str, Vec<u8>),
    /// Sends these bytes and ends the connection.
    Last(&'static str),
    /// Says nothing.
    Hang,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The first line.
    pub(crate) line: String,
    /// The headers as they came.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _accepting: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(reply: Reply) -> Self {
        Self::with(None, reply).await
    }

    pub(crate) async fn with(tls: Option<Arc<ServerTls>>, reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut accepting = JoinSet::new();
        let all = Arc::clone(&seen);
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (reply, seen, tls) = (reply.clone(), Arc::clone(&all), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, reply, &seen).await,
                        Some(tls) => {
                            if let Ok(stream) = TlsAcceptor::from(tls.config()).accept(stream).await {
                                serve(stream, reply, &seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            seen,
            _accepting: accepting,
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Seen {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, reply: Reply, seen: &Mutex<Vec<Seen>>) {
    while let Some(request) = read(&mut stream).await {
        seen.lock().push(request);
        match &reply {
            Reply::Bytes(bytes) => stream.write_all(bytes).await.unwrap(),
            Reply::Endless(head, piece) => {
                stream.write_all(head.as_bytes()).await.unwrap();
                while stream.write_all(piece).await.is_ok() {}
                return;
            }
            Reply::Last(bytes) => {
                let _ = stream.write_all(bytes.as_bytes()).await;
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Hang => std::future::pending().await,
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        if !head[0].is_ascii_uppercase() {
            // Not HTTP: a server does not wait for the end of it.
            break;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let line = head.lines().next().unwrap().to_owned();
    let mut seen = Seen {
        line,
        head,
        body: Vec::new(),
    };
    let length = seen
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    seen.body.resize(length, 0);
    stream.read_exact(&mut seen.body).await.ok()?;
    Some(seen)
}

/// A complete answer.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Reply {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    Reply::Bytes(bytes)
}

pub(crate) fn ok() -> Reply {
    answer("204 No Content", "", b"")
}

/// A configuration that waits for nobody and asks no environment.
pub(crate) fn config() -> HttpConfig {
    HttpConfig {
        proxy: "none".to_owned(),
        timeout: HumanDuration(Duration::from_secs(20)),
        ..HttpConfig::default()
    }
}

pub(crate) fn client(url: &str, config: &HttpConfig) -> HttpClient {
    HttpClient::new("url", url, config).unwrap()
}

/// What is said of a request that fails.
pub(crate) async fn failure(url: &str, config: &HttpConfig) -> alumet_core::Failure {
    let client = client(url, config);
    let sent = client
        .send(client.post("/write", "text/plain", b"x".to_vec()))
        .await;
    sent.unwrap_err()
}
