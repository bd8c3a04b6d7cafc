//! A client that says what it likes, right or wrong, as fast as it can.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use alumet_core::spool::InstanceId;
use alumet_relay_protocol::v1::client_message::Message;
use alumet_relay_protocol::v1::{Batch, ClientMessage, Definitions, Hello, ServerMessage, server_message};
use alumet_shared_batch_encoding::Encoded;
use alumet_shared_trust::ClientTls;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::place::Place;

alumet_core::metrics! {
    pub(crate) VALUE = Gauge<u64> {
        name: "value",
        unit: alumet_core::Unit::ONE,
        description: "A number.",
        resources: ["local_machine"],
        consumers: ["process"],
        attributes: ["*"],
    };
}

/// A node with a certificate of its own.
pub(crate) struct Wild {
    server: SocketAddr,
    node: String,
    tls: ClientTls,
    /// How many instances it was.
    instances: u64,
}

/// A connection of it; closed when it is dropped.
pub(crate) struct Line {
    requests: SendRequest<Sent>,
    task: JoinHandle<()>,
}

/// A session that began.
pub(crate) struct Talk {
    /// What is sent; closed when the server has ended the session.
    pub(crate) to: mpsc::Sender<Bytes>,
    /// What is acknowledged; closed when the server has ended the session.
    pub(crate) acknowledged: watch::Receiver<u64>,
}

/// What it sends.
struct Sent(mpsc::Receiver<Bytes>);

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(ready!(self.0.poll_recv(context)).map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl Wild {
    pub(crate) fn new(place: &Place, server: SocketAddr, node: &str) -> Self {
        let config = place.client_config(server, node, true);
        let tls = ClientTls::new(&config.tls.expect("TLS"), Some(b"h2")).expect("certificates");
        let node = node.to_owned();
        Self {
            server,
            node,
            tls,
            instances: 0,
        }
    }

    /// A connection on which nothing was said yet.
    pub(crate) async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.server).await?;
        stream.set_nodelay(true)?;
        let name = self.tls.server_name("127.0.0.1").expect("a name");
        TlsConnector::from(self.tls.config().expect("certificates"))
            .connect(name, stream)
            .await
    }

    pub(crate) async fn line(&self) -> io::Result<Line> {
        let stream = TokioIo::new(self.connect().await?);
        let (requests, connection) = handshake(TokioExecutor::new(), stream)
            .await
            .map_err(io::Error::other)?;
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok(Line { requests, task })
    }

    /// Begins a session of an instance that the server does not know.
    pub(crate) async fn begin(&mut self, line: &mut Line) -> io::Result<Talk> {
        self.instances += 1;
        let mut instance = InstanceId([3; 16]);
        instance.0[..8].copy_from_slice(&self.instances.to_le_bytes());
        let hello = Hello {
            protocol_min: 2,
            protocol_max: 2,
            instance: instance.0.to_vec().into(),
            run: vec![1; 16].into(),
            node: self.node.clone(),
            software: "wild".to_owned(),
            next_sequence: 1,
        };
        let (to, body) = mpsc::channel(4);
        let _ = to.try_send(framed([Message::Hello(hello)]));
        let uri = format!("https://{}/alumet.relay.v1.Relay/Session", self.server);
        let request = hyper::Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Sent(body))
            .expect("a request");
        line.requests.ready().await.map_err(io::Error::other)?;
        let response = line
            .requests
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let mut answers = Answers {
            body: response.into_body(),
            bytes: BytesMut::new(),
        };
        let Some(server_message::Message::Welcome(_)) = answers.next().await else {
            return Err(io::Error::other("no welcome"));
        };
        let (note, acknowledged) = watch::channel(0);
        tokio::spawn(async move {
            while let Some(message) = answers.next().await {
                if let server_message::Message::Ack(ack) = message {
                    note.send_replace(ack.sequence);
                }
            }
        });
        Ok(Talk { to, acknowledged })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Talk {
    /// Waits until it is acknowledged, or the session has ended.
    pub(crate) async fn stored(&mut self, sequence: u64) {
        let _ = self.acknowledged.wait_for(|stored| *stored >= sequence).await;
    }
}

struct Answers {
    body: Incoming,
    bytes: BytesMut,
}

impl Answers {
    async fn next(&mut self) -> Option<server_message::Message> {
        /// A flag and a length before each message (gRPC over HTTP/2).
        const HEADER: usize = 5;
        loop {
            if let Some([_, length @ ..]) = self.bytes.first_chunk::<HEADER>() {
                let end = HEADER + u32::from_be_bytes(*length) as usize;
                if self.bytes.len() >= end {
                    let message = self.bytes.split_to(end).split_off(HEADER);
                    return ServerMessage::decode(message).ok()?.message;
                }
            }
            let body = &mut self.body;
            let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
            if let Ok(data) = frame.ok()?.into_data() {
                self.bytes.extend_from_slice(&data);
            }
        }
    }
}

/// Messages as they are on the wire.
pub(crate) fn framed(messages: impl IntoIterator<Item = Message>) -> Bytes {
    let mut bytes = BytesMut::new();
    for message in messages {
        let message = ClientMessage::sealed(message);
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(message.encoded_len()).expect("a length"));
        message.encode(&mut bytes).expect("room");
    }
    bytes.freeze()
}

pub(crate) fn batch(sequence: u64, batch: &Encoded) -> Message {
    Message::Batch(Batch {
        sequence,
        generation: batch.generation,
        samples: batch.samples,
        checksum: batch.checksum,
        payload: Bytes::from_owner(batch.payload.clone()),
        previous: sequence - 1,
    })
}

/// The definitions that came with a batch.
pub(crate) fn definitions(batch: &Encoded) -> Message {
    let definitions = batch.definitions.as_ref().expect("new series");
    Message::Definitions(Definitions {
        generation: definitions.generation,
        first: definitions.first,
        count: definitions.count,
        checksum: 0,
        payload: Bytes::from_owner(definitions.payload.clone()),
    })
}
