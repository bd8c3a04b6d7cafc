//! Sources: what makes samples.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::pipeline::EventSink;
use crate::series::Series;
use crate::time::{Clock, Moment, Monotonic, Timestamp, Waker};
use crate::value::Number;

/// Makes samples each time it is polled.
///
/// Sources with the same interval are polled back to back at the same tick. A poll should take microseconds; a source
/// that waits for a device asks for another thread when it is added, see [`Thread`].
pub trait Source: Send + 'static {
    /// Reads what it measures and pushes samples.
    ///
    /// # Errors
    /// See [`Failure`]. What was pushed before the error is kept.
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure>;

    /// Forgets earlier readings, so that the next poll starts anew: called after a pause and after a failure or panic
    /// that asked for a restart. A delta must not span the gap.
    fn reset(&mut self) {}
}

/// Makes no samples.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoopSource;

impl Source for NoopSource {
    fn poll(&mut self, _: &mut Accumulator<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

/// When a poll happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The timestamp of samples pushed in this poll; the same for all sources of the tick.
    pub timestamp: Timestamp,
    /// The same instant on the monotonic clock, for differences.
    pub monotonic: Monotonic,
    /// How many ticks were missed between the previous poll and this one.
    pub missed: u64,
}

/// Takes the samples of one poll.
pub struct Accumulator<'a> {
    batch: &'a mut Batch,
    tick: Tick,
    clock: &'a dyn Clock,
}

impl<'a> Accumulator<'a> {
    /// Appends to `batch` at `tick` of `clock`.
    pub const fn new(batch: &'a mut Batch, tick: Tick, clock: &'a dyn Clock) -> Self {
        Self { batch, tick, clock }
    }

    /// The present, which is later than the tick by all that was read since.
    ///
    /// A reading that takes long is bracketed: ask before and after it, and push with [`Self::push_at`] at the middle.
    /// The two differ by twice the error of that time.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Pushes a value with the timestamp of the tick.
    pub fn push<T: Number>(&mut self, series: &Series<T>, value: T) {
        self.batch.push(series, self.tick.timestamp, value);
    }

    /// Pushes a value that was read just now, with the time of now instead of that of the tick.
    pub fn push_now<T: Number>(&mut self, series: &Series<T>, value: T) {
        self.push_at(series, self.now().wall, value);
    }

    /// Pushes a value of a device that stamps its own samples.
    pub fn push_at<T: Number>(&mut self, series: &Series<T>, timestamp: Timestamp, value: T) {
        self.batch.push(series, timestamp, value);
    }

    /// When this poll happens.
    pub const fn tick(&self) -> Tick {
        self.tick
    }

    /// The catalog, to register the series of something that just appeared.
    pub const fn catalog(&self) -> &Catalog {
        self.batch.catalog()
    }
}

/// Makes samples when something arrives: messages of other agents, notifications of the kernel.
#[async_trait]
pub trait EventSource: Send + 'static {
    /// Works until `stop` is cancelled, sending batches to `out`. Called again after a failure.
    ///
    /// # Errors
    /// See [`Failure`]; without an error the source has ended.
    async fn run(&mut self, out: EventSink, stop: CancellationToken) -> Result<(), Failure>;
}

/// When a source is polled and its samples are handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Schedule {
    /// Time between two polls; `None` polls only when asked to.
    #[serde(rename = "interval_seconds", serialize_with = "crate::duration::as_seconds")]
    pub interval: Option<Duration>,
    /// Time between two hand-overs of samples; `None` hands on after every poll.
    #[serde(rename = "flush_seconds", serialize_with = "crate::duration::as_seconds")]
    pub flush: Option<Duration>,
    /// Which thread polls.
    pub thread: Thread,
    /// Whether the source waits to be resumed before its first poll.
    pub paused: bool,
}

/// Which thread polls a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Thread {
    /// One that most sources share; intervals below 10 ms have another one.
    Shared,
    /// One of its own, because a poll may wait for a device.
    Own,
    /// One that it shares with the sources of its plugin that say the same name: those of one driver, which would wait
    /// for each other anyway.
    Named(&'static str),
}

impl Schedule {
    /// The shortest interval. Polling more often costs more than it tells: sensors are brought up to date about as often, and
    /// a core is busy with the ticks alone.
    pub const SHORTEST: Duration = Duration::from_millis(1);

    /// Below this interval a source runs on the real-time thread.
    pub const REAL_TIME_BELOW: Duration = Duration::from_millis(10);

    /// Polled every `interval`, handed on after every poll.
    pub const fn every(interval: Duration) -> Self {
        Self {
            interval: Some(interval),
            flush: None,
            thread: Thread::Shared,
            paused: false,
        }
    }
}

/// Lets a source be polled soon, from any thread: when a descriptor can be read, a driver calls back, a file has changed.
/// Cheap to clone; made by [`SourceSpec::waker`](crate::plugin::SourceSpec::waker).
///
/// What comes before the pipeline starts is not lost, and what comes before the poll has begun is one poll. A source that
/// is paused is polled when it is resumed.
#[derive(Clone, Default)]
pub struct SourceWaker(Arc<Wanted>);

#[derive(Default)]
struct Wanted {
    is_wanted: AtomicBool,
    /// What wakes the thread that polls the source; none before the start.
    thread: Mutex<Option<Waker>>,
}

impl SourceWaker {
    /// Asks for a poll; returns at once.
    pub fn wake(&self) {
        if !self.0.is_wanted.swap(true, Ordering::AcqRel)
            && let Some(wake) = &*self.0.thread.lock()
        {
            wake();
        }
    }

    /// Wakes this thread from now on, which looks whether a poll is wanted after this.
    pub(crate) fn wakes(&self, thread: Waker) {
        *self.0.thread.lock() = Some(thread);
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_wanted.load(Ordering::Acquire)
    }

    /// A poll is about to begin.
    pub(crate) fn served(&self) {
        // Sees all that was done before the calls that this poll answers.
        self.0.is_wanted.swap(false, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::catalog_with_metric;
    use crate::time::SystemClock;
    use crate::{Consumer, Resource};

    fn tick(seconds: u64) -> Tick {
        let nanos = seconds * 1_000_000_000;
        Tick {
            timestamp: Timestamp::from_nanos(nanos.cast_signed()),
            monotonic: Monotonic::from_nanos(nanos),
            missed: 0,
        }
    }

    #[test]
    fn a_device_that_stamps_its_samples_keeps_its_times() {
        let (catalog, metric) = catalog_with_metric();
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let mut batch = catalog.batch();
        let mut out = Accumulator::new(&mut batch, tick(5), &SystemClock);
        out.push(&series, 1);
        out.push_at(&series, Timestamp::from_nanos(3), 2);
        assert_eq!(batch.timestamps(), [tick(5).timestamp, Timestamp::from_nanos(3)]);
        assert_eq!(batch.bits(), [1, 2]);
    }
}
