//! What is asked.

use std::time::{Duration, Instant};

use alumet_core::Timestamp;
use alumet_shared_query::{Backend, Budget, Limits, Range, Selector, Steps};
use alumet_shared_series_store::SeriesStore;
use tokio::runtime::Handle;

/// Asks a store, and waits for the answer.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) store: &'a SeriesStore,
    pub(crate) runtime: &'a Handle,
}

impl Asker<'_> {
    /// How many intervals there are in the answer, which has no empty ones.
    pub(crate) fn buckets(&self, selector: &Selector, steps: Steps) -> usize {
        let budget = budget();
        let answer = self.store.buckets(selector, steps, &budget);
        let answer = self.runtime.block_on(answer).expect("an answer");
        answer.iter().map(|series| series.buckets.len()).sum()
    }

    /// How many samples there are in the answer; with `newest`, only so many of each series.
    pub(crate) fn samples(&self, selector: &Selector, range: Range, newest: Option<usize>) -> usize {
        let budget = budget();
        let answer = self.store.samples(selector, range, newest, &budget);
        let answer = self.runtime.block_on(answer).expect("an answer");
        answer.iter().map(|series| series.times.len()).sum()
    }
}

fn budget() -> Budget {
    Budget::new(Limits::default())
}

/// One series, of the control group with this number.
pub(crate) fn memory_of(group: usize) -> Selector {
    all_of(group).with("metric", "memory_usage")
}

/// The eight series of the control group with this number.
pub(crate) fn all_of(group: usize) -> Selector {
    Selector::default().with("consumer_id", &format!("/pod{group}"))
}

/// What the pod with this number uses.
pub(crate) fn energy_of(pod: usize) -> Selector {
    Selector::default()
        .with("consumer_id", &format!("pod-{pod}"))
        .with("metric", "pod_energy")
}

/// The steps of so many nanoseconds in that many until then.
pub(crate) fn steps(length: i64, until: i64, step: i64) -> Steps {
    Steps::aligned(
        Timestamp::from_nanos(until - length),
        Timestamp::from_nanos(until),
        Duration::from_nanos(step.unsigned_abs()),
    )
    .expect("steps")
}

/// How long each of so many times took, in order of length, and what the last one gave.
pub(crate) fn times(count: usize, mut work: impl FnMut() -> usize) -> (Vec<Duration>, usize) {
    let mut answer = 0;
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let start = Instant::now();
            answer = work();
            start.elapsed()
        })
        .collect();
    times.sort();
    (times, answer)
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
