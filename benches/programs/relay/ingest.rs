//! CPU time per sample of a server that receives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::feed::{Clients, Prepared};
use crate::machine::SERIES;
use crate::pipelines::GROUPS;
use crate::place::Place;
use crate::process::{Kind, Server};

/// Batches of 8000 samples that are encoded already, as fast as the server takes them.
pub(crate) fn run() {
    let prepared = Arc::new(Prepared::new(GROUPS));
    println!(
        "batches of {} samples, {:.2} bytes of payload per sample, acknowledged when they are on disk:",
        GROUPS * SERIES,
        prepared.bytes_per_sample()
    );
    for has_tls in [false, true] {
        measure(&prepared, Kind::Null, has_tls, 1, 2000);
        measure(&prepared, Kind::Null, has_tls, 100, 30);
    }
    measure(&prepared, Kind::Csv, true, 1, 400);
    measure(&prepared, Kind::Csv, true, 100, 6);
}

fn measure(prepared: &Arc<Prepared>, kind: Kind, has_tls: bool, connections: usize, batches: u64) {
    let place = Place::new();
    let server = Server::start(&place, "server", kind, has_tls);
    let runtime = Runtime::new().expect("a runtime");
    let configs = (0..connections)
        .map(|number| place.client_config(server.address, &format!("node-{number}"), has_tls));
    // Numbers count from 1, and the first goes before.
    let mut clients = runtime.block_on(Clients::connect(prepared, configs, batches + 1));
    // What is computed once per series is not of interest.
    await_written(&server, (connections * GROUPS * SERIES) as u64);
    let (cpu, before, begin) = (
        server.process.counted().cpu_nanos,
        server.written(),
        Instant::now(),
    );
    runtime.block_on(clients.send());
    let acknowledged = begin.elapsed().as_secs_f64();
    let samples = connections as u64 * batches * (GROUPS * SERIES) as u64;
    await_written(&server, before + samples);
    let written = begin.elapsed().as_secs_f64();
    let cpu = (server.process.counted().cpu_nanos - cpu) as f64;
    println!(
        "  {kind:?}, {}, {connections:>3} connections: {:>6.1} ns of CPU per sample, {:.2} million samples/s per core; {:.2} \
         million/s acknowledged, {:.2} million/s written; {:.0} MiB at most",
        if has_tls { "TLS" } else { "plain text" },
        cpu / samples as f64,
        samples as f64 / cpu * 1e3,
        samples as f64 / acknowledged / 1e6,
        samples as f64 / written / 1e6,
        server.process.peak_mib(),
    );
}

fn await_written(server: &Server, samples: u64) {
    let begin = Instant::now();
    while server.written() < samples {
        assert!(begin.elapsed() < Duration::from_secs(300), "samples are missing");
        std::thread::sleep(Duration::from_millis(100));
    }
}
