//! One session with one server: hello, then records one way and acknowledgements the other.

use std::time::Duration;

use alumet_relay_protocol::tokens::present;
use alumet_relay_protocol::v1::relay_client::RelayClient;
use alumet_relay_protocol::v1::server_message::Message;
use alumet_relay_protocol::v1::{ClientMessage, Hello, ServerMessage, Welcome};
use alumet_relay_protocol::version::SPOKEN;
use alumet_shared_trust::explain_client;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

use crate::credentials::Credentials;
use crate::error::SessionError;
use crate::link::Link;
use crate::queue::Queue;
use crate::target::Target;
use crate::wire;

/// What is the same in all sessions.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The name of this node.
    pub(crate) node: String,
    /// Random, new with each start of the output.
    pub(crate) run: [u8; 16],
    pub(crate) connect_timeout: Duration,
    pub(crate) ack_timeout: Duration,
    pub(crate) keepalive: Duration,
    pub(crate) backlog_bytes_per_second: u64,
}

/// A session in which the server has said welcome.
pub(crate) struct Session {
    /// The server, for messages.
    pub(crate) server: String,
    pub(crate) welcome: Welcome,
    pub(crate) requests: mpsc::Sender<ClientMessage>,
    pub(crate) answers: Streaming<ServerMessage>,
    /// Closes the connection with the session.
    _link: Link,
}

/// A few messages wait for HTTP/2, so that it always has something to send.
const MESSAGES_AHEAD: usize = 4;

/// A server says little.
const ANSWER_LIMIT: usize = 64 << 10;

impl Session {
    /// Connects and introduces itself; has no time limit of its own.
    pub(crate) async fn open(
        settings: &Settings,
        target: &Target,
        credentials: &Credentials,
        queue: &Queue<'_>,
    ) -> Result<Self, SessionError> {
        let server = target.address.authority();
        let link = Link::open(target, credentials, settings.keepalive).await?;
        let (channel, origin) = link.channel();
        let mut client = RelayClient::with_origin(channel, origin).max_decoding_message_size(ANSWER_LIMIT);
        let (requests, messages) = mpsc::channel(MESSAGES_AHEAD);
        let hello = wire::hello(Hello {
            protocol_min: *SPOKEN.start(),
            protocol_max: *SPOKEN.end(),
            instance: queue.feed().instance().0.to_vec().into(),
            run: settings.run.to_vec().into(),
            node: settings.node.clone(),
            software: concat!("alumet relay-client ", env!("CARGO_PKG_VERSION")).to_owned(),
            next_sequence: queue.next_sequence(),
        });
        // There is room: nothing was sent yet.
        let _ = requests.try_send(hello);
        let mut request = Request::new(ReceiverStream::new(messages));
        if let Some(token) = credentials.token()? {
            present(&token, request.metadata_mut())?;
        }
        let status = |status: Status| of_status(&server, &status, &link, credentials);
        let mut answers = client.session(request).await.map_err(status)?.into_inner();
        let first = answers.message().await.map_err(status)?;
        let welcome = match first.and_then(|first| first.message) {
            Some(Message::Welcome(welcome)) => welcome,
            _ => {
                let reason = "it does not begin with a welcome".to_owned();
                return Err(SessionError::Protocol { server, reason });
            }
        };
        if !SPOKEN.contains(&welcome.protocol) {
            let reason = format!("it chose version {}, which was not offered", welcome.protocol);
            return Err(SessionError::Protocol { server, reason });
        }
        Ok(Self {
            server,
            welcome,
            requests,
            answers,
            _link: link,
        })
    }

    /// The largest message that the server takes.
    pub(crate) const fn largest_message(&self) -> u64 {
        match self.welcome.max_message_bytes {
            0 => u64::MAX,
            limit => limit,
        }
    }
}

/// What a status says, or what TLS said before.
fn of_status(server: &str, status: &Status, link: &Link, credentials: &Credentials) -> SessionError {
    let reason = link
        .tls_fault()
        .zip(credentials.tls.as_ref())
        .and_then(|(fault, tls)| explain_client(&fault, tls.source()));
    match reason {
        Some(reason) => SessionError::Tls {
            server: server.to_owned(),
            reason,
        },
        None => SessionError::of_status(server, status),
    }
}
