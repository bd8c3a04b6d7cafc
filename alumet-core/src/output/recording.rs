use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::batch::{Batch, Sample};
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::series::SeriesInfo;
use crate::time::Timestamp;
use crate::value::Value;

use super::{Delivering, Delivery, Output};

/// Keeps all samples in memory, for programs that read what they measure, and for tests.
///
/// It grows without bound; [`Recording::take`] empties it.
#[derive(Debug, Default)]
pub struct RecordingOutput {
    recording: Recording,
}

/// What a [`RecordingOutput`] has kept. Cheap to clone; all clones are the same recording.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    samples: Mutex<Vec<RecordedSample>>,
    grown: Condvar,
}

/// A sample with everything that its series stands for.
#[derive(Clone, PartialEq)]
pub struct RecordedSample {
    /// What the number means.
    pub series: Arc<SeriesInfo>,
    /// When it was true.
    pub timestamp: Timestamp,
    /// The number.
    pub value: Value,
}

impl RecordedSample {
    /// The samples of a batch, with everything that their series stand for.
    pub fn of_batch(batch: &Batch) -> Vec<Self> {
        Self::describe(batch.samples(), batch.catalog()).collect()
    }

    fn describe(samples: impl Iterator<Item = Sample>, catalog: &Catalog) -> impl Iterator<Item = Self> {
        samples.filter_map(|sample| {
            Some(Self {
                series: catalog.describe(sample.series)?,
                timestamp: sample.timestamp,
                value: sample.value(),
            })
        })
    }
}

/// `metric resource consumer {attributes} = value`.
impl fmt::Display for RecordedSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.series, self.value)
    }
}

impl fmt::Debug for RecordedSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} @ {}", self.timestamp)
    }
}

impl RecordingOutput {
    /// An output with an empty recording.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the samples go.
    pub fn recording(&self) -> Recording {
        self.recording.clone()
    }
}

impl Output for RecordingOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let samples = RecordedSample::describe(delivery.samples(), delivery.catalog());
        self.recording.inner.samples.lock().extend(samples);
        self.recording.inner.grown.notify_all();
        Ok(Delivering::done())
    }
}

impl Recording {
    /// A copy of all samples.
    pub fn samples(&self) -> Vec<RecordedSample> {
        self.inner.samples.lock().clone()
    }

    /// All samples; the recording is empty afterwards.
    pub fn take(&self) -> Vec<RecordedSample> {
        std::mem::take(&mut *self.inner.samples.lock())
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.inner.samples.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there are `count` samples; says whether they came within `timeout`.
    pub fn wait_for(&self, count: usize, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut samples = self.inner.samples.lock();
        while samples.len() < count {
            if self.inner.grown.wait_until(&mut samples, deadline).timed_out() {
                return samples.len() >= count;
            }
        }
        true
    }
}
