//! Many agents at once, and what happens when their server is killed.

use std::sync::Arc;
use std::time::Duration;

use alumet_benches::drive::drive;
use alumet_core::spool::InstanceId;
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::live::{Live, Notes};
use crate::machine::SERIES;
use crate::place::Place;
use crate::process::{Kind, Server};

/// Control groups of each agent: about a hundred series.
const GROUPS: usize = 13;
const SECONDS: u64 = 20;
/// How long the server is away: longer than the longest pause of a client.
const AWAY: Duration = Duration::from_secs(10);

pub(crate) type All = [Arc<Mutex<Notes>>];

pub(crate) fn run(count: u64) {
    let place = Place::new();
    let mut server = Server::start(&place, "server", Kind::Csv, true);
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (notes, stop) = start(&place, &server, count);
        let begun = Instant::now();
        all(&notes, "connected and acknowledged", begun, |notes| notes.acknowledged).await;
        sleep(Duration::from_secs(3)).await;

        clear(&notes);
        let before = server.process.counted();
        sleep(Duration::from_secs(SECONDS)).await;
        let after = server.process.counted();
        print_delays(&notes);
        println!(
            "  server: {:.1} % of a core, {:.0} MiB resident, {:.0} at most, {} threads, {} descriptors",
            (after.cpu_nanos - before.cpu_nanos) as f64 / SECONDS as f64 / 1e7,
            after.resident_kib as f64 / 1024.0,
            server.process.peak_mib(),
            after.threads,
            after.descriptors,
        );

        for away in [Duration::ZERO, AWAY] {
            println!("killed, and started again after {away:?}:");
            server.process.kill();
            sleep(away).await;
            clear(&notes);
            let begin = Instant::now();
            server.restart();
            println!("  it listens after {:.2} s", begin.elapsed().as_secs_f64());
            let cpu = server.process.counted().cpu_nanos;
            all(&notes, "acknowledged", begin, |notes| notes.acknowledged).await;
            let used = server.process.counted().cpu_nanos - cpu;
            let failures: u32 = notes.iter().map(|notes| notes.lock().failures).sum();
            println!(
                "  meanwhile {:.2} s of CPU of the server, {:.0} MiB at most, {failures} attempts that failed",
                used as f64 / 1e9,
                server.process.peak_mib(),
            );
            sleep(Duration::from_secs(5)).await;
            clear(&notes);
            sleep(Duration::from_secs(5)).await;
            print_delays(&notes);
        }
        stop.cancel();
    });
    let complaints = server.process.complaints();
    let lines = complaints.lines();
    println!(
        "{} lines in the log of the server, the last: {:?}",
        lines.clone().count(),
        lines.last()
    );
}

/// Starts all agents, whose ticks are spread over the second.
pub(crate) fn start(
    place: &Place,
    server: &Server,
    count: u64,
) -> (Vec<Arc<Mutex<Notes>>>, CancellationToken) {
    let stop = CancellationToken::new();
    println!("{count} agents with {} series each at 1 Hz:", GROUPS * SERIES);
    let configs =
        (0..count).map(|number| place.client_config(server.address, &format!("node-{number}"), true));
    let configs: Vec<_> = configs.collect();
    let begin = Instant::now();
    let spread = |number: u64| begin + Duration::from_nanos(1_000_000_000 / count * number);
    let notes = (0..).zip(configs).map(|(number, config)| {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let mut feed = Live::new(GROUPS, spread(number), Arc::clone(&notes));
        let mut instance = [9; 16];
        instance[..8].copy_from_slice(&number.to_le_bytes());
        let stop = stop.clone();
        tokio::spawn(async move {
            let driven = drive(&config, InstanceId(instance), &mut feed);
            stop.run_until_cancelled(driven).await;
        });
        notes
    });
    (notes.collect(), stop)
}

pub(crate) fn clear(notes: &All) {
    for notes in notes {
        *notes.lock() = Notes::default();
    }
}

/// Waits until it is so for all of them, and prints when it was for some.
pub(crate) async fn all(all: &All, what: &str, begin: Instant, when: impl Fn(&Notes) -> Option<Instant>) {
    let patience = Duration::from_secs(60);
    let when = || all.iter().map(|notes| when(&notes.lock()));
    while begin.elapsed() < patience && when().any(|when| when.is_none()) {
        sleep(Duration::from_millis(10)).await;
    }
    let missing = when().filter(Option::is_none).count();
    let mut times: Vec<f64> = when()
        .flatten()
        .map(|when| (when - begin).as_secs_f64())
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "  {what}: half after {:.2} s, 99 % after {:.2} s, all after {:.2} s ({missing} missing)",
        share(&times, 0.5),
        share(&times, 0.99),
        share(&times, 1.0),
    );
}

pub(crate) fn print_delays(notes: &All) {
    let mut delays: Vec<f64> = Vec::new();
    let mut samples = 0;
    for notes in notes {
        let notes = notes.lock();
        delays.extend(notes.delays.iter().map(Duration::as_secs_f64));
        samples += notes.samples;
    }
    delays.sort_by(f64::total_cmp);
    println!(
        "  from due to acknowledged: p50 {:.3} s, p99 {:.3} s, max {:.3} s ({} batches, {samples} samples)",
        share(&delays, 0.5),
        share(&delays, 0.99),
        share(&delays, 1.0),
        delays.len(),
    );
}

fn share(sorted: &[f64], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    let last = sorted.len().saturating_sub(1);
    sorted.get(index.min(last)).copied().unwrap_or(f64::NAN)
}
