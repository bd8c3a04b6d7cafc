//! Requests at a pace of our own, whatever the server does.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep_until};

use crate::connection::{Connection, get};

/// So many are ready to ask.
const CONNECTIONS: u32 = 32;

/// The delays of requests, sorted. Each counts from when the request was due, so that a server that stands still is blamed for those
/// that it kept from being sent, too. The timer of the client adds up to a millisecond.
pub(crate) struct Delays(Vec<Duration>);

impl Delays {
    /// That of the request of which so many in a hundred are faster.
    pub(crate) fn percentile(&self, percent: f64) -> Duration {
        let place = (self.0.len() as f64 * percent / 100.0) as usize;
        self.0[place.min(self.0.len() - 1)]
    }
}

/// Asks for the paths, one after another, so often in a second and for so long.
pub(crate) fn run(runtime: &Runtime, port: u16, paths: &[String], per_second: f64, seconds: u32) -> Delays {
    let requests: Arc<[Vec<u8>]> = paths.iter().map(|path| get(path)).collect();
    let begin = Instant::now() + Duration::from_millis(200);
    let end = begin + Duration::from_secs(seconds.into());
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|first| runtime.spawn(ask(port, Arc::clone(&requests), begin, end, per_second, first)))
        .collect();
    let mut delays: Vec<Duration> = Vec::new();
    for task in tasks {
        delays.extend(runtime.block_on(task).expect("answers"));
    }
    delays.sort_unstable();
    Delays(delays)
}

/// Of the requests, every one that is the turn of this connection.
async fn ask(
    port: u16,
    requests: Arc<[Vec<u8>]>,
    begin: Instant,
    end: Instant,
    per_second: f64,
    first: u32,
) -> Vec<Duration> {
    let mut connection = Connection::open(port).await;
    let mut delays = Vec::new();
    for number in (first..).step_by(CONNECTIONS as usize) {
        let due = begin + Duration::from_secs_f64(f64::from(number) / per_second);
        if due >= end {
            break;
        }
        sleep_until(due).await;
        connection.ask(&requests[number as usize % requests.len()]).await;
        delays.push(due.elapsed());
    }
    delays
}
