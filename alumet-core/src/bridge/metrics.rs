use std::sync::Arc;

use hashbrown::HashMap;
use metrics::{CounterFn, GaugeFn, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString};
use parking_lot::{Mutex, RwLock};

use crate::catalog::IncompatibleMetric;
use crate::instruments::{Counter, Gauge, Histogram, Instruments};
use crate::unit::Unit;

use super::BOUNDS;

/// Takes what code counts with the macros of the crate [`metrics`].
///
/// ```
/// # use std::time::Duration;
/// # use alumet_core::bridge::MetricsRecorder;
/// # use alumet_core::pipeline::PipelineBuilder;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut builder = PipelineBuilder::new();
/// let instruments = builder.instruments(Duration::from_secs(1));
/// metrics::set_global_recorder(MetricsRecorder::new(instruments))?;
/// # let pipeline = builder.start()?;
///
/// metrics::counter!("requests", "method" => "GET").increment(1);
/// # Ok(())
/// # }
/// ```
///
/// Labels become attributes. Unit and description are those with which a name was described before its first use, else a plain
/// number. A name that means something else already is not recorded, which is logged once.
pub struct MetricsRecorder {
    instruments: Instruments,
    bounds: Vec<f64>,
    described: Mutex<HashMap<String, Description>>,
    counters: Kept<metrics::Counter>,
    gauges: Kept<metrics::Gauge>,
    histograms: Kept<metrics::Histogram>,
}

/// What was made for each key: the macros ask at each use.
type Kept<T> = RwLock<HashMap<Key, T>>;

#[derive(Clone, Default)]
struct Description {
    unit: Option<Unit>,
    text: String,
}

impl MetricsRecorder {
    /// The most counters, and gauges and histograms. What has labels without end must not fill the memory: any other is not
    /// recorded, which is logged once.
    pub const MOST: usize = 10_000;

    /// A recorder into `instruments`.
    pub fn new(instruments: Instruments) -> Self {
        Self {
            instruments,
            bounds: BOUNDS.into(),
            described: Mutex::default(),
            counters: RwLock::default(),
            gauges: RwLock::default(),
            histograms: RwLock::default(),
        }
    }

    /// Gives all histograms these bounds, in their own units, instead of [`BOUNDS`].
    #[must_use]
    pub fn bounds(mut self, bounds: &[f64]) -> Self {
        self.bounds = bounds.into();
        self
    }

    fn describe(&self, key: &KeyName, unit: Option<metrics::Unit>, text: &str) {
        let unit = unit.map(unit_of);
        let text = text.to_owned();
        self.described
            .lock()
            .insert(key.as_str().to_owned(), Description { unit, text });
    }

    /// What was made for `key`; made by `make` at its first use, and `noop` if it cannot be.
    fn get<T: Clone>(
        &self,
        kept: &Kept<T>,
        key: &Key,
        noop: T,
        make: impl FnOnce(&Instruments, String, Unit, String) -> Result<T, IncompatibleMetric>,
    ) -> T {
        if let Some(made) = kept.read().get(key) {
            return made.clone();
        }
        let mut problem = None;
        let mut kept = kept.write();
        let made = match kept.len() {
            // The one that is too many is kept, so that this is said once.
            Self::MOST => {
                problem = Some("there are too many; use labels with few values".to_owned());
                kept.entry(key.to_retained()).or_insert(noop).clone()
            }
            len if len > Self::MOST => noop,
            _ => {
                let make = || {
                    let made = self.make(key, make);
                    made.unwrap_or_else(|error| {
                        problem = Some(error.to_string());
                        noop
                    })
                };
                kept.entry(key.to_retained()).or_insert_with(make).clone()
            }
        };
        drop(kept);
        // Without the lock, because whoever takes it may count it.
        if let Some(problem) = problem {
            tracing::warn!(name = key.name(), problem, "it is not recorded");
        }
        made
    }

    fn make<T>(
        &self,
        key: &Key,
        make: impl FnOnce(&Instruments, String, Unit, String) -> Result<T, IncompatibleMetric>,
    ) -> Result<T, IncompatibleMetric> {
        let description = self.described.lock().get(key.name()).cloned().unwrap_or_default();
        let instruments = key.labels().fold(self.instruments.clone(), |instruments, label| {
            instruments.with(label.key().to_owned(), label.value())
        });
        let unit = description.unit.unwrap_or(Unit::ONE);
        make(&instruments, key.name().to_owned(), unit, description.text)
    }
}

impl Recorder for MetricsRecorder {
    fn describe_counter(&self, key: KeyName, unit: Option<metrics::Unit>, description: SharedString) {
        self.describe(&key, unit, &description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<metrics::Unit>, description: SharedString) {
        self.describe(&key, unit, &description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<metrics::Unit>, description: SharedString) {
        self.describe(&key, unit, &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        let noop = metrics::Counter::noop();
        self.get(&self.counters, key, noop, |instruments, name, unit, text| {
            let counter = instruments.counter(name, unit, text)?;
            Ok(metrics::Counter::from_arc(Arc::new(counter)))
        })
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        let noop = metrics::Gauge::noop();
        self.get(&self.gauges, key, noop, |instruments, name, unit, text| {
            let gauge = instruments.gauge(name, unit, text)?;
            Ok(metrics::Gauge::from_arc(Arc::new(gauge)))
        })
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        let noop = metrics::Histogram::noop();
        self.get(&self.histograms, key, noop, |instruments, name, unit, text| {
            let histogram = instruments.histogram(&name, unit, &text, &self.bounds)?;
            Ok(metrics::Histogram::from_arc(Arc::new(histogram)))
        })
    }
}

impl CounterFn for Counter {
    fn increment(&self, value: u64) {
        self.add(value);
    }

    fn absolute(&self, value: u64) {
        self.raise_to(value);
    }
}

impl GaugeFn for Gauge {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        Self::set(self, value);
    }
}

impl HistogramFn for Histogram {
    fn record(&self, value: f64) {
        Self::record(self, value);
    }
}

/// Its labels are symbols that are read here as well, but for bits per second.
fn unit_of(unit: metrics::Unit) -> Unit {
    let label = unit.as_canonical_label();
    match label.strip_suffix("bps") {
        Some(prefix) => Unit::parse(&format!("{prefix}bit/s")),
        None => Unit::parse(label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_this_crate() {
        for (theirs, code) in [
            (metrics::Unit::Count, "1"),
            (metrics::Unit::Percent, "%"),
            (metrics::Unit::Microseconds, "us"),
            (metrics::Unit::Mebibytes, "MiBy"),
            (metrics::Unit::Bytes, "By"),
            (metrics::Unit::GigabitsPerSecond, "Gbit/s"),
            (metrics::Unit::BitsPerSecond, "bit/s"),
            (metrics::Unit::CountPerSecond, "/s"),
        ] {
            assert_eq!(unit_of(theirs).code(), code);
        }
    }
}
