//! How many samples per second a server takes, from the network through a spool on disk to an output that forgets them.
//!
//! `cargo run --release -p alumet-plugin-relay-server --example ingest -- [connections] [seconds]`
//!
//! Each connection sends batches of 8000 samples that all change, as fast as they are acknowledged. The batches are
//! encoded before, but the sending itself is in the same process.

#![expect(clippy::print_stdout, reason = "the numbers are what the program is for")]

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alumet_core::output::{NullOutput, OnFull, QueuePolicy};
use alumet_core::pipeline::PipelineBuilder;
use alumet_core::plugin::PluginError;
use alumet_core::series::Series;
use alumet_core::spool::SpoolSlot;
use alumet_core::unit::Unit;
use alumet_core::{Catalog, Consumer, Resource, Timestamp};
use alumet_plugin_relay_server::{Config, RelaySource};
use alumet_relay_protocol::v1::client_message::Message;
use alumet_relay_protocol::v1::relay_client::RelayClient;
use alumet_relay_protocol::v1::{Batch, ClientMessage, Definitions, Hello, server_message};
use alumet_shared_batch_encoding::{Encoded, Encoder};
use alumet_shared_spool::{DiskSpool, SpoolConfig};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

alumet_core::metrics! {
    BUSY = Delta<u64> {
        name: "busy",
        unit: Unit::ONE,
        description: "A number that changes.",
        resources: ["local_machine"],
        consumers: ["process"],
        attributes: [],
    };
}

type AnyError = Box<dyn Error + Send + Sync>;

const SAMPLES: u32 = 8000;
/// Batches that are sent again and again under new numbers.
const DIFFERENT: u64 = 16;

fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let connections: u8 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let folder = std::env::temp_dir().join(format!("alumet-ingest-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = measure(
        &folder.join("spool.db"),
        connections,
        Duration::from_secs(seconds),
    );
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn measure(path: &Path, connections: u8, duration: Duration) -> Result<(), AnyError> {
    let path = path.to_owned();
    let slot = SpoolSlot::new(move |catalog| {
        let config = SpoolConfig {
            path: Some(path.clone()),
            ..SpoolConfig::default()
        };
        DiskSpool::open(config, catalog.clone())
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut builder = PipelineBuilder::new()
        .spool(slot.clone())
        .runtime(runtime.handle().clone());
    let config = Config {
        address: "127.0.0.1:0".to_owned(),
        max_samples_per_second: 0,
        ..Config::default()
    };
    let spool = slot.get_or_open(builder.catalog()).ok_or("no spool")?;
    let source =
        RelaySource::bind(config, builder.catalog(), Arc::clone(spool)).map_err(PluginError::from)?;
    let address = source.local_address()?;
    builder.event_source("server", source);
    builder.output("null", NullOutput).queue(QueuePolicy {
        capacity: 1 << 20,
        on_full: OnFull::DropOldest,
        durable: Some(true),
    });
    let pipeline = builder.start()?;

    let stored = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    for number in 1..=connections {
        let stored = Arc::clone(&stored);
        runtime.spawn(async move {
            if let Err(error) = send(address, number, &stored).await
                && begun.elapsed() < duration
            {
                println!("connection {number} ended: {error}");
            }
        });
    }
    std::thread::sleep(duration);
    let (samples, elapsed) = (stored.load(Ordering::Relaxed), begun.elapsed());
    let report = pipeline.stop(Duration::from_secs(30));
    println!(
        "{connections} connections: {:.2} million samples per second stored, {samples} in all; complete: {}",
        samples as f64 / elapsed.as_secs_f64() / 1e6,
        report.is_complete()
    );
    Ok(())
}

/// Sends for ever, and counts what is acknowledged.
async fn send(address: SocketAddr, number: u8, stored: &AtomicU64) -> Result<(), AnyError> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .connect()
        .await?;
    let (to, outgoing) = mpsc::channel(8);
    let hello = Hello {
        protocol_min: 2,
        protocol_max: 2,
        instance: vec![number; 16].into(),
        run: vec![1; 16].into(),
        node: format!("node{number}"),
        software: "ingest".to_owned(),
        next_sequence: 1,
    };
    to.send(message(Message::Hello(hello))).await?;
    let mut answers = RelayClient::new(channel)
        .session(ReceiverStream::new(outgoing))
        .await?
        .into_inner();
    let (encoded, _series) = batches();
    // The window of the server is in bytes; this many batches are below it.
    let window = Arc::new(tokio::sync::Semaphore::new(64));
    let permits = Arc::clone(&window);
    tokio::spawn(async move {
        let mut sequence = 0;
        for batch in encoded.iter().cycle() {
            let Ok(permit) = permits.acquire().await else {
                return;
            };
            permit.forget();
            sequence += 1;
            let is_first_round = sequence <= DIFFERENT;
            if let (true, Some(definitions)) = (is_first_round, &batch.definitions) {
                let definitions = Definitions {
                    generation: definitions.generation,
                    first: definitions.first,
                    count: definitions.count,
                    checksum: 0,
                    payload: definitions.payload.to_vec().into(),
                };
                let _ = to.send(message(Message::Definitions(definitions))).await;
            }
            let batch = Batch {
                sequence,
                generation: batch.generation,
                samples: batch.samples,
                checksum: batch.checksum,
                payload: bytes::Bytes::copy_from_slice(&batch.payload),
                previous: sequence - 1,
            };
            if to.send(message(Message::Batch(batch))).await.is_err() {
                return;
            }
        }
    });
    let mut last = 0;
    while let Some(answer) = answers.message().await? {
        if let Some(server_message::Message::Ack(ack)) = answer.message {
            let new = ack.sequence - last;
            last = ack.sequence;
            stored.fetch_add(new * u64::from(SAMPLES), Ordering::Relaxed);
            window.add_permits(usize::try_from(new)?);
        }
    }
    Err("the server ended the session".into())
}

fn message(message: Message) -> ClientMessage {
    ClientMessage::sealed(message)
}

/// Numbers between 0 and 10 ms in nanoseconds, none like the one before.
fn batches() -> (Vec<Encoded>, Vec<Series<u64>>) {
    let catalog = Catalog::new();
    let Ok(metric) = catalog.metric(&BUSY) else {
        return Default::default();
    };
    let series: Vec<_> = (0..SAMPLES)
        .map(|pid| {
            let process = Consumer::Process { pid };
            catalog.series(metric, Resource::LocalMachine, process).register()
        })
        .collect();
    let (mut encoder, mut random) = (Encoder::new(1), 1_u64);
    let encoded = (0..DIFFERENT).map(|time| {
        let mut batch = catalog.batch();
        for series in &series {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            batch.push(
                series,
                Timestamp::from_nanos(time as i64),
                (random >> 33) % 10_000_000,
            );
        }
        encoder.encode(&batch)
    });
    (encoded.collect(), series)
}
