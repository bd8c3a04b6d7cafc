//! One connection to one server: TCP, TLS if it is wanted, HTTP/2.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use alumet_shared_trust::{ClientTls, begins_tls, explain_client};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::http::{Request, Response, Uri};

use crate::error::{SessionError, with_sources};
use crate::first_word::Overheard;
use crate::target::Target;

/// An open connection; it is closed when it is dropped, whatever is under way.
pub(crate) struct Link {
    requests: http2::SendRequest<Body>,
    pub(crate) origin: Uri,
    tasks: Tasks,
}

/// The tasks of a connection.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

/// How long the first word of a server is waited for.
const FIRST_WORD: Duration = Duration::from_millis(500);

impl Link {
    /// Connects; has no time limit of its own.
    pub(crate) async fn open(
        target: &Target,
        tls: Option<&ClientTls>,
        keepalive: Duration,
    ) -> Result<Self, SessionError> {
        let server = target.address.authority();
        let connecting = TcpStream::connect(target.address.place());
        let stream = connecting.await.map_err(|error| {
            SessionError::Passing(format!(
                "cannot connect to {server} ({error}); check that the relay server runs there and that nothing between \
                 blocks it"
            ))
        })?;
        // Small messages must not wait for each other. Where options cannot be set, they are only slower.
        let _ = stream.set_nodelay(true);
        // Ends a connection whose other side is silent in spite of unacknowledged bytes; pings find the rest.
        let limit = u32::try_from((keepalive * 2).as_millis()).unwrap_or(u32::MAX);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, limit);
        if !target.is_tls {
            return Self::in_plain_text(stream, target, keepalive).await;
        }
        let Some(tls) = tls else {
            let reason = "it asks for TLS, but there is no table `tls`";
            return Err(SessionError::protocol(&server, reason));
        };
        let name = tls
            .server_name(&target.address.host)
            .map_err(SessionError::unusable)?;
        let untrusted = |error: io::Error| match explain_client(&error, tls.source()) {
            Some(reason) => SessionError::NeedsPeople(format!("no trusted connection to {server}: {reason}")),
            None => {
                let reason =
                    format!("{error} during the TLS handshake; check the port, and that TLS is spoken there");
                SessionError::broken(&server, reason)
            }
        };
        let connector = TlsConnector::from(tls.config().map_err(SessionError::unusable)?);
        let mut stream = connector.connect(name, stream).await.map_err(untrusted)?;
        // With TLS 1.3 a server finds fault with the certificate of a client only after the handshake; otherwise, it begins
        // to speak HTTP/2 at once. Some do not before they hear something.
        if let Ok(Err(error)) = timeout(FIRST_WORD, stream.fill_buf()).await {
            return Err(untrusted(error));
        }
        Self::shake_hands(stream, target, keepalive).await
    }

    /// A server that wants TLS answers the beginning of HTTP/2 with an alert, or hangs up.
    async fn in_plain_text(
        stream: TcpStream,
        target: &Target,
        keepalive: Duration,
    ) -> Result<Self, SessionError> {
        let (stream, first) = Overheard::new(stream);
        let link = Self::shake_hands(stream, target, keepalive).await?;
        let server = target.address.authority();
        match timeout(FIRST_WORD, first).await {
            Ok(Ok(first)) if begins_tls(first) => Err(SessionError::NeedsPeople(format!(
                "{server} speaks TLS; write its address with `https://`, and the certificate of its authority into `tls.ca`"
            ))),
            Ok(Err(_)) => Err(SessionError::broken(
                &server,
                "it hung up without a word; check that it is a relay server that has room, and whether it wants TLS",
            )),
            // Some say nothing before they have heard enough.
            Ok(Ok(_)) | Err(_) => Ok(link),
        }
    }

    async fn shake_hands<S>(stream: S, target: &Target, keepalive: Duration) -> Result<Self, SessionError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let server = target.address.authority();
        let tasks = Tasks::default();
        let mut builder = http2::Builder::new(tasks.clone());
        builder
            .timer(TokioTimer::new())
            // A session is one open request, so that this holds for all its time.
            .keep_alive_interval(keepalive)
            .keep_alive_timeout(keepalive / 2)
            // A server sends acknowledgements only.
            .initial_stream_window_size(64 << 10)
            .initial_connection_window_size(64 << 10)
            .max_header_list_size(16 << 10);
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (requests, connection) = handshake.map_err(|error| {
            let text = format!(
                "{server} accepts connections but speaks no HTTP/2; check that it is a relay server, and whether it wants TLS"
            );
            SessionError::NeedsPeople(with_sources(&text, &error))
        })?;
        tasks.execute(async move {
            // Requests learn why it ended.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the relay server ended");
            }
        });
        let origin = Uri::builder()
            .scheme(if target.is_tls { "https" } else { "http" })
            .authority(&*server)
            .path_and_query("/")
            .build()
            .map_err(|error| SessionError::protocol(&server, error))?;
        Ok(Self {
            requests,
            origin,
            tasks,
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.0.lock().abort_all();
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.lock().spawn(future);
    }
}

impl GrpcService<Body> for Link {
    type ResponseBody = Incoming;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.requests.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.requests.send_request(request))
    }
}
