//! Somebody who asks the gateway again and again for what is new, and notes how old that is.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use alumet_core::Timestamp;

use crate::dump::{GPUS, METRICS, uuid};
use crate::now;
use crate::process::get;

/// How long it waits after each answer.
const PAUSE: Duration = Duration::from_millis(10);

/// A thread that asks until it is stopped.
pub(crate) struct Reader {
    thread: JoinHandle<Latencies>,
    is_over: Arc<AtomicBool>,
}

/// How old values were when an answer first had them, in milliseconds, the shortest first.
pub(crate) struct Latencies(Vec<f64>);

impl Reader {
    /// Asks for what was measured since then.
    pub(crate) fn start(port: u16, since: Timestamp) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = spawn(move || {
            let mut latencies = Vec::new();
            // One GPU, whose rows come in the midst of each round.
            let series = format!("metric={}&resource_id={}", METRICS[2].0, uuid(GPUS / 2));
            let mut next = since.as_nanos() / 1_000_000;
            while !ends.load(Ordering::Relaxed) {
                let path = format!(
                    "/api/v1/query?{series}&limit=100000&from={}.{:03}",
                    next / 1000,
                    next % 1000
                );
                let answer = get(port, &path);
                let answered = now().as_nanos() as f64 / 1e6;
                let points = answer["rows"][0]["points"].as_array();
                for at in points.into_iter().flatten().filter_map(|point| point[0].as_i64()) {
                    // What the answer cuts off is half a millisecond on average.
                    latencies.push(answered - at as f64);
                    next = next.max(at + 1);
                }
                sleep(PAUSE);
            }
            latencies.sort_by(f64::total_cmp);
            Latencies(latencies)
        });
        Self { thread, is_over }
    }

    /// What it has noted.
    pub(crate) fn stop(self) -> Latencies {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("a reader")
    }
}

impl Latencies {
    fn percentile(&self, percent: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * percent / 100).copied().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, all] = [50, 99, 100].map(|percent| self.percentile(percent));
        let count = self.0.len();
        write!(
            f,
            "p50 {half:.0} ms, p99 {most:.0} ms, max {all:.0} ms of {count} values"
        )
    }
}
