//! A backlog of batches of one sample, and a server whose disk is slow.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::spool::Spool;
use alumet_core::{Catalog, Consumer, Resource, Timestamp};
use alumet_shared_batch_encoding::Encoder;
use alumet_shared_spool::DiskSpool;
use tokio::runtime::Runtime;

use crate::agents::{all, clear, print_delays, start};
use crate::backlog::{OUTPUT, config, relay};
use crate::place::Place;
use crate::process::{Kind, Server, has_compiler};
use crate::wild::{VALUE, Wild, batch, definitions, framed};

const BATCHES: u64 = 40_000;
/// Agents beside it, whose ticks are spread over the second.
const AGENTS: u64 = 20;

pub(crate) fn run() {
    if !has_compiler() {
        println!("nothing is measured: there is no C compiler `cc`, which makes a disk slow");
        return;
    }
    for kind in [Kind::Limited, Kind::SlowDisk] {
        println!("{BATCHES} batches of one sample, {kind:?}:");
        measure(kind);
        let place = Place::new();
        fill(&place.folder("agent").join("spool.db"));
        println!("the same from the spool of an agent:");
        relay(&place, kind, 0, BATCHES);
    }
}

/// The spool of an agent with the backlog.
fn fill(path: &Path) {
    let catalog = Catalog::new();
    let metric = catalog.metric(&VALUE).expect("a metric");
    let series = catalog.series(metric, Resource::LocalMachine, Consumer::Process { pid: 1 });
    let series = series.register();
    let spool = DiskSpool::open(config(path), catalog.clone());
    spool.reader(OUTPUT, Box::new(|| ()));
    for number in 1..=BATCHES {
        let mut one = catalog.batch();
        one.push(
            &series,
            Timestamp::from_nanos(number as i64 * 1_000_000_000),
            number,
        );
        spool.append(&Arc::new(one));
    }
    assert!(spool.commit(Duration::from_secs(60)), "{:?}", spool.status());
}

fn measure(kind: Kind) {
    let place = Place::new();
    let server = Server::start(&place, "server", kind, true);
    let runtime = Runtime::new().expect("a runtime");
    let mut wild = Wild::new(&place, server.address, "backlog");
    runtime.block_on(async {
        let (notes, stop) = start(&place, &server, AGENTS);
        let begin = tokio::time::Instant::now();
        all(&notes, "acknowledged", begin, |notes| notes.acknowledged).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        clear(&notes);
        tokio::time::sleep(Duration::from_secs(3)).await;
        print_delays(&notes);
        clear(&notes);

        let cpu = server.process.counted().cpu_nanos;
        let begin = Instant::now();
        let mut line = wild.line().await.expect("a connection");
        let mut talk = wild.begin(&mut line).await.expect("a session");
        let to = talk.to.clone();
        let sending = tokio::spawn(async move {
            let catalog = Catalog::new();
            let metric = catalog.metric(&VALUE).expect("a metric");
            let series = catalog.series(metric, Resource::LocalMachine, Consumer::Process { pid: 1 });
            let series = series.register();
            let mut encoder = Encoder::new(1);
            for number in 1..=BATCHES {
                let mut one = catalog.batch();
                one.push(&series, Timestamp::from_nanos(number as i64 * 1_000_000_000), number);
                let one = encoder.encode(&one);
                let defined = one.definitions.is_some().then(|| definitions(&one));
                let messages = defined.into_iter().chain([batch(number, &one)]);
                if to.send(framed(messages)).await.is_err() {
                    return;
                }
            }
        });
        talk.stored(BATCHES).await;
        let seconds = begin.elapsed().as_secs_f64();
        let _ = sending.await;
        let stored = *talk.acknowledged.borrow();
        let cpu = server.process.counted().cpu_nanos - cpu;
        println!(
            "  {stored} acknowledged in {seconds:.2} s: {:.0} samples/s; {:.1} µs of CPU of the server for each",
            stored as f64 / seconds,
            cpu as f64 / 1e3 / stored.max(1) as f64,
        );
        tokio::time::sleep(Duration::from_secs(2)).await;
        print_delays(&notes);
        stop.cancel();
    });
}
