//! Instruments: counters, gauges and histograms that a program moves where something happens, without a source of its own.
//!
//! ```
//! # use std::time::Duration;
//! # use alumet_core::Unit;
//! # use alumet_core::pipeline::PipelineBuilder;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut builder = PipelineBuilder::new();
//! let instruments = builder.instruments(Duration::from_secs(1));
//! let requests = instruments.counter("requests", Unit::ONE, "Requests that were answered.")?;
//! let waiting = instruments.gauge("requests_waiting", Unit::ONE, "Requests that wait.")?;
//! let reads = instruments.with("direction", "read");
//! let latency = reads.histogram("latency", Unit::SECOND, "Time of a request.", &[0.001, 0.01, 0.1])?;
//! # let pipeline = builder.start()?;
//!
//! // In any thread; none of it allocates or waits.
//! requests.add(1);
//! waiting.set(3.0);
//! latency.record(0.004);
//! # Ok(())
//! # }
//! ```
//!
//! One source reads them all at its interval: a sample is the state at that time, whatever has happened in between. Their series are
//! of the resource `local_machine` and of this process.

mod cell;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::attributes::{AttributeKey, AttributeValue, Attributes};
use crate::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use crate::consumer::Consumer;
use crate::failure::Failure;
use crate::metric::{Metric, MetricKind, Quality};
use crate::resource::Resource;
use crate::series::{Series, SeriesBuilder, SeriesId};
use crate::source::{Accumulator, Source};
use crate::time::{Clock, Timestamp};
use crate::unit::Unit;
use crate::value::Number;

pub use cell::{Counter, Gauge, Histogram};

/// Makes counters, gauges and histograms, at any time; made by
/// [`PipelineBuilder::instruments`](crate::pipeline::PipelineBuilder::instruments). Cheap to clone.
///
/// Whoever asks again for a metric with the same attributes gets the same instrument. An instrument stays as long as the
/// pipeline.
#[derive(Clone)]
pub struct Instruments {
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    attributes: Attributes,
    all: Arc<Mutex<All>>,
}

#[derive(Default)]
struct All {
    counters: Vec<Entry<Counter, CountedSeries<u64>>>,
    gauges: Vec<Entry<Gauge, Series<f64>>>,
    histograms: Vec<Entry<Histogram, HistogramSeries>>,
}

/// An instrument and where its values go.
struct Entry<I, S> {
    id: SeriesId,
    instrument: I,
    series: S,
}

/// The series of a counter, and since when it counts until that was told.
struct CountedSeries<T> {
    series: Series<T>,
    since: Option<Timestamp>,
}

struct HistogramSeries {
    /// One for each bound, and one for all.
    buckets: Vec<CountedSeries<u64>>,
    sum: CountedSeries<f64>,
    count: CountedSeries<u64>,
}

/// The metrics of a histogram.
#[derive(Clone, Copy)]
pub(crate) struct HistogramMetrics {
    bucket: MetricHandle<u64>,
    count: MetricHandle<u64>,
    sum: MetricHandle<f64>,
}

impl Instruments {
    pub(crate) fn new(catalog: Catalog, clock: Arc<dyn Clock>) -> Self {
        Self {
            catalog,
            clock,
            attributes: Attributes::EMPTY,
            all: Arc::default(),
        }
    }

    /// The same, but what it makes has one more attribute.
    #[must_use]
    pub fn with(&self, key: impl Into<AttributeKey>, value: impl Into<AttributeValue>) -> Self {
        Self {
            attributes: self.attributes.with(key, value),
            ..self.clone()
        }
    }

    /// A counter, which only rises: a metric of kind `counter`. Its series begins with a 0 at this time.
    ///
    /// # Errors
    /// When the name is taken by a metric of another kind, type or unit.
    pub fn counter(
        &self,
        name: impl Into<Cow<'static, str>>,
        unit: Unit,
        description: impl Into<Cow<'static, str>>,
    ) -> Result<Counter, IncompatibleMetric> {
        let metric = self.metric(name, MetricKind::Counter, unit, description)?;
        let series = self.counted(self.series(metric));
        let id = series.series.id();
        Ok(get_or_add(&mut self.all.lock().counters, id, || {
            (Counter::default(), series)
        }))
    }

    /// A gauge, which shows a state. It has no samples before it is set.
    ///
    /// # Errors
    /// When the name is taken by a metric of another kind, type or unit.
    pub fn gauge(
        &self,
        name: impl Into<Cow<'static, str>>,
        unit: Unit,
        description: impl Into<Cow<'static, str>>,
    ) -> Result<Gauge, IncompatibleMetric> {
        let metric = self.metric(name, MetricKind::Gauge, unit, description)?;
        let series = self.series(metric).register();
        let id = series.id();
        Ok(get_or_add(&mut self.all.lock().gauges, id, || {
            (Gauge::default(), series)
        }))
    }

    /// A histogram, which counts amounts by their size: the counters `NAME_count` and `NAME_sum`, and for each of the `bounds`
    /// the counter `NAME_bucket` of all amounts that are not larger, with the bound as attribute `le`; the last one, `+Inf`, is
    /// of all.
    ///
    /// `unit` is that of amounts and bounds. Bounds may be in any order; those that are not finite are left out. A histogram that
    /// is there already keeps its own.
    ///
    /// # Errors
    /// When one of the names is taken by a metric of another kind, type or unit.
    pub fn histogram(
        &self,
        name: &str,
        unit: Unit,
        description: &str,
        bounds: &[f64],
    ) -> Result<Histogram, IncompatibleMetric> {
        let metrics = self.histogram_metrics(name, unit, description)?;
        Ok(self.histogram_of(metrics, bounds))
    }

    pub(crate) fn histogram_metrics(
        &self,
        name: &str,
        unit: Unit,
        description: &str,
    ) -> Result<HistogramMetrics, IncompatibleMetric> {
        let kind = MetricKind::Counter;
        let metric = |suffix: &str, what: &str| {
            let (name, description) = (format!("{name}_{suffix}"), format!("{description} {what}"));
            self.metric(name, kind, Unit::ONE, description)
        };
        let sum = format!("{description} The sum of all.");
        Ok(HistogramMetrics {
            bucket: metric("bucket", "How many are at most `le`.")?,
            count: metric("count", "How many there were.")?,
            sum: self.metric(format!("{name}_sum"), kind, unit, sum)?,
        })
    }

    pub(crate) fn histogram_of(&self, metrics: HistogramMetrics, bounds: &[f64]) -> Histogram {
        let count = self.counted(self.series(metrics.count));
        let id = count.series.id();
        get_or_add(&mut self.all.lock().histograms, id, || {
            let histogram = Histogram::new(bounds);
            let labels = histogram.bounds().iter().map(f64::to_string);
            let buckets = labels
                .chain(["+Inf".to_owned()])
                .map(|le| self.counted(self.series(metrics.bucket).attribute("le", le)))
                .collect();
            let sum = self.counted(self.series(metrics.sum));
            (histogram, HistogramSeries { buckets, sum, count })
        })
    }

    fn metric<T: Number>(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: MetricKind,
        unit: Unit,
        description: impl Into<Cow<'static, str>>,
    ) -> Result<MetricHandle<T>, IncompatibleMetric> {
        self.catalog.register_typed(Metric {
            name: name.into(),
            kind,
            value_type: T::TYPE,
            unit,
            description: description.into(),
            quality: Quality::Measured,
        })
    }

    fn series<T: Number>(&self, metric: MetricHandle<T>) -> SeriesBuilder<'_, T> {
        let pid = std::process::id();
        self.catalog
            .series(metric, Resource::LocalMachine, Consumer::Process { pid })
            .attributes(&self.attributes)
    }

    fn counted<T: Number>(&self, series: SeriesBuilder<'_, T>) -> CountedSeries<T> {
        CountedSeries {
            series: series.register(),
            since: Some(self.clock.now().wall),
        }
    }
}

/// The instrument with that series; made if there is none.
fn get_or_add<I: Clone, S>(list: &mut Vec<Entry<I, S>>, id: SeriesId, make: impl FnOnce() -> (I, S)) -> I {
    if let Some(entry) = list.iter().find(|entry| entry.id == id) {
        return entry.instrument.clone();
    }
    let (instrument, series) = make();
    let made = instrument.clone();
    list.push(Entry {
        id,
        instrument,
        series,
    });
    made
}

impl<T: Number> CountedSeries<T> {
    /// Pushes what was counted, the first time after the 0 from which it counts, so that the first interval is whole.
    fn push(&mut self, out: &mut Accumulator<'_>, zero: T, counted: T) {
        if let Some(since) = self.since.take() {
            // Made after the tick had begun, or the clock was set meanwhile.
            let latest = out.tick().timestamp.saturating_sub(Duration::from_nanos(1));
            out.push_at(&self.series, since.min(latest), zero);
        }
        out.push(&self.series, counted);
    }
}

impl Source for Instruments {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let All {
            counters,
            gauges,
            histograms,
        } = &mut *self.all.lock();
        for counter in counters {
            counter.series.push(out, 0, counter.instrument.get());
        }
        for gauge in gauges {
            if let Some(value) = gauge.instrument.get() {
                out.push(&gauge.series, value);
            }
        }
        for Entry {
            instrument, series, ..
        } in histograms
        {
            // The largest bucket is the count, so that they never contradict each other.
            let mut count = 0;
            for (bucket, amounts) in series.buckets.iter_mut().zip(instrument.buckets()) {
                count += amounts;
                bucket.push(out, 0, count);
            }
            series.sum.push(out, 0.0, instrument.sum());
            series.count.push(out, 0, count);
        }
        Ok(())
    }
}

/// The number of instruments, and the attributes of those to be made.
impl fmt::Debug for Instruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all.lock();
        let count = all.counters.len() + all.gauges.len() + all.histograms.len();
        write!(f, "Instruments({count}, {})", self.attributes)
    }
}
