//! A server that keeps to the protocol and stores what it commits, unless it is told to do something else.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use alumet_relay_protocol::tokens::presented;
use alumet_relay_protocol::v1::client_message::Message;
use alumet_relay_protocol::v1::relay_server::{Relay, RelayServer};
use alumet_relay_protocol::v1::{Ack, ClientMessage, Hello, Range, ServerMessage, Welcome, server_message};
use alumet_shared_trust::ServerTls;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// What a server does.
#[derive(Clone)]
pub(crate) struct Behaviour {
    pub(crate) window_bytes: u64,
    pub(crate) max_batch_samples: u32,
    pub(crate) max_message_bytes: u64,
    /// How long it takes to commit a batch.
    pub(crate) commit: Duration,
    /// Whether it acknowledges what it has committed.
    pub(crate) acknowledges: bool,
    /// Every so many batches it commits without saying so, and ends the session.
    pub(crate) dies_every: Option<u64>,
    /// Every so many batches, the acknowledgement becomes one of another batch on its way.
    pub(crate) damages_every: Option<u64>,
    /// Whether payloads are of a pipeline, which do not say what they need.
    pub(crate) is_real: bool,
    /// How far its acknowledgements go beyond what it has.
    pub(crate) boasts: u64,
    /// What it wants to see.
    pub(crate) token: Option<String>,
    /// What it says to everybody.
    pub(crate) refusal: Option<Status>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            window_bytes: 1 << 20,
            max_batch_samples: 0,
            max_message_bytes: 1 << 20,
            commit: Duration::ZERO,
            acknowledges: true,
            dies_every: None,
            damages_every: None,
            is_real: false,
            boasts: 0,
            token: None,
            refusal: None,
        }
    }
}

/// What a server has, which outlives it.
#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Mutex<Stored>>);

#[derive(Default)]
pub(crate) struct Stored {
    /// All batches, in the order in which they were committed.
    pub(crate) batches: Vec<(Vec<u8>, u64)>,
    pub(crate) gaps: Vec<(u64, u64, i32)>,
    pub(crate) hellos: Vec<Hello>,
    /// All definitions and batches that came, also those that were not committed.
    pub(crate) messages: Vec<Message>,
    /// What a client did that no client may do.
    pub(crate) violations: Vec<String>,
    pub(crate) bytes: u64,
    /// The most payload that was not acknowledged.
    pub(crate) most_in_flight: u64,
    last: HashMap<Vec<u8>, (u64, u32)>,
    /// What is damaged, in part of what nobody has any more.
    wanted: BTreeSet<(Vec<u8>, u64)>,
    received: u64,
}

impl Store {
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Stored) -> T) -> T {
        look(&mut self.0.lock())
    }

    /// The numbers of all batches, in the order in which they were committed.
    pub(crate) fn sequences(&self) -> Vec<u64> {
        self.with(|stored| stored.batches.iter().map(|(_, sequence)| *sequence).collect())
    }

    /// As if an older copy of its disk had been restored: only so many batches are left.
    pub(crate) fn go_back(&self, count: usize) {
        self.with(|stored| {
            stored.batches.truncate(count);
            stored.last.clear();
            for (instance, sequence) in &stored.batches {
                stored.last.insert(instance.clone(), (*sequence, 0));
            }
        });
    }

    /// Some batches are damaged.
    pub(crate) fn damage(&self, instance: u8, sequences: impl IntoIterator<Item = u64>) {
        let damaged = sequences
            .into_iter()
            .map(|sequence| (vec![instance; 16], sequence));
        self.with(|stored| {
            stored.wanted.extend(damaged);
            let wanted = &stored.wanted;
            stored.batches.retain(|batch| !wanted.contains(batch));
        });
    }

    /// Says that everything up to `sequence` is there.
    pub(crate) fn pretend(&self, instance: &[u8], sequence: u64, checksum: u32) {
        self.with(|stored| stored.last.insert(instance.to_vec(), (sequence, checksum)));
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepting: JoinSet<()>,
}

impl Server {
    /// Ends it with all its connections, and leaves its port.
    pub(crate) async fn stop(mut self) {
        self.accepting.shutdown().await;
    }

    pub(crate) async fn start(behaviour: Behaviour, store: Store) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), behaviour, store, None).await
    }

    pub(crate) async fn start_tls(behaviour: Behaviour, store: Store, tls: Arc<ServerTls>) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), behaviour, store, Some(tls)).await
    }

    pub(crate) async fn start_at(
        address: SocketAddr,
        behaviour: Behaviour,
        store: Store,
        tls: Option<Arc<ServerTls>>,
    ) -> Self {
        let listener = listen(address);
        let address = listener.local_addr().unwrap();
        let service = FakeRelay { behaviour, store };
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let service = service.clone();
                let tls = tls.clone();
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, service).await,
                        Some(tls) => {
                            if let Ok(stream) = TlsAcceptor::from(tls.config()).accept(stream).await {
                                serve(stream, service).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, accepting }
    }
}

/// A listener at a port that an earlier one may have just left.
pub(crate) fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(128).unwrap()
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, service: FakeRelay) {
    let service = TowerToHyperService::new(RelayServer::new(service));
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[derive(Clone)]
struct FakeRelay {
    behaviour: Behaviour,
    store: Store,
}

#[tonic::async_trait]
impl Relay for FakeRelay {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<ServerMessage, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        if let Some(refusal) = &self.behaviour.refusal {
            return Err(refusal.clone());
        }
        if let Some(token) = &self.behaviour.token
            && presented(request.metadata()) != Some(token)
        {
            return Err(Status::unauthenticated("the token is not known"));
        }
        let (answers, stream) = mpsc::channel(64);
        let relay = self.clone();
        tokio::spawn(async move {
            if let Err(status) = relay.listen(request.into_inner(), &answers).await {
                let _ = answers.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

impl FakeRelay {
    async fn listen(
        &self,
        mut messages: Streaming<ClientMessage>,
        answers: &mpsc::Sender<Result<ServerMessage, Status>>,
    ) -> Result<(), Status> {
        let first = messages.message().await?.and_then(|first| first.message);
        let Some(Message::Hello(hello)) = first else {
            return Err(Status::invalid_argument("no hello"));
        };
        let instance = hello.instance.to_vec();
        let ((last, checksum), wanted) = self.store.with(|stored| {
            stored.hellos.push(hello.clone());
            let last = stored.last.get(&instance).copied().unwrap_or_default();
            (last, stored.wanted.clone())
        });
        let (own, others): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(id, _)| *id == instance);
        let range = |&(_, number): &(Vec<u8>, u64)| Range {
            first: number,
            last: number,
        };
        let welcome = Welcome {
            protocol: 2,
            last_sequence: last,
            last_checksum: checksum,
            server: "fake".to_owned(),
            max_message_bytes: self.behaviour.max_message_bytes,
            window_bytes: self.behaviour.window_bytes,
            max_batch_samples: self.behaviour.max_batch_samples,
            wanted: own.iter().map(range).collect(),
            wants_others: !others.is_empty(),
        };
        say(answers, server_message::Message::Welcome(welcome)).await;

        let mut session = Session {
            expected: hello.next_sequence.max(last + 1),
            instance,
            known: HashMap::new(),
            in_flight: 0,
        };
        let mut receipts: VecDeque<(Instant, Receipt)> = VecDeque::new();
        loop {
            let is_real = self.behaviour.is_real;
            let due = receipts.front().map(|(at, _)| *at);
            tokio::select! {
                message = messages.message() => {
                    let Some(message) = message?.and_then(|message| message.message) else {
                        return Ok(());
                    };
                    if let Some(receipt) = self.store.with(|stored| stored.take(&mut session, message, is_real))? {
                        receipts.push_back((Instant::now() + self.behaviour.commit, receipt));
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    let (_, receipt) = receipts.pop_front().unwrap();
                    let (sequence, dies, is_damaged) = self.store.with(|stored| {
                        session.in_flight -= receipt.bytes;
                        let sequence = stored.commit(&session.instance, receipt);
                        let is_turn = |every: Option<u64>| every.is_some_and(|every| stored.received.is_multiple_of(every));
                        let (dies, damages) = (self.behaviour.dies_every, self.behaviour.damages_every);
                        (sequence, is_turn(dies), is_turn(damages))
                    });
                    if dies {
                        return Err(Status::unavailable("the server ends"));
                    }
                    if self.behaviour.acknowledges {
                        let mut message = ServerMessage::sealed(server_message::Message::Ack(Ack {
                            sequence: sequence + self.behaviour.boasts,
                        }));
                        if is_damaged {
                            message.message = Some(server_message::Message::Ack(Ack { sequence: sequence + 1 }));
                        }
                        let _ = answers.send(Ok(message)).await;
                    }
                }
            }
        }
    }
}

struct Session {
    instance: Vec<u8>,
    expected: u64,
    known: HashMap<u32, u32>,
    in_flight: u64,
}

/// What is to be committed.
struct Receipt {
    sequence: u64,
    checksum: u32,
    bytes: u64,
    gap: Option<(u64, u64, i32)>,
}

impl Stored {
    fn take(
        &mut self,
        session: &mut Session,
        message: Message,
        is_real: bool,
    ) -> Result<Option<Receipt>, Status> {
        let result = self.check(session, message, is_real);
        if let Err(status) = &result {
            self.violations.push(status.message().to_owned());
        }
        result
    }

    fn check(
        &mut self,
        session: &mut Session,
        message: Message,
        is_real: bool,
    ) -> Result<Option<Receipt>, Status> {
        let refuse = |text: String| Err(Status::invalid_argument(text));
        match message {
            Message::Hello(_) => refuse("hello twice".to_owned()),
            Message::Definitions(definitions) => {
                self.messages.push(Message::Definitions(definitions.clone()));
                let known = session.known.entry(definitions.generation).or_default();
                if definitions.first > *known {
                    return refuse(format!("definitions after {known} are missing"));
                }
                *known = (*known).max(definitions.first + definitions.count);
                Ok(None)
            }
            Message::Gap(gap) => {
                if gap.previous >= session.expected || gap.last < session.expected {
                    return refuse(format!(
                        "gap after {} instead of {}",
                        gap.previous, session.expected
                    ));
                }
                session.expected = gap.last + 1;
                Ok(Some(Receipt {
                    sequence: gap.last,
                    checksum: 0,
                    bytes: 0,
                    gap: Some((gap.first, gap.last, gap.reason)),
                }))
            }
            Message::Batch(batch) => {
                let is_wanted = self.wanted.contains(&(session.instance.clone(), batch.sequence));
                if batch.previous >= session.expected || batch.sequence < session.expected && !is_wanted {
                    return refuse(format!(
                        "batch {} after {} instead of {}",
                        batch.sequence, batch.previous, session.expected
                    ));
                }
                if crc32fast::hash(&batch.payload) != batch.checksum {
                    return refuse(format!("batch {} is damaged", batch.sequence));
                }
                let needed = match batch.payload.get(8..12) {
                    Some(bytes) => u32::from_le_bytes(bytes.try_into().unwrap()),
                    None => 0,
                };
                self.messages.push(Message::Batch(batch.clone()));
                let known = session.known.get(&batch.generation).copied().unwrap_or(0);
                if needed > known && !is_real {
                    return refuse(format!("batch {} needs {needed} of {known}", batch.sequence));
                }
                session.expected = session.expected.max(batch.sequence + 1);
                let bytes = batch.payload.len() as u64;
                session.in_flight += bytes;
                self.bytes += bytes;
                self.most_in_flight = self.most_in_flight.max(session.in_flight);
                Ok(Some(Receipt {
                    sequence: batch.sequence,
                    checksum: batch.checksum,
                    bytes,
                    gap: None,
                }))
            }
        }
    }

    fn commit(&mut self, instance: &[u8], receipt: Receipt) -> u64 {
        self.received += 1;
        if self.wanted.remove(&(instance.to_vec(), receipt.sequence)) {
            self.batches.push((instance.to_vec(), receipt.sequence));
            return receipt.sequence;
        }
        let last = self.last.entry(instance.to_vec()).or_default();
        // Two sessions of one instance may overlap for a moment.
        if receipt.sequence > last.0 {
            *last = (receipt.sequence, receipt.checksum);
            match receipt.gap {
                None => self.batches.push((instance.to_vec(), receipt.sequence)),
                Some(gap) => self.gaps.push(gap),
            }
        }
        receipt.sequence
    }
}

async fn say(answers: &mpsc::Sender<Result<ServerMessage, Status>>, message: server_message::Message) {
    let _ = answers.send(Ok(ServerMessage::sealed(message))).await;
}
