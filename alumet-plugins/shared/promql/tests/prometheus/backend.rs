//! A backend that is a list.

use std::sync::Arc;

use alumet_core::async_trait;
use alumet_core::time::Timestamp;
use alumet_core::value::Value;
use alumet_shared_query::{
    Backend, BackendStatus, Buckets, Budget, Identity, QueryError, Range, Selector, SeriesBuckets,
    SeriesEntry, SeriesSamples, Steps,
};
use parking_lot::Mutex;

/// Times in nanoseconds since 1970, with values.
pub(crate) type Samples = Vec<(i64, Value)>;

/// Series with their samples, in order of time; and what was asked for.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) all: Vec<(Arc<Identity>, Samples)>,
    pub(crate) asked: Mutex<Vec<String>>,
    /// Before then, samples are thinned out, in nanoseconds since 1970.
    pub(crate) raw_from: i64,
}

impl Listed {
    fn read(
        &self,
        selector: &Selector,
        range: Range,
        budget: &Budget,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        let is_in = |(at, _): &&(i64, Value)| range.contains(Timestamp::from_nanos(*at));
        let selected = self.all.iter().filter(|(series, _)| selector.selects(series));
        let read = selected.map(|(series, samples)| {
            let samples = samples.iter().filter(is_in);
            let (times, values) = samples
                .map(|(at, value)| (Timestamp::from_nanos(*at), *value))
                .unzip();
            SeriesSamples {
                series: Arc::clone(series),
                times,
                values,
            }
        });
        let read: Vec<_> = read.filter(|samples| !samples.times.is_empty()).collect();
        budget.admit_series(read.len() as u64)?;
        budget.spend(read.iter().map(|samples| samples.times.len() as u64).sum())?;
        Ok(read)
    }

    fn note(&self, what: &str, selector: &Selector) {
        let matchers = selector.matchers.iter();
        let matchers = matchers.map(|matcher| serde_json::to_string(matcher).unwrap());
        self.asked
            .lock()
            .push(format!("{what} {}", matchers.collect::<Vec<_>>().join(" ")));
    }
}

#[async_trait]
impl Backend for Listed {
    async fn series(
        &self,
        selector: &Selector,
        range: Range,
        budget: &Budget,
    ) -> Result<Vec<SeriesEntry>, QueryError> {
        self.note("series", selector);
        budget.check()?;
        let selected = self.all.iter().filter(|(series, _)| selector.selects(series));
        let entries = selected.filter_map(|(series, samples)| {
            let entry = SeriesEntry {
                series: Arc::clone(series),
                first_at: samples.first()?.0,
                last_at: samples.last()?.0,
            };
            (entry.first_at < range.until && entry.last_at >= range.from).then_some(entry)
        });
        let entries: Vec<_> = entries.collect();
        budget.admit_series(entries.len() as u64)?;
        Ok(entries)
    }

    async fn samples(
        &self,
        selector: &Selector,
        range: Range,
        newest: Option<usize>,
        budget: &Budget,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        self.note("samples", selector);
        let from = range.from.max(self.raw_from);
        let mut read = self.read(selector, Range { from, ..range }, budget)?;
        for samples in &mut read {
            let old = samples.times.len().saturating_sub(newest.unwrap_or(usize::MAX));
            samples.times.drain(..old);
            samples.values.drain(..old);
        }
        Ok(read)
    }

    async fn buckets(
        &self,
        selector: &Selector,
        steps: Steps,
        budget: &Budget,
    ) -> Result<Vec<SeriesBuckets>, QueryError> {
        self.note("buckets", selector);
        let read = self.read(selector, Range::ALL, budget)?.into_iter();
        let buckets = read.map(|samples| {
            let mut buckets = Buckets::new(steps);
            for (at, value) in samples.iter() {
                buckets.add(at, value.as_f64());
            }
            SeriesBuckets {
                series: samples.series,
                buckets: buckets.finish(),
            }
        });
        Ok(buckets.collect())
    }

    async fn status(&self) -> BackendStatus {
        BackendStatus::default()
    }

    fn generation(&self) -> Option<u64> {
        None
    }
}
