use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::failure::Failure;
use crate::series::{SeriesInfo, SeriesMap};

use super::{Delivering, Delivery, Output, SeriesTotal};

/// Keeps the last value and the sum of each series, for programs that read what they measure. Cheap to clone: one clone is the
/// output, the others read.
///
/// ```
/// # use alumet_core::output::LastValues;
/// # use alumet_core::pipeline::PipelineBuilder;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut builder = PipelineBuilder::new();
/// let values = LastValues::new();
/// builder.output("values", values.clone());
/// # let requests = builder
/// #     .instruments(std::time::Duration::from_secs(1))
/// #     .counter("requests", alumet_core::Unit::ONE, "Requests.")?;
/// # requests.add(3);
/// let pipeline = builder.start()?;
/// pipeline.control().flush()?; // all that has been measured is there
/// if let Some(requests) = values.get("requests", |_| true) {
///     println!("{} requests, as of {}", requests.last, requests.timestamp);
/// }
/// # assert_eq!(values.get("requests", |_| true).unwrap().last.as_f64(), 3.0);
/// # Ok(())
/// # }
/// ```
///
/// It knows as many series as were there at the same time: one that is gone stays until another one takes its place. Its
/// timestamp tells how old it is.
#[derive(Clone, Default)]
pub struct LastValues(Arc<Mutex<SeriesMap<SeriesTotal>>>);

impl LastValues {
    /// An output that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known of the series of this metric that `is_wanted`; of several, of the one that has the latest value.
    pub fn get(&self, metric: &str, mut is_wanted: impl FnMut(&SeriesInfo) -> bool) -> Option<SeriesTotal> {
        let totals = self.0.lock();
        let wanted = totals
            .iter()
            .map(|(_, total)| total)
            .filter(|total| total.series.metric.name == metric && is_wanted(&total.series));
        wanted.max_by_key(|total| total.timestamp).cloned()
    }

    /// What is known of all series, in no useful order.
    pub fn all(&self) -> Vec<SeriesTotal> {
        let totals = self.0.lock();
        totals.iter().map(|(_, total)| total.clone()).collect()
    }
}

impl Output for LastValues {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let mut totals = self.0.lock();
        for sample in delivery.samples() {
            if let Some(total) = totals.get_mut(sample.series) {
                total.add(sample);
            } else if let Some(series) = delivery.catalog().describe(sample.series) {
                totals.insert(sample.series, SeriesTotal::first(series, sample));
            }
        }
        Ok(Delivering::done())
    }
}

/// The number of series.
impl fmt::Debug for LastValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LastValues({} series)", self.0.lock().iter().count())
    }
}
