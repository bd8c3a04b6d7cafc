//! One session with one server: hello, then records one way and acknowledgements the other.

use alumet_core::spool::Record;
use alumet_relay_protocol::tokens::present;
use alumet_relay_protocol::v1::relay_client::RelayClient;
use alumet_relay_protocol::v1::server_message::Message;
use alumet_relay_protocol::v1::{ClientMessage, Hello, ServerMessage, Welcome, client_message};
use alumet_relay_protocol::version::SPOKEN;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

use crate::client::Client;
use crate::error::SessionError;
use crate::link::Link;
use crate::resume::Stretch;
use crate::target::Target;
use crate::wire;

/// A session in which the server has said welcome.
pub(crate) struct Session {
    /// The server, for messages.
    pub(crate) server: String,
    pub(crate) welcome: Welcome,
    /// The numbers that it is about, and the first of them that was offered.
    pub(crate) stretch: Stretch,
    pub(crate) next: u64,
    pub(crate) requests: mpsc::Sender<ClientMessage>,
    pub(crate) answers: Answers,
    /// Closes the connection with the session.
    _relay: RelayClient<Link>,
}

/// What the server says.
pub(crate) struct Answers(Streaming<ServerMessage>);

impl Answers {
    /// The next message; `None` when there is no more.
    ///
    /// # Errors
    /// Why the server has ended the session, and when a message was damaged on its way.
    pub(crate) async fn message(&mut self) -> Result<Option<ServerMessage>, Status> {
        let message = self.0.message().await?;
        if let Some(message) = &message {
            message
                .verify()
                .map_err(|damaged| Status::data_loss(damaged.to_string()))?;
        }
        Ok(message)
    }
}

/// A few messages wait for HTTP/2, so that it always has something to send.
const MESSAGES_AHEAD: usize = 4;

/// A server says little.
const ANSWER_LIMIT: usize = 64 << 10;

impl Session {
    /// Connects within the time limit and introduces itself: what is sent begins with `next`.
    pub(crate) async fn open(
        client: &Client,
        target: &Target,
        stretch: Stretch,
        next: u64,
    ) -> Result<Self, SessionError> {
        let after = *client.config.connect_timeout;
        let beginning = Self::begin(client, target, stretch, next);
        timeout(after, beginning).await.unwrap_or_else(|_| {
            Err(SessionError::Passing(format!(
                "{} has not accepted the session within {} s; check that a relay server listens there and that \
                 nothing between blocks it",
                target.address.authority(),
                after.as_secs_f64()
            )))
        })
    }

    async fn begin(
        client: &Client,
        target: &Target,
        stretch: Stretch,
        next: u64,
    ) -> Result<Self, SessionError> {
        let server = target.address.authority();
        let link = Link::open(target, client.tls.as_ref(), *client.config.keepalive).await?;
        let origin = link.origin.clone();
        let mut relay = RelayClient::with_origin(link, origin).max_decoding_message_size(ANSWER_LIMIT);
        let (requests, messages) = mpsc::channel(MESSAGES_AHEAD);
        let hello = Hello {
            protocol_min: *SPOKEN.start(),
            protocol_max: *SPOKEN.end(),
            instance: stretch.numbering.instance.0.to_vec().into(),
            run: client.run.0.to_vec().into(),
            node: client.node.clone(),
            software: concat!("alumet relay-client ", env!("CARGO_PKG_VERSION")).to_owned(),
            next_sequence: next,
        };
        // There is room: nothing was sent yet.
        let _ = requests.try_send(wire::message(client_message::Message::Hello(hello)));
        let mut request = Request::new(ReceiverStream::new(messages));
        if let Some(token) = client.token()? {
            present(&token, request.metadata_mut()).map_err(SessionError::unusable)?;
        }
        let status = |status: Status| SessionError::of_status(&server, &status);
        let mut answers = Answers(relay.session(request).await.map_err(status)?.into_inner());
        let first = answers.message().await.map_err(status)?;
        let welcome = match first.and_then(|first| first.message) {
            Some(Message::Welcome(welcome)) => welcome,
            _ => {
                return Err(SessionError::protocol(
                    &server,
                    "it does not begin with a welcome",
                ));
            }
        };
        if !SPOKEN.contains(&welcome.protocol) {
            let reason = format!("it chose version {}, which was not offered", welcome.protocol);
            return Err(SessionError::protocol(&server, reason));
        }
        Ok(Self {
            server,
            welcome,
            stretch,
            next,
            requests,
            answers,
            _relay: relay,
        })
    }

    /// Whether the server takes a record that makes a message of so many bytes.
    pub(crate) const fn takes(&self, record: &Record, bytes: usize) -> bool {
        let most = self.welcome.max_batch_samples;
        (most == 0 || record.samples <= most) && bytes as u64 <= self.largest_message()
    }

    /// The largest message that the server takes.
    pub(crate) const fn largest_message(&self) -> u64 {
        match self.welcome.max_message_bytes {
            0 => u64::MAX,
            limit => limit,
        }
    }
}
