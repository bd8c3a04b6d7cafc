//! Requests per second, and how long they take.

use std::time::Duration;

use alumet_shared_output_testkit::find;

use crate::connection::{Connection, get};
use crate::server::{GPUS, METRICS, Server};
use crate::{pace, wrk};

/// Small answers, and one that is not.
pub(crate) fn run(seconds: u32) {
    let Some(wrk) = find("wrk", "apt-get install wrk") else {
        return;
    };
    let server = Server::start(1024);
    println!(
        "{:<34} {:>9} {:>11} {:>8} {:>8} {:>14} {:>8} {:>8}",
        "", "bytes", "requests/s", "p50", "p99", "CPU/request", "at half", "p99"
    );
    for (name, paths) in questions() {
        let bytes = server.runtime.block_on(async {
            let mut connection = Connection::open(server.port()).await;
            connection.ask(&get(&paths[0])).await.len()
        });
        let before = server.cpu_time();
        let full = wrk::run(&wrk, server.port(), &paths, seconds);
        let cpu = server.cpu_time() - before;
        let rate = full.requests as f64 / full.time.as_secs_f64();
        let half = pace::run(&server.runtime, server.port(), &paths, rate / 2.0, seconds);
        println!(
            "{name:<34} {bytes:>9} {rate:>11.0} {:>5.2} ms {:>5.2} ms {:>11.1} µs {:>8.0} {:>5.2} ms",
            millis(full.median),
            millis(full.p99),
            cpu.as_secs_f64() * 1e6 / full.requests as f64,
            rate / 2.0,
            millis(half.percentile(99.0)),
        );
    }
    print!("{}", server.program.log());
}

/// What is asked for, each with the paths that are asked for in turn.
fn questions() -> [(&'static str, Vec<String>); 4] {
    let latest = |gpu: usize| {
        (0..METRICS).map(move |metric| {
            format!("/api/v1/query?aggregate=last&metric=metric_{metric}&resource_id=gpu-{gpu:03}")
        })
    };
    [
        ("/health", vec!["/health".to_owned()]),
        (
            "the latest of one of 1000 series",
            (0..GPUS).flat_map(latest).collect(),
        ),
        (
            "/api/v1/gpus/{id}",
            (0..GPUS)
                .map(|gpu| format!("/api/v1/gpus/gpu-{gpu:03}"))
                .collect(),
        ),
        (
            "the latest of 1000 series",
            vec!["/api/v1/query?aggregate=last&resource_kind=gpu".to_owned()],
        ),
    ]
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
