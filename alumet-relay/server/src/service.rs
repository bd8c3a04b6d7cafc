//! Begins sessions: who is it, may it speak, and where does it go on.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use alumet_core::span;
use alumet_core::spool::InstanceId;
use alumet_relay_protocol::tokens::presented;
use alumet_relay_protocol::v1::client_message::Message;
use alumet_relay_protocol::v1::relay_server::Relay;
use alumet_relay_protocol::v1::{ClientMessage, Hello, Range, ServerMessage, Welcome, server_message};
use alumet_relay_protocol::version::{SPOKEN, negotiate};
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::field::{Empty, display};

use crate::authenticate::{Credentials, check_claim, identify};
use crate::connection::Connection;
use crate::flow::{Flow, Room};
use crate::frames::Progress;
use crate::refusal::{Reason, Refusal};
use crate::registry::Node;
use crate::seat::Claim;
use crate::sequence::Sequence;
use crate::session::{Begun, SESSION_COST, Session, broken, taken_over, too_slow, wrong};
use crate::state::Running;

/// What this program calls itself.
const SOFTWARE: &str = concat!("alumet ", env!("CARGO_PKG_VERSION"));
/// What a client is asked for at once to send again; more than it takes a page of the disk to lose.
const MOST_WANTED: usize = 1024;
/// How many answers wait for a client that does not read: `Welcome`, one `Ack`, the last word.
const ANSWERS: usize = 3;

/// The service as one connection sees it.
#[derive(Clone)]
pub(crate) struct RelayService {
    running: Arc<Running>,
    connection: Arc<Connection>,
}

impl RelayService {
    pub(crate) const fn new(running: Arc<Running>, connection: Arc<Connection>) -> Self {
        Self { running, connection }
    }

    async fn begin(
        &self,
        request: Request<Streaming<ClientMessage>>,
        node: &mut String,
    ) -> Result<ReceiverStream<Result<ServerMessage, Status>>, Refusal> {
        let state = &self.running.state;
        let progress = request.extensions().get::<Progress>().cloned();
        let progress = progress.unwrap_or_else(|| Progress::new(0));
        let proven = self.identify(&request)?;
        let mut requests = request.into_inner();
        let (hello, protocol) = self.hello(&mut requests).await?;
        let proven = proven.filter(|name| !state.config.is_shared(name, &hello.node));
        check_claim(&hello.node, proven.as_deref())?;
        node.clone_from(&hello.node);
        let (id, run) = (InstanceId(sixteen(&hello.instance)?), sixteen(&hello.run)?);

        let now = self.running.sink.now().wall;
        let node_session = state.registry.begin_session(node, &state.config, now)?;
        self.wait_for_turn(&node_session).await?;
        let instance = state.registry.instance(id);
        let claim = Claim {
            run,
            node: Arc::clone(&node_session.name),
            peer: self.connection.peer,
        };
        let replaced = instance.seat.lock().take(claim)?;
        // Whoever comes later gets the seat also if this client goes away while it waits.
        let seat = replaced.clone().drop_guard();
        let patience = *state.config.handshake_timeout;
        let received = timeout(patience, Arc::clone(&instance.received).lock_owned()).await;
        let received = received.map_err(|_| {
            let message = "what came in the former session is still being taken; try again later";
            Refusal::new(Reason::Unavailable, message)
        })?;
        if replaced.is_cancelled() {
            return Err(taken_over());
        }

        // Followed before it is asked, so that nothing is missed in between.
        let commits = state.spool.on_commit(id);
        let committed = state.spool.committed(id).map_err(|_| {
            let message = "the server cannot read yet what it has stored; try again later";
            Refusal::new(Reason::Unavailable, message)
        })?;
        let (stored, checksum) = committed.unwrap_or_default();
        let mut wanted = state.spool.wanted(id);
        wanted.numbers.truncate(MOST_WANTED);
        let range = |numbers: &RangeInclusive<u64>| Range {
            first: *numbers.start(),
            last: *numbers.end(),
        };
        let sequence = Sequence::begin(stored, received.last, hello.next_sequence);
        let (answers, outgoing) = mpsc::channel(ANSWERS);
        let welcome = Welcome {
            protocol,
            last_sequence: stored,
            last_checksum: checksum,
            server: SOFTWARE.to_owned(),
            max_message_bytes: state.config.max_message_bytes.0,
            window_bytes: state.config.window_bytes.0,
            max_batch_samples: u32::try_from(state.config.limits(node).samples_per_batch).unwrap_or(u32::MAX),
            wanted: wanted.numbers.iter().map(range).collect(),
            wants_others: wanted.of_others,
        };
        // There is room: it is the first.
        let welcome = server_message::Message::Welcome(welcome);
        let _ = answers.try_send(Ok(ServerMessage::sealed(welcome)));
        progress.allow(usize::try_from(state.config.max_message_bytes.0).unwrap_or(usize::MAX));
        tracing::info!(
            node, peer = %self.connection.peer, software = printable(&hello.software), stored,
            "a client began a session"
        );
        let begun = Begun {
            instance: id,
            sender: instance,
            run: Some(run),
            node: node_session,
            requests,
            progress,
            flow: Flow::new(
                [Room::new(state.config.window_bytes.0), state.room.clone()],
                commits,
                answers.clone(),
                [replaced, self.running.stop.clone()],
            ),
            answers,
            received,
            sequence,
            stored,
            wanted: wanted.numbers,
        };
        self.spawn(Session::new(Arc::clone(&self.running), begun), seat, node.clone());
        Ok(ReceiverStream::new(outgoing))
    }

    /// A session costs as much as what it sends, so that a new one after another is no way around the limits of a node.
    async fn wait_for_turn(&self, node: &Node) -> Result<(), Refusal> {
        let patience = *self.running.state.config.handshake_timeout;
        let begun = Instant::now();
        while let Some(until) = node.rests_until(Instant::now()) {
            if until - begun > patience {
                let message = "the node has sent more than `max_samples_per_second` and `max_bytes_per_second` allow; it has to wait";
                return Err(Refusal::new(Reason::Busy, message));
            }
            sleep_until(until.into()).await;
        }
        node.pay([0, SESSION_COST, 1], Instant::now());
        Ok(())
    }

    /// In a task of its own: what was begun with a batch is finished although the client goes away.
    fn spawn(&self, session: Session, seat: tokio_util::sync::DropGuard, node: String) {
        let place = self.connection.begin_session();
        let (running, peer) = (Arc::clone(&self.running), self.connection.peer);
        let span = tracing::debug_span!(
            target: span::TARGET, parent: None, "relay session", node, %peer, otel.status_description = Empty
        );
        self.running.tasks.spawn(async move {
            let result = session.run().await;
            drop((place, seat));
            match result {
                Ok(()) => tracing::info!(node, %peer, "a client ended its session"),
                Err(refusal) => {
                    span.record("otel.status_description", display(&refusal));
                    running.state.refusals.note(&refusal, peer, &node);
                }
            }
        });
    }

    /// The node that the client proves to be.
    fn identify<T>(&self, request: &Request<T>) -> Result<Option<String>, Refusal> {
        let trust = &self.running.state.trust;
        let credentials = Credentials {
            certificate: self.connection.certificate.as_deref(),
            token: presented(request.metadata()),
        };
        let tokens = trust.tokens();
        let is_needed = self.running.state.config.needs_credentials();
        let proven = identify(credentials, tokens.as_deref(), is_needed)?;
        Ok(proven.map(str::to_owned))
    }

    /// The first message, and the version of the protocol that both speak.
    async fn hello(&self, requests: &mut Streaming<ClientMessage>) -> Result<(Hello, u32), Refusal> {
        let patience = *self.running.state.config.handshake_timeout;
        let message = timeout(patience, requests.message())
            .await
            .map_err(|_| too_slow("the client had not said who it is", patience))?;
        let Some(message) = message.map_err(|status| broken(&status))? else {
            return Err(wrong("the client ended its session before it said who it is"));
        };
        let verified = message.verify();
        let Some(Message::Hello(hello)) = message.message else {
            return Err(wrong("the first message is not `Hello`"));
        };
        // The versions before had no checksum here, and shall learn that they are too old.
        let has_checksum = message.checksum != 0;
        let protocol = negotiate(hello.protocol_min..=hello.protocol_max, SPOKEN);
        match (verified, protocol) {
            (Err(_), Err(version)) if !has_checksum => {
                Err(Refusal::new(Reason::Version, version.to_string()))
            }
            (Err(damaged), _) => Err(damaged.into()),
            (Ok(()), Err(version)) => Err(Refusal::new(Reason::Version, version.to_string())),
            (Ok(()), Ok(protocol)) => Ok((hello, protocol)),
        }
    }
}

#[tonic::async_trait]
impl Relay for RelayService {
    type SessionStream = ReceiverStream<Result<ServerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut node = String::new();
        let begun = self.begin(request, &mut node).await;
        begun.map(Response::new).map_err(|refusal| {
            self.running
                .state
                .refusals
                .note(&refusal, self.connection.peer, &node);
            refusal.status()
        })
    }
}

/// The beginning of a text that anybody may have sent, for the log.
fn printable(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

fn sixteen(bytes: &[u8]) -> Result<[u8; 16], Refusal> {
    let found = bytes.len();
    bytes
        .try_into()
        .map_err(|_| wrong(format!("an instance and a run have 16 bytes, not {found}")))
}
