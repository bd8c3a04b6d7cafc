//! A client that can do everything, right and wrong.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use alumet_core::progress::Progress;
use alumet_core::series::Series;
use alumet_core::spool::InstanceId;
use alumet_core::unit::Unit;
use alumet_core::{Attributes, Catalog, Consumer, Resource, Timestamp};
use alumet_relay_protocol::tokens::present;
use alumet_relay_protocol::v1::client_message::Message;
use alumet_relay_protocol::v1::relay_client::RelayClient;
use alumet_relay_protocol::v1::{
    self, ClientMessage, Gap, GapReason, Hello, ServerMessage, Welcome, server_message,
};
use alumet_shared_batch_encoding::{Encoded, Encoder};
use alumet_shared_trust::ClientTls;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use crate::rig::PATIENCE;

alumet_core::metrics! {
    VALUE = Gauge<u64> {
        name: "value",
        unit: Unit::ONE,
        description: "A number.",
        resources: ["*"],
        consumers: ["*"],
        attributes: ["*"],
    };
}

/// A session that began.
pub(crate) struct Session {
    pub(crate) welcome: Welcome,
    pub(crate) to: mpsc::Sender<ClientMessage>,
    pub(crate) from: Streaming<ServerMessage>,
}

pub(crate) fn instance(number: u8) -> InstanceId {
    InstanceId([number; 16])
}

pub(crate) fn hello(node: &str, instance: u8, run: u8) -> Hello {
    Hello {
        protocol_min: 2,
        protocol_max: 2,
        instance: vec![instance; 16].into(),
        run: vec![run; 16].into(),
        node: node.to_owned(),
        software: "test".to_owned(),
        next_sequence: 1,
    }
}

pub(crate) async fn plain(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// A session in plain text.
pub(crate) async fn begin(address: SocketAddr, hello: Hello) -> Result<Session, Status> {
    begin_on(plain(address).await, hello, None).await
}

/// A session on a connection that exists, perhaps with a token.
pub(crate) async fn begin_on(channel: Channel, hello: Hello, token: Option<&str>) -> Result<Session, Status> {
    let (to, outgoing) = mpsc::channel(100);
    to.send(message(Message::Hello(hello))).await.unwrap();
    let mut request = Request::new(ReceiverStream::new(outgoing));
    if let Some(token) = token {
        present(token, request.metadata_mut()).unwrap();
    }
    let mut client = RelayClient::new(channel);
    let answer = timeout(PATIENCE, client.session(request))
        .await
        .expect("an answer");
    let mut from = answer?.into_inner();
    let welcome = match timeout(PATIENCE, from.message()).await.expect("a welcome")? {
        Some(ServerMessage {
            message: Some(server_message::Message::Welcome(welcome)),
            ..
        }) => welcome,
        other => panic!("no welcome: {other:?}"),
    };
    Ok(Session { welcome, to, from })
}

pub(crate) fn message(message: Message) -> ClientMessage {
    ClientMessage::sealed(message)
}

impl Session {
    pub(crate) async fn send(&self, what: Message) {
        // A session that has ended takes nothing; its end is what tests look at.
        let _ = self.to.send(message(what)).await;
    }

    pub(crate) async fn send_all(&self, messages: Vec<Message>) {
        for message in messages {
            self.send(message).await;
        }
    }

    /// The names of the series change on their way.
    pub(crate) async fn send_damaged(&self, messages: Vec<Message>) {
        for what in messages {
            let mut damaged = message(what);
            if let Some(Message::Definitions(definitions)) = &mut damaged.message {
                definitions.count += 1;
            }
            let _ = self.to.send(damaged).await;
        }
    }

    /// Reads until everything up to `sequence` is acknowledged.
    pub(crate) async fn acknowledged(&mut self, sequence: u64) {
        let mut last = 0;
        while last < sequence {
            let message = timeout(PATIENCE, self.from.message())
                .await
                .expect("an acknowledgement");
            match message.expect("a session that goes on").expect("no end").message {
                Some(server_message::Message::Ack(ack)) => {
                    assert!(ack.sequence > last, "acknowledgements rise");
                    last = ack.sequence;
                }
                other => panic!("no acknowledgement: {other:?}"),
            }
        }
        assert_eq!(last, sequence);
    }

    /// Reads until the server ends the session.
    pub(crate) async fn refusal(&mut self) -> Status {
        loop {
            match timeout(PATIENCE, self.from.message())
                .await
                .expect("an end of the session")
            {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the session ended without a reason"),
                Err(status) => return status,
            }
        }
    }

    /// Ends the session in good order, and gives the last number that was acknowledged before the end of the other side.
    pub(crate) async fn end(self) -> Option<u64> {
        let Self { to, mut from, .. } = self;
        drop(to);
        let mut last = None;
        while let Some(answer) = timeout(PATIENCE, from.message())
            .await
            .expect("an end")
            .expect("a good end")
        {
            if let Some(server_message::Message::Ack(ack)) = answer.message {
                last = Some(ack.sequence);
            }
        }
        last
    }
}

/// Numbered batches as an agent makes them.
pub(crate) struct Agent {
    catalog: Catalog,
    encoder: Encoder,
    sequence: u64,
    /// Processes that go on: their series are defined once.
    kept: Vec<Series<u64>>,
    /// What the next batches say.
    pub(crate) progress: Option<Progress>,
}

impl Agent {
    pub(crate) fn new() -> Self {
        Self {
            catalog: Catalog::new(),
            encoder: Encoder::new(1),
            sequence: 0,
            kept: Vec::new(),
            progress: None,
        }
    }

    /// After a restart: another dictionary, the numbers go on.
    pub(crate) fn restart(&mut self, generation: u32) {
        self.encoder = Encoder::new(generation);
    }

    /// The next batch, a value of process 42, with the definitions that it needs.
    pub(crate) fn next(&mut self, value: u64) -> Vec<Message> {
        self.next_of(&[(Attributes::EMPTY, value)])
    }

    /// The next batch: values of process 42 with attributes.
    pub(crate) fn next_of(&mut self, values: &[(Attributes, u64)]) -> Vec<Message> {
        let metric = self.catalog.metric(&VALUE).unwrap();
        let mut batch = self.catalog.batch();
        for (attributes, value) in values {
            let process = Consumer::Process { pid: 42 };
            let series = self.catalog.series(metric, Resource::LocalMachine, process);
            let series = series.attributes(attributes).register();
            batch.push(&series, Timestamp::from_nanos(self.sequence as i64), *value);
            self.kept.push(series);
        }
        if let Some(progress) = self.progress {
            batch.set_progress(progress);
        }
        self.sequence += 1;
        messages_of(self.sequence, self.encoder.encode(&batch))
    }

    /// The next numbers are lost.
    pub(crate) fn lose(&mut self, count: u64, samples: u64) -> Message {
        let first = self.sequence + 1;
        self.sequence += count;
        Message::Gap(Gap {
            first,
            last: self.sequence,
            samples,
            first_timestamp: None,
            last_timestamp: None,
            reason: GapReason::Full.into(),
            previous: first - 1,
        })
    }
}

/// The messages for an encoded batch with that number.
pub(crate) fn messages_of(sequence: u64, encoded: Encoded) -> Vec<Message> {
    let mut messages = Vec::new();
    if let Some(definitions) = encoded.definitions {
        messages.push(Message::Definitions(v1::Definitions {
            generation: definitions.generation,
            first: definitions.first,
            count: definitions.count,
            checksum: 0,
            payload: definitions.payload.to_vec().into(),
        }));
    }
    messages.push(Message::Batch(v1::Batch {
        sequence,
        generation: encoded.generation,
        samples: encoded.samples,
        checksum: encoded.checksum,
        payload: encoded.payload.to_vec().into(),
        previous: sequence - 1,
    }));
    messages
}

/// The batch among messages, changed.
pub(crate) fn change(mut messages: Vec<Message>, change: impl FnOnce(&mut v1::Batch)) -> Vec<Message> {
    if let Some(Message::Batch(batch)) = messages.last_mut() {
        change(batch);
    }
    messages
}

/// Connects with TLS.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Arc<ClientTls>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<tokio_rustls::client::TlsStream<TcpStream>>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { address, tls } = self.clone();
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost").unwrap();
            let stream = TlsConnector::from(tls.config().unwrap())
                .connect(name, stream)
                .await?;
            Ok(TokioIo::new(stream))
        })
    }
}

pub(crate) async fn with_tls(
    address: SocketAddr,
    tls: ClientTls,
) -> Result<Channel, tonic::transport::Error> {
    let connector = Connector {
        address,
        tls: Arc::new(tls),
    };
    let endpoint = Endpoint::from_static("http://localhost");
    endpoint.connect_with_connector(connector).await
}
