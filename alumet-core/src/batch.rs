//! Samples and the batches in which they travel.

use std::fmt;
use std::ops::Range;

use crate::catalog::{Catalog, EpochPin};
use crate::progress::Progress;
use crate::series::{Series, SeriesHandle, SeriesId};
use crate::spool::Origin;
use crate::time::Timestamp;
use crate::value::{Number, Value, ValueType};

/// One number of one series at one time: 24 bytes.
#[derive(Clone, Copy, PartialEq)]
pub struct Sample {
    /// The series.
    pub series: SeriesId,
    /// When the value was true.
    pub timestamp: Timestamp,
    bits: u64,
}

impl Sample {
    /// The value, in the type of its series.
    pub const fn value(&self) -> Value {
        Value::from_bits(self.series.value_type(), self.bits)
    }
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample")
            .field("series", &self.series)
            .field("timestamp", &self.timestamp.as_nanos())
            .field("value", &self.value())
            .finish()
    }
}

/// Many samples as a structure of arrays.
///
/// A source fills it, transforms change it, then all outputs share it. As long as it exists, every series that it
/// names can be described by the catalog, retired or not. An empty one costs nothing, however long it is kept.
pub struct Batch {
    columns: Columns,
    catalog: Catalog,
    origin: Option<Origin>,
    progress: Option<Progress>,
    /// How many samples were removed since somebody asked.
    removed: usize,
    /// Keeps the slots of the named series from being reused, from the first sample on.
    pin: Option<EpochPin>,
}

#[derive(Default)]
pub(crate) struct Columns {
    series: Vec<SeriesId>,
    timestamps: Vec<Timestamp>,
    values: Vec<u64>,
}

impl Batch {
    /// The most samples of a batch that goes to outputs, unless another program sent it: 768 KiB. A relay server takes no more
    /// at once.
    pub const LARGEST: usize = 32_768;

    /// An empty batch, in the memory of `columns`.
    pub(crate) const fn new(catalog: Catalog, columns: Columns) -> Self {
        Self {
            columns,
            catalog,
            origin: None,
            progress: None,
            removed: 0,
            pin: None,
        }
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.columns.series.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.columns.series.is_empty()
    }

    /// The catalog in which the series are registered.
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Which batch it was where it comes from, if another program sent it.
    pub const fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// Says where the batch comes from.
    pub const fn set_origin(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    /// The stream that the batch continues and how far it has come with it; `None` if nobody knows.
    pub const fn progress(&self) -> Option<Progress> {
        self.progress
    }

    /// Says which stream the batch continues, and until when that is complete.
    pub const fn set_progress(&mut self, progress: Progress) {
        self.progress = Some(progress);
    }

    /// How many samples were removed since this was last asked.
    pub(crate) const fn take_removed(&mut self) -> usize {
        std::mem::replace(&mut self.removed, 0)
    }

    /// Appends one sample.
    pub fn push<T: Number>(&mut self, series: &Series<T>, timestamp: Timestamp, value: T) {
        self.push_raw(series.id(), timestamp, value.into().to_bits());
    }

    /// Appends one sample whose type is known at run time.
    ///
    /// # Errors
    /// When the value is not of the type of the series; then nothing is appended. The error holds the type of the
    /// series.
    pub fn push_value(
        &mut self,
        series: &SeriesHandle,
        timestamp: Timestamp,
        value: Value,
    ) -> Result<(), ValueType> {
        let expected = series.id().value_type();
        if value.value_type() != expected {
            return Err(expected);
        }
        self.push_raw(series.id(), timestamp, value.to_bits());
        Ok(())
    }

    /// Appends one sample whose value is given as in [`bits`](Self::bits), in the type of the series.
    pub fn push_bits(&mut self, series: &SeriesHandle, timestamp: Timestamp, bits: u64) {
        self.push_raw(series.id(), timestamp, bits);
    }

    // Part of the loop of each source, which is in another crate.
    #[inline]
    fn push_raw(&mut self, series: SeriesId, timestamp: Timestamp, bits: u64) {
        if self.pin.is_none() {
            self.pin_present();
        }
        self.columns.series.push(series);
        self.columns.timestamps.push(timestamp);
        self.columns.values.push(bits);
    }

    #[cold]
    fn pin_present(&mut self) {
        self.pin = Some(self.catalog.pin());
    }

    /// Makes room for `additional` more samples.
    pub fn reserve(&mut self, additional: usize) {
        self.columns.series.reserve(additional);
        self.columns.timestamps.reserve(additional);
        self.columns.values.reserve(additional);
    }

    /// All samples, in the order in which they were pushed.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Sample> + '_ {
        self.samples_in(0..self.len())
    }

    /// The samples at these positions.
    ///
    /// # Panics
    /// When the batch does not have them.
    pub fn samples_in(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = Sample> + '_ {
        let series = self.columns.series[range.clone()].iter();
        let timestamps = &self.columns.timestamps[range.clone()];
        let columns = series.zip(timestamps).zip(&self.columns.values[range]);
        columns.map(|((&series, &timestamp), &bits)| Sample {
            series,
            timestamp,
            bits,
        })
    }

    /// The series of all samples, in the same order.
    pub fn series(&self) -> &[SeriesId] {
        &self.columns.series
    }

    /// The timestamps of all samples, in the same order.
    pub fn timestamps(&self) -> &[Timestamp] {
        &self.columns.timestamps
    }

    /// The values of all samples, in the same order, as 64 bits each: an integer as it is, in two's complement; a
    /// float as IEEE 754 lays it out.
    pub fn bits(&self) -> &[u64] {
        &self.columns.values
    }

    /// The sample at `index`.
    pub fn get(&self, index: usize) -> Option<Sample> {
        let series = *self.columns.series.get(index)?;
        let timestamp = *self.columns.timestamps.get(index)?;
        let bits = *self.columns.values.get(index)?;
        Some(Sample {
            series,
            timestamp,
            bits,
        })
    }

    /// The same samples in batches of at most so many. Only with the last one is its stream as far as it was.
    pub(crate) fn divide(self, most: usize) -> Vec<Self> {
        let starts = (0..self.len()).step_by(most);
        let part = |start| {
            let end = self.len().min(start + most);
            let mut part = self.catalog.batch();
            // They name the series that this one names.
            part.pin.clone_from(&self.pin);
            part.reserve(end - start);
            part.extend(self.samples_in(start..end));
            part.progress = self.progress.filter(|_| end == self.len());
            part
        };
        starts.map(part).collect()
    }

    /// Samples of series that are in this one, in a batch of their own.
    pub(crate) fn with_samples(&self, samples: impl IntoIterator<Item = Sample>) -> Self {
        let mut batch = self.catalog.batch();
        batch.pin.clone_from(&self.pin);
        batch.extend(samples);
        batch
    }

    /// Appends copies of samples of the same catalog.
    ///
    /// As long as this batch exists, the caller must hold a batch that had them, or handles of their series.
    pub fn extend(&mut self, samples: impl IntoIterator<Item = Sample>) {
        for sample in samples {
            self.push_raw(sample.series, sample.timestamp, sample.bits);
        }
    }

    /// Moves the sample at `index` to another series of the same type, for instance one with more attributes.
    ///
    /// # Errors
    /// When the types differ or there is no such sample; then nothing changes. The error holds the type of the series.
    pub fn set_series(&mut self, index: usize, series: &SeriesHandle) -> Result<(), ValueType> {
        match self.columns.series.get_mut(index) {
            Some(current) if current.value_type() == series.id().value_type() => {
                *current = series.id();
                Ok(())
            }
            _ => Err(series.id().value_type()),
        }
    }

    /// Keeps only the samples for which `keep` says so, in their order.
    pub fn retain(&mut self, mut keep: impl FnMut(Sample) -> bool) {
        let mut kept = 0;
        for index in 0..self.len() {
            let Some(sample) = self.get(index) else { break };
            if keep(sample) {
                self.columns.series[kept] = sample.series;
                self.columns.timestamps[kept] = sample.timestamp;
                self.columns.values[kept] = sample.bits;
                kept += 1;
            }
        }
        self.removed += self.len() - kept;
        self.columns.truncate(kept);
    }
}

impl Columns {
    fn truncate(&mut self, len: usize) {
        self.series.truncate(len);
        self.timestamps.truncate(len);
        self.values.truncate(len);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let columns = std::mem::take(&mut self.columns);
        self.catalog.buffers().lock().give_back(columns);
    }
}

/// The number of samples.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} samples)", self.len())
    }
}

/// The memory of some batches that are gone, for the next ones, so that a steady state allocates nothing.
#[derive(Default)]
pub(crate) struct BufferPool {
    buffers: Vec<Columns>,
}

impl BufferPool {
    /// Two poll threads, the transforms and two outputs at work at the same time.
    const MAX_BUFFERS: usize = 5;
    /// 192 KiB each; a larger batch is rare enough to be allocated.
    const MAX_SAMPLES: usize = 8192;

    pub(crate) fn take(&mut self) -> Columns {
        self.buffers.pop().unwrap_or_default()
    }

    fn give_back(&mut self, mut columns: Columns) {
        let capacity = columns.series.capacity();
        if self.buffers.len() < Self::MAX_BUFFERS && (1..=Self::MAX_SAMPLES).contains(&capacity) {
            columns.truncate(0);
            self.buffers.push(columns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::catalog_with_metric;
    use crate::{Consumer, Resource};

    #[test]
    fn a_sample_has_at_most_24_bytes() {
        assert!(size_of::<Sample>() <= 24);
    }

    #[test]
    fn retain_keeps_order_and_values() {
        let (catalog, metric) = catalog_with_metric();
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let mut batch = catalog.batch();
        for value in 0..10 {
            batch.push(&series, Timestamp::from_nanos(value), value as u64);
        }
        batch.retain(|sample| sample.timestamp.as_nanos() % 3 == 0);
        let left: Vec<_> = batch.samples().map(|sample| sample.value()).collect();
        assert_eq!(left, [Value::U64(0), Value::U64(3), Value::U64(6), Value::U64(9)]);
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let (catalog, metric) = catalog_with_metric();
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let mut batch = catalog.batch();
        let refused = batch.push_value(series.handle(), Timestamp::default(), Value::F64(1.0));
        assert_eq!(refused, Err(ValueType::U64));
        assert!(batch.is_empty());
    }

    #[test]
    fn a_batch_can_be_copied_through_its_bits() {
        let (catalog, _, _, float) = three_series();
        let mut batch = catalog.batch();
        batch.push(&float, Timestamp::from_nanos(7), -0.5);
        let mut copy = catalog.batch();
        copy.push_bits(float.handle(), batch.timestamps()[0], batch.bits()[0]);
        assert_eq!(copy.get(0), batch.get(0));
        assert_eq!(copy.get(0).unwrap().value(), Value::F64(-0.5));
    }

    /// Two series of unsigned integers and one of floats.
    fn three_series() -> (Catalog, Series<u64>, Series<u64>, Series<f64>) {
        let (catalog, metric) = catalog_with_metric();
        let series = |pid| {
            let consumer = Consumer::Process { pid };
            catalog
                .series(metric, Resource::LocalMachine, consumer)
                .register()
        };
        let ratio = catalog.register_metric(crate::Metric {
            name: "ratio".into(),
            kind: crate::MetricKind::Gauge,
            value_type: ValueType::F64,
            unit: crate::Unit::ONE,
            description: "For tests.".into(),
            quality: crate::metric::Quality::Measured,
        });
        let ratio = catalog.typed_metric::<f64>(ratio.unwrap()).unwrap();
        let float = catalog
            .series(ratio, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let (one, two) = (series(1), series(2));
        (catalog, one, two, float)
    }

    #[test]
    fn retain_moves_series_timestamp_and_value_together() {
        let (catalog, one, two, float) = three_series();
        let mut batch = catalog.batch();
        batch.push(&one, Timestamp::from_nanos(10), 1);
        batch.push(&two, Timestamp::from_nanos(20), 2);
        batch.push(&float, Timestamp::from_nanos(30), 0.5);
        let last: Vec<_> = batch.samples().skip(1).collect();
        batch.retain(|sample| sample.series != one.id());
        assert_eq!(batch.samples().collect::<Vec<_>>(), last);
        assert_eq!(
            (
                batch.len(),
                batch.series().len(),
                batch.timestamps().len(),
                batch.bits().len()
            ),
            (2, 2, 2, 2)
        );
        assert_eq!((batch.get(1), batch.get(2)), (Some(last[1]), None));
    }

    #[test]
    fn copied_samples_come_after_those_that_are_there() {
        let (catalog, one, two, _) = three_series();
        let mut from = catalog.batch();
        from.push(&one, Timestamp::from_nanos(10), 1);
        from.push(&two, Timestamp::from_nanos(20), 2);
        let mut to = catalog.batch();
        to.push(&two, Timestamp::from_nanos(5), 0);
        to.extend(from.samples());
        let copied: Vec<_> = to.samples().skip(1).collect();
        assert_eq!(copied, from.samples().collect::<Vec<_>>());
        assert_eq!(to.len(), 3);
    }

    #[test]
    fn a_sample_moves_only_to_a_series_of_its_type() {
        let (catalog, one, two, float) = three_series();
        let mut batch = catalog.batch();
        batch.push(&one, Timestamp::from_nanos(10), 1);
        assert_eq!(batch.set_series(0, float.handle()), Err(ValueType::F64));
        assert_eq!(batch.set_series(1, two.handle()), Err(ValueType::U64));
        assert_eq!(batch.series(), [one.id()], "nothing has changed");
        assert_eq!(batch.set_series(0, two.handle()), Ok(()));
        assert_eq!(batch.series(), [two.id()]);
    }

    #[test]
    fn the_memory_of_a_batch_serves_the_next_one_without_its_samples() {
        let (catalog, one, _, _) = three_series();
        let mut batch = catalog.batch();
        for value in 0..100 {
            batch.push(&one, Timestamp::default(), value);
        }
        let memory = batch.bits().as_ptr();
        drop(batch);
        let mut next = catalog.batch();
        assert!(next.is_empty());
        next.push(&one, Timestamp::default(), 1);
        assert_eq!(next.bits().as_ptr(), memory);
    }

    #[test]
    fn only_a_few_buffers_of_moderate_size_are_kept_for_later() {
        let (catalog, one, _, _) = three_series();
        let kept = || catalog.buffers().lock().buffers.len();
        let mut large = catalog.batch();
        large.reserve(BufferPool::MAX_SAMPLES + 1);
        drop(large);
        assert_eq!(kept(), 0, "a large one costs more than it saves");
        drop(catalog.batch());
        assert_eq!(kept(), 0, "one without memory saves nothing");
        let mut batches: Vec<_> = (0..20).map(|_| catalog.batch()).collect();
        for batch in &mut batches {
            batch.push(&one, Timestamp::default(), 1);
        }
        drop(batches);
        assert_eq!(kept(), BufferPool::MAX_BUFFERS);
    }
}
