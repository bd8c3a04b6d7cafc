//! Clients that want to do harm, one at a time: what each costs the server within its default limits, and what others notice
//! of it.

use std::io;
use std::time::{Duration, Instant};

use alumet_core::{Batch, Catalog, Consumer, Resource, Series, Timestamp};
use alumet_relay_protocol::v1::client_message::Message;
use alumet_relay_protocol::v1::{Gap, GapReason};
use alumet_shared_batch_encoding::{Encoded, Encoder};
use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::agents::{all, clear, print_delays, start};
use crate::machine;
use crate::place::Place;
use crate::process::{Kind, Server};
use crate::wild::{VALUE, Wild, batch, definitions, framed};

/// Agents that do no harm, whose ticks are spread over the second.
const AGENTS: u64 = 20;
/// How long the server is looked at before.
const BEFORE: Duration = Duration::from_secs(3);
/// The time within which a node has used up what it may send at once, and how long it goes on.
const BURST: Duration = Duration::from_secs(4);
const AFTER: Duration = Duration::from_secs(5);
/// Until when its memory is to be free again.
const FREED: Duration = Duration::from_secs(10);

/// What a client does for as long as it can.
const CASES: [(&str, &str); 9] = [
    ("samples", "the largest batches"),
    ("messages", "batches of one sample"),
    ("definitions", "as many series as it may have, and a new session"),
    ("gaps", "gaps"),
    ("refused", "a batch that cannot be read, and a new connection"),
    ("sessions", "a session without a word, and a new one"),
    ("connections", "a session without a word, and a new connection"),
    (
        "texts",
        "batches whose samples have the longest names and attributes",
    ),
    ("bytes", "random bytes, and a new connection"),
];

/// One of them, or all.
pub(crate) fn run(only: Option<&str>) {
    println!(
        "a client that goes on for {BURST:?} and {AFTER:?}, and {AGENTS} agents beside it; what the server needs without it is \
         subtracted:"
    );
    for (case, what) in CASES {
        if only.is_none_or(|only| only == case) {
            println!("\n{case}: {what}");
            measure(case);
        }
    }
}

fn measure(case: &'static str) {
    let place = Place::new();
    let server = Server::start(&place, "server", Kind::Limited, true);
    let runtime = Runtime::new().expect("a runtime");
    let (notes, stop) = runtime.block_on(async {
        let (notes, stop) = start(&place, &server, AGENTS);
        let begin = tokio::time::Instant::now();
        all(&notes, "acknowledged", begin, |notes| notes.acknowledged).await;
        (notes, stop)
    });
    // The newest records stay in memory, whoever sent them; what is measured is what comes on top of it.
    let mut warm = Wild::new(&place, server.address, "warm");
    runtime.block_on(fill(&mut warm)).expect("a session");
    std::thread::sleep(Duration::from_secs(1));
    clear(&notes);
    let (idle, memory, _) = look(&server, BEFORE);
    print_delays(&notes);
    clear(&notes);

    let mut wild = Wild::new(&place, server.address, "hostile");
    let hostile = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let hostile = hostile.expect("a runtime");
    hostile.spawn(async move {
        loop {
            if attack(case, &mut wild).await.is_err() {
                // As fast as it can, but it is the server that is measured.
                sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let (burst, _, most) = look(&server, BURST);
    let (after, _, later) = look(&server, AFTER);
    hostile.shutdown_background();
    print_delays(&notes);
    std::thread::sleep(FREED);
    let freed = server.process.counted().resident_kib;
    let mib = |kib: u64| (kib as f64 - memory as f64) / 1024.0;
    println!(
        "  {:.0} ms of CPU in the first {BURST:?}, then {:.1} ms per second (without it: {:.1}); {:.1} MiB at most and {:.1} {FREED:?} \
         later, besides {:.1}",
        (burst - idle) * BURST.as_secs_f64(),
        after - idle,
        idle,
        mib(most.max(later)),
        mib(freed),
        memory as f64 / 1024.0,
    );
    stop.cancel();
    for line in server.process.complaints().lines().take(2) {
        println!("  {}", line.chars().take(180).collect::<String>());
    }
}

/// Sends more records than the server keeps in memory.
async fn fill(wild: &mut Wild) -> io::Result<()> {
    const BATCHES: u64 = 400;
    let encoded = encoded(&many(8, 8), 8000, 0);
    let mut line = wild.line().await?;
    let mut talk = wild.begin(&mut line).await?;
    send(&talk.to, framed([definitions(&encoded)])).await?;
    for number in 1..=BATCHES {
        send(&talk.to, framed([batch(number, &encoded)])).await?;
    }
    talk.stored(BATCHES).await;
    Ok(())
}

/// Milliseconds of CPU per second, and memory in KiB: the last, and the most.
fn look(server: &Server, time: Duration) -> (f64, u64, u64) {
    let (begin, before) = (Instant::now(), server.process.counted().cpu_nanos);
    server.process.forget_peak();
    std::thread::sleep(time);
    let counted = server.process.counted();
    let nanos = (counted.cpu_nanos - before) as f64;
    (
        nanos / begin.elapsed().as_secs_f64() / 1e6,
        counted.resident_kib,
        counted.peak_kib,
    )
}

/// Goes on until it is refused.
async fn attack(case: &str, wild: &mut Wild) -> io::Result<()> {
    if case == "bytes" {
        let mut random = 42;
        loop {
            let bytes: Vec<u8> = (0..4096).map(|_| machine::next(&mut random) as u8).collect();
            let mut stream = wild.connect().await?;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
    }
    let mut line = wild.line().await?;
    let mut talk = wild.begin(&mut line).await?;
    match case {
        "samples" => {
            let encoded = encoded(&many(8, 8), Batch::LARGEST, 44);
            send_all(&mut talk.to, &encoded, 1).await
        }
        "messages" => {
            let encoded = encoded(&many(1, 8), 1, 44);
            send_all(&mut talk.to, &encoded, 100).await
        }
        "texts" => {
            let encoded = encoded(&many(1000, 1800), Batch::LARGEST, 44);
            send_all(&mut talk.to, &encoded, 1).await
        }
        "definitions" => {
            let encoded = encoded(&many(19_999, 150), 19_999, 44);
            loop {
                send(&talk.to, framed([definitions(&encoded), batch(1, &encoded)])).await?;
                talk.stored(1).await;
                drop(talk);
                talk = wild.begin(&mut line).await?;
            }
        }
        "gaps" => {
            let mut next = 1;
            loop {
                let gaps = (next..next + 100).map(|number| {
                    Message::Gap(Gap {
                        first: number,
                        last: number,
                        samples: 1,
                        first_timestamp: None,
                        last_timestamp: None,
                        reason: GapReason::Full.into(),
                        previous: number - 1,
                    })
                });
                send(&talk.to, framed(gaps)).await?;
                next += 100;
            }
        }
        "refused" => {
            let encoded = encoded(&many(1, 8), 1, 44);
            send(&talk.to, framed([batch(1, &encoded)])).await?;
            talk.stored(1).await;
            Ok(())
        }
        "sessions" => loop {
            drop(talk);
            talk = wild.begin(&mut line).await?;
        },
        "connections" => Ok(()),
        other => panic!("there is no case {other}"),
    }
}

async fn send(to: &tokio::sync::mpsc::Sender<Bytes>, bytes: Bytes) -> io::Result<()> {
    to.send(bytes).await.map_err(io::Error::other)
}

/// Sends it again and again, so many at once.
async fn send_all(
    to: &mut tokio::sync::mpsc::Sender<Bytes>,
    encoded: &Encoded,
    at_once: u64,
) -> io::Result<()> {
    send(to, framed([definitions(encoded)])).await?;
    let mut next = 1;
    loop {
        let batches = (next..next + at_once).map(|number| batch(number, encoded));
        send(to, framed(batches)).await?;
        next += at_once;
    }
}

/// So many series, each with so much text in an attribute.
fn many(count: usize, text: usize) -> (Catalog, Vec<Series<u64>>) {
    let catalog = Catalog::new();
    let metric = catalog.metric(&VALUE).expect("a metric");
    let series = (0..count).map(|number| {
        let process = Consumer::Process { pid: 42 };
        let series = catalog.series(metric, Resource::LocalMachine, process);
        let text = format!("{number:0text$}");
        series.attribute("text", text).register()
    });
    let series = series.collect();
    (catalog, series)
}

/// A batch of so many samples, whose values are random, of 64 bits less `shift`.
fn encoded((catalog, series): &(Catalog, Vec<Series<u64>>), samples: usize, shift: u32) -> Encoded {
    let mut batch = catalog.batch();
    let mut random = 42;
    for (number, series) in series.iter().cycle().take(samples).enumerate() {
        let at = Timestamp::from_nanos(1_800_000_000_000_000_000 + number as i64);
        batch.push(series, at, machine::next(&mut random) >> shift);
    }
    Encoder::new(1).encode(&batch)
}
