//! Sources: what makes samples.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::catalog::{Catalog, TypeMismatch};
use crate::failure::Failure;
use crate::pipeline::EventSink;
use crate::series::{Interner, Point, Series};
use crate::time::{Monotonic, Timestamp};
use crate::value::Number;

/// Makes samples each time it is polled.
///
/// Sources with the same interval are polled back to back at the same tick. A poll should take microseconds; a source
/// that waits for a device asks for a thread of its own when it is added.
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
    interner: &'a mut Interner,
    tick: Tick,
}

impl<'a> Accumulator<'a> {
    /// Appends to `batch` at `tick`; complete points are interned in `interner`.
    pub const fn new(batch: &'a mut Batch, interner: &'a mut Interner, tick: Tick) -> Self {
        Self {
            batch,
            interner,
            tick,
        }
    }

    /// Pushes a value with the timestamp of the tick.
    pub fn push<T: Number>(&mut self, series: &Series<T>, value: T) {
        self.batch.push(series, self.tick.timestamp, value);
    }

    /// Pushes a value of a device that stamps its own samples.
    pub fn push_at<T: Number>(&mut self, series: &Series<T>, timestamp: Timestamp, value: T) {
        self.batch.push(series, timestamp, value);
    }

    /// Pushes a complete point with the timestamp of the tick; for events too rare to keep a handle for.
    ///
    /// # Errors
    /// When the value is not of the type of the metric.
    pub fn push_point(&mut self, point: Point) -> Result<(), TypeMismatch> {
        let handle = self.interner.intern(point.series, self.tick.monotonic);
        self.batch
            .push_value(handle, self.tick.timestamp, point.value)
            .map_err(|expected| {
                let metric = self.batch.catalog().describe(handle.id());
                TypeMismatch {
                    metric: metric
                        .map(|info| info.metric.name.to_string())
                        .unwrap_or_default(),
                    expected,
                    found: point.value.value_type(),
                }
            })
    }

    /// When this poll happens.
    pub const fn tick(&self) -> Tick {
        self.tick
    }

    /// The catalog, to register the series of something that just appeared.
    pub const fn catalog(&self) -> &Catalog {
        self.batch.catalog()
    }

    /// How many samples wait to be handed on, those of this poll included.
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether no sample waits.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
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
    /// Whether the source needs a thread of its own, because a poll may wait for a device.
    pub blocking: bool,
    /// Whether the source waits to be resumed before its first poll.
    pub paused: bool,
}

impl Schedule {
    /// Below this interval a source runs on the real-time thread.
    pub const REAL_TIME_BELOW: Duration = Duration::from_millis(10);

    /// Polled once per second, handed on after every poll.
    pub const fn every(interval: Duration) -> Self {
        Self {
            interval: Some(interval),
            flush: None,
            blocking: false,
            paused: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::Attributes;
    use crate::catalog::tests::catalog_with_metric;
    use crate::series::SeriesKey;
    use crate::value::{Value, ValueType};
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
    fn a_complete_point_is_interned_and_its_series_retires_when_it_is_not_seen_any_more() {
        let (catalog, metric) = catalog_with_metric();
        let mut interner = Interner::new(catalog.clone()).idle_after(Duration::from_secs(10));
        let point = |pid, value| Point {
            series: SeriesKey {
                metric: metric.id(),
                resource: Resource::LocalMachine,
                consumer: Consumer::Process { pid },
                attributes: Attributes::EMPTY.with("name", "sh"),
            },
            value,
        };
        let mut batch = catalog.batch();
        for second in 0..3 {
            let mut out = Accumulator::new(&mut batch, &mut interner, tick(second));
            out.push_point(point(1, Value::U64(second))).unwrap();
        }
        assert_eq!(catalog.live_series(), 1, "the same point is the same series");
        let series = batch.series()[0];
        assert_eq!(batch.series(), [series; 3]);
        assert_eq!(batch.timestamps()[2], tick(2).timestamp);
        assert_eq!(batch.bits(), [0, 1, 2]);

        let mut out = Accumulator::new(&mut batch, &mut interner, tick(12));
        out.push_point(point(2, Value::U64(7))).unwrap();
        assert!(!catalog.is_live(series));
        assert!(catalog.describe(series).is_some(), "the batch still names it");
    }

    #[test]
    fn a_complete_point_of_the_wrong_type_is_refused_by_name() {
        let (catalog, metric) = catalog_with_metric();
        let mut interner = Interner::new(catalog.clone());
        let mut batch = catalog.batch();
        let mut out = Accumulator::new(&mut batch, &mut interner, tick(0));
        let point = Point {
            series: SeriesKey {
                metric: metric.id(),
                resource: Resource::LocalMachine,
                consumer: Consumer::LocalMachine,
                attributes: Attributes::EMPTY,
            },
            value: Value::F64(1.0),
        };
        let error = out.push_point(point).unwrap_err();
        assert_eq!(
            (&*error.metric, error.expected, error.found),
            ("test", ValueType::U64, ValueType::F64)
        );
        assert!(out.is_empty());
    }

    #[test]
    fn a_device_that_stamps_its_samples_keeps_its_times() {
        let (catalog, metric) = catalog_with_metric();
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let mut interner = Interner::new(catalog.clone());
        let mut batch = catalog.batch();
        let mut out = Accumulator::new(&mut batch, &mut interner, tick(5));
        assert_eq!((out.len(), out.is_empty()), (0, true));
        out.push(&series, 1);
        out.push_at(&series, Timestamp::from_nanos(3), 2);
        assert_eq!((out.len(), out.is_empty()), (2, false));
        assert_eq!(batch.timestamps(), [tick(5).timestamp, Timestamp::from_nanos(3)]);
        assert_eq!(batch.bits(), [1, 2]);
    }
}
