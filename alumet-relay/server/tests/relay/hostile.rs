//! Clients that want to do harm, or are broken.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use alumet_core::duration::HumanDuration;
use alumet_plugin_relay_server::Config;
use alumet_relay_protocol::v1::ClientMessage;
use alumet_relay_protocol::v1::client_message::Message;
use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proptest::test_runner::{Config as ProptestConfig, TestRunner};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::client::{Agent, begin, hello, instance, message};
use crate::rig::{PATIENCE, Rig};
use crate::spool::GatedSpool;

fn short(config: &mut Config) {
    config.handshake_timeout = HumanDuration::from_millis(300);
    config.idle_timeout = HumanDuration::from_millis(600);
}

/// Somebody else is served as ever.
async fn is_well(rig: &Rig, number: u8) {
    let mut session = begin(rig.address, hello("well", number, 1)).await.unwrap();
    session.send_all(Agent::new().next(1)).await;
    session.acknowledged(1).await;
    session.end().await;
}

/// A body whose bytes the test chooses.
struct Raw(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Raw {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        let data = std::task::ready!(self.0.poll_recv(context));
        Poll::Ready(data.map(|data| Ok(hyper::body::Frame::data(data))))
    }
}

/// A request whose bytes the test chooses: where to write them, and the status that ends it.
pub(crate) async fn raw(
    address: SocketAddr,
) -> (
    mpsc::Sender<Bytes>,
    tokio::task::JoinHandle<Option<(i32, String)>>,
) {
    raw_on(TcpStream::connect(address).await.unwrap(), address).await
}

async fn raw_on(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    address: SocketAddr,
) -> (
    mpsc::Sender<Bytes>,
    tokio::task::JoinHandle<Option<(i32, String)>>,
) {
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let (to, body) = mpsc::channel(1000);
    let request = hyper::Request::post(format!("http://{address}/alumet.relay.v1.Relay/Session"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Raw(body))
        .unwrap();
    let status = tokio::spawn(async move {
        let response = requests.send_request(request).await.ok()?;
        let mut headers = response.headers().clone();
        let mut body = response.into_body();
        while let Some(Ok(frame)) = next_frame(&mut body).await {
            if let Ok(trailers) = frame.into_trailers() {
                headers = trailers;
            }
        }
        let code = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
        let message = headers
            .get("grpc-message")
            .map(|text| text.to_str().unwrap_or("").to_owned());
        Some((code, message.unwrap_or_default()))
    });
    (to, status)
}

async fn next_frame(
    body: &mut hyper::body::Incoming,
) -> Option<Result<hyper::body::Frame<Bytes>, hyper::Error>> {
    std::future::poll_fn(|context| hyper::body::Body::poll_frame(Pin::new(body), context)).await
}

/// A message as it is on the wire.
fn framed(what: Message) -> Bytes {
    framed_message(&message(what))
}

pub(crate) fn framed_message(message: &ClientMessage) -> Bytes {
    let body = message.encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes.into()
}

pub(crate) async fn end(status: tokio::task::JoinHandle<Option<(i32, String)>>) -> (i32, String) {
    let status = timeout(PATIENCE, status).await.expect("an end").unwrap();
    status.expect("a status")
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_says_nothing_is_cut_off() {
    let rig = Rig::with(short);
    let begun = Instant::now();
    let mut silent = TcpStream::connect(rig.address).await.unwrap();
    let mut half = TcpStream::connect(rig.address).await.unwrap();
    half.write_all(b"PRI * HTTP/2.0\r\n\r\nSM").await.unwrap();
    // Speaks HTTP/2 and begins no session.
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let io = TokioIo::new(stream);
    let (_requests, idle) = hyper::client::conn::http2::handshake::<_, _, Raw>(TokioExecutor::new(), io)
        .await
        .unwrap();
    // Begins a session and does not say who it is.
    let (_to, nameless) = raw(rig.address).await;
    let mut rest = Vec::new();
    let cut = async {
        let _ = silent.read_to_end(&mut rest).await;
        let _ = half.read_to_end(&mut rest).await;
        let _ = idle.await;
    };
    timeout(PATIENCE, cut).await.expect("all are cut off");
    if let Some((code, message)) = timeout(PATIENCE, nameless).await.expect("an end").unwrap() {
        assert_eq!(code, 4, "{message}");
    }
    assert!(begun.elapsed() < PATIENCE / 2);
    is_well(&rig, 9).await;
    let report = rig.stop();
    assert!(
        report.iter().any(|line| line.contains("reason=slow")),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_message_and_silence_is_cut_off_but_a_silent_session_is_not() {
    let rig = Rig::with(short);
    let mut quiet = begin(rig.address, hello("quiet", 1, 1)).await.unwrap();

    let (to, status) = raw(rig.address).await;
    to.send(framed(Message::Hello(hello("half", 2, 1))))
        .await
        .unwrap();
    let whole = framed(Agent::new().next(1).remove(0));
    to.send(whole.slice(..whole.len() / 2)).await.unwrap();
    let (code, reason) = end(status).await;
    assert_eq!(code, 4, "{reason}");

    // A byte now and then does not help.
    let (to, status) = raw(rig.address).await;
    to.send(framed(Message::Hello(hello("trickle", 3, 1))))
        .await
        .unwrap();
    let trickle = tokio::spawn(async move {
        for byte in whole {
            if to.send(Bytes::copy_from_slice(&[byte])).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let (code, reason) = end(status).await;
    assert_eq!(code, 4, "{reason}");
    trickle.abort();

    quiet.send_all(Agent::new().next(1)).await;
    quiet.acknowledged(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_four_gigabytes_is_refused_with_its_first_bytes() {
    let rig = Rig::start();
    // Before the server knows who it is, much less is allowed.
    for (greets, announced) in [
        (false, 1_u32 << 20),
        (false, u32::MAX),
        (true, 5 << 20),
        (true, u32::MAX),
    ] {
        let (to, status) = raw(rig.address).await;
        if greets {
            to.send(framed(Message::Hello(hello("large", 1, 1))))
                .await
                .unwrap();
        }
        let mut prefix = vec![0];
        prefix.extend(announced.to_be_bytes());
        to.send(prefix.into()).await.unwrap();
        let (code, message) = end(status).await;
        assert_eq!(code, 8, "{message}");
        assert!(message.contains(&announced.to_string()), "{message}");
    }
    is_well(&rig, 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_understood_however_they_are_cut() {
    let rig = Rig::start();
    let mut agent = Agent::new();
    for (number, size) in [(1, 3), (2, 11), (3, 1000)] {
        let mut bytes = framed(Message::Hello(hello("cut", number, 1))).to_vec();
        agent.restart(u32::from(number));
        for value in 0..3_u64 {
            for what in agent.next(value) {
                let what = match what {
                    Message::Batch(batch) => Message::Batch(alumet_relay_protocol::v1::Batch {
                        sequence: value + 1,
                        previous: value,
                        ..batch
                    }),
                    other => other,
                };
                bytes.extend(framed(what));
            }
        }
        let (to, status) = raw(rig.address).await;
        for (count, part) in bytes.chunks(size).enumerate() {
            to.send(Bytes::copy_from_slice(part)).await.unwrap();
            if count % 20 == 0 {
                // HTTP/2 itself ends a connection on which too many small pieces wait.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        drop(to);
        assert_eq!(end(status).await.0, 0);
        assert_eq!(rig.spool.sequences(instance(number)), [1, 2, 3]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_do_no_harm() {
    let rig = Rig::with(short);
    let runtime = tokio::runtime::Handle::current();
    let address = rig.address;
    tokio::task::spawn_blocking(move || {
        let strategy = (
            proptest::arbitrary::any::<bool>(),
            proptest::collection::vec(0..=255_u8, 0..300),
        );
        let config = ProptestConfig {
            cases: 100,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        TestRunner::new(config)
            .run(&strategy, |(within, bytes)| {
                runtime.block_on(async {
                    if within {
                        // In a session that has begun.
                        let (to, status) = raw(address).await;
                        let _ = to.send(framed(Message::Hello(hello("random", 1, 1)))).await;
                        let _ = to.send(bytes.into()).await;
                        drop(to);
                        let _ = timeout(PATIENCE, status).await.expect("an end");
                    } else {
                        let mut stream = TcpStream::connect(address).await.unwrap();
                        let _ = stream.write_all(&bytes).await;
                        drop(stream);
                    }
                });
                Ok(())
            })
            .unwrap();
    })
    .await
    .unwrap();
    is_well(&rig, 9).await;
}

/// A connection that stops reading when it is told to.
struct Deafened(TcpStream, Arc<AtomicBool>);

impl AsyncRead for Deafened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.1.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        Pin::new(&mut self.0).poll_read(context, to)
    }
}

impl AsyncWrite for Deafened {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_no_burden_and_is_found() {
    let rig = Rig::with(|config| {
        config.keepalive = HumanDuration::from_millis(500);
        config.max_connections_per_node = 1;
    });
    let is_deaf = Arc::new(AtomicBool::new(false));
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let (to, status) = raw_on(Deafened(stream, Arc::clone(&is_deaf)), rig.address).await;
    to.send(framed(Message::Hello(hello("deaf", 1, 1))))
        .await
        .unwrap();
    let mut agent = Agent::new();
    for what in agent.next(0) {
        to.send(framed(what)).await.unwrap();
    }
    rig.spool.wait_for(instance(1), 1);
    is_deaf.store(true, Ordering::Relaxed);
    for value in 1..500 {
        for what in agent.next(value) {
            let _ = to.try_send(framed(what));
        }
    }
    is_well(&rig, 9).await;
    // The kernel and HTTP/2 find out that it does not answer, and its place is free again.
    let freed = async {
        while begin(rig.address, hello("deaf", 2, 1)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, freed).await.expect("a free place");
    status.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_small_batches_may_wait() {
    let rig = Rig::start();
    rig.spool.hold();
    let mut agent = Agent::new();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    for value in 0..5000 {
        session.send_all(agent.next(value)).await;
    }
    rig.spool.wait_for(instance(1), 5000);
    rig.spool.release();
    session.acknowledged(5000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_full_window_nor_full_room_of_all_clients_lets_anybody_stand_still() {
    const BATCHES: u64 = 12_000;
    // Room for some hundred batches: of the session, or of all clients.
    for (window_bytes, memory_bytes) in [(64 << 10, 0), (4 << 20, 128 << 10)] {
        let rig = Rig::on(GatedSpool::with_memory(memory_bytes), |config| {
            config.window_bytes = alumet_core::size::ByteSize(window_bytes);
            config.max_samples_per_second = 0;
        });
        rig.spool.hold();
        let (spool, is_over) = (rig.spool.clone(), Arc::new(AtomicBool::new(false)));
        let ends = Arc::clone(&is_over);
        // A slow disk.
        let storing = tokio::spawn(async move {
            while !ends.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(10)).await;
                spool.store();
            }
        });
        let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
        let to = session.to.clone();
        let sending = tokio::spawn(async move {
            let mut agent = Agent::new();
            for value in 0..BATCHES {
                for what in agent.next(value) {
                    to.send(message(what)).await.unwrap();
                }
            }
        });
        rig.spool.wait_for(instance(1), 200);
        is_well(&rig, 9).await;
        assert!(
            rig.spool.sequences(instance(1)).len() < BATCHES as usize,
            "somebody else was served meanwhile"
        );
        session.acknowledged(BATCHES).await;
        sending.await.unwrap();
        is_over.store(true, Ordering::Relaxed);
        storing.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_waits_when_its_window_is_full() {
    let rig = Rig::with(|config| config.window_bytes = alumet_core::size::ByteSize(1));
    rig.spool.hold();
    let mut agent = Agent::new();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    assert_eq!(session.welcome.window_bytes, 1);
    for value in 0..10 {
        session.send_all(agent.next(value)).await;
    }
    rig.spool.wait_for(instance(1), 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(rig.spool.sequences(instance(1)), [1]);
    rig.spool.release();
    session.acknowledged(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_slowed_down_to_its_pace() {
    let rig = Rig::with(|config| config.max_bytes_per_second = alumet_core::size::ByteSize(200));
    let mut agent = Agent::new();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    let begun = Instant::now();
    for value in 0..8 {
        session.send_all(agent.next(value)).await;
    }
    session.acknowledged(8).await;
    let bytes: usize = 8 * 30;
    let least = Duration::from_secs_f64(bytes as f64 / 200.0).saturating_sub(Duration::from_secs(1));
    assert!(begun.elapsed() > least, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_allowed_are_closed_at_once() {
    let rig = Rig::with(|config| config.max_connections = 1);
    let session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    let mut other = TcpStream::connect(rig.address).await.unwrap();
    let mut rest = Vec::new();
    let closed = timeout(PATIENCE, other.read_to_end(&mut rest))
        .await
        .expect("closed");
    assert!(closed.is_err() || rest.is_empty());
    drop(session);
    let report = rig.stop();
    assert!(
        report.iter().any(|line| line.contains("reason=busy")),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_connects_without_end_and_begins_no_session_has_to_wait() {
    let rig = Rig::start();
    let mut session = begin(rig.address, hello("well", 1, 1)).await.unwrap();
    for _ in 0..400 {
        drop(TcpStream::connect(rig.address).await.unwrap());
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "everybody is served at once");
        // Who is served hears something, and who waits does not.
        let heard = timeout(Duration::from_millis(100), first_byte(&rig)).await;
        if !matches!(heard, Ok(Ok(1))) {
            break;
        }
    }
    session.send_all(Agent::new().next(1)).await;
    session.acknowledged(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_agents_of_one_address_do_not_have_to_wait() {
    let rig = Rig::with(|config| config.max_samples_per_second = 0);
    for _ in 0..300 {
        begin(rig.address, hello("a", 1, 1)).await.unwrap().end().await;
    }
    let heard = timeout(PATIENCE, first_byte(&rig)).await;
    assert_eq!(heard.unwrap().unwrap(), 1);
}

/// Begins HTTP/2 and waits for the answer.
async fn first_byte(rig: &Rig) -> io::Result<usize> {
    let mut stream = TcpStream::connect(rig.address).await?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
    stream.read(&mut [0; 1]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_asks_for_one_session_after_another_ends() {
    let rig = Rig::start();
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut asked = 0;
    while asked < 200 && requests.ready().await.is_ok() {
        let (_, body) = mpsc::channel(1);
        let request = hyper::Request::post(format!("http://{}/", rig.address)).body(Raw(body));
        if requests.send_request(request.unwrap()).await.is_err() {
            break;
        }
        asked += 1;
    }
    assert!(asked < 200, "it goes on for ever");
}
