//! For tests of what asks: a backend that is a list.

use std::sync::Arc;

use alumet_core::async_trait;
use alumet_core::time::Timestamp;
use alumet_core::value::Value;
use parking_lot::Mutex;

use crate::backend::{Backend, BackendStatus, Range, SeriesBuckets, SeriesEntry, SeriesSamples};
use crate::bucket::{Buckets, Steps};
use crate::budget::Budget;
use crate::error::QueryError;
use crate::identity::Identity;
use crate::selector::Selector;

/// A list of samples. Its generation is how often something was added.
#[derive(Debug, Default)]
pub struct Listed(Mutex<(Vec<SeriesSamples>, u64)>);

impl Listed {
    /// Adds a sample; one of the same series and time is replaced.
    pub fn push(&self, series: &Identity, at: Timestamp, value: impl Into<Value>) {
        let mut list = self.0.lock();
        let (all, generation) = &mut *list;
        *generation += 1;
        let index = all.iter().position(|known| *known.series == *series);
        let index = index.unwrap_or_else(|| {
            all.push(SeriesSamples {
                series: Arc::new(series.clone()),
                times: Vec::new(),
                values: Vec::new(),
            });
            all.len() - 1
        });
        let SeriesSamples { times, values, .. } = &mut all[index];
        match times.binary_search(&at) {
            Ok(place) => values[place] = value.into(),
            Err(place) => {
                times.insert(place, at);
                values.insert(place, value.into());
            }
        }
    }

    fn found(
        &self,
        selector: &Selector,
        range: Range,
        budget: &Budget,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        let list = self.0.lock();
        let selected = list.0.iter().filter(|samples| selector.selects(&samples.series));
        let within = selected.map(|samples| {
            let within = samples.iter().filter(|(at, _)| range.contains(*at));
            let (times, values) = within.unzip();
            SeriesSamples {
                series: Arc::clone(&samples.series),
                times,
                values,
            }
        });
        let found: Vec<_> = within.filter(|samples| !samples.times.is_empty()).collect();
        budget.admit_series(found.len() as u64)?;
        Ok(found)
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
        let found = self.found(selector, range, budget)?.into_iter();
        let entries = found.filter_map(|samples| {
            let (first, last) = (samples.times.first()?, samples.times.last()?);
            Some(SeriesEntry {
                series: Arc::clone(&samples.series),
                first_at: first.as_nanos(),
                last_at: last.as_nanos(),
            })
        });
        Ok(entries.collect())
    }

    async fn samples(
        &self,
        selector: &Selector,
        range: Range,
        newest: Option<usize>,
        budget: &Budget,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        let mut found = self.found(selector, range, budget)?;
        for samples in &mut found {
            let before = samples.times.len().saturating_sub(newest.unwrap_or(usize::MAX));
            samples.times.drain(..before);
            samples.values.drain(..before);
        }
        budget.spend(found.iter().map(|samples| samples.times.len() as u64).sum())?;
        Ok(found)
    }

    async fn buckets(
        &self,
        selector: &Selector,
        steps: Steps,
        budget: &Budget,
    ) -> Result<Vec<SeriesBuckets>, QueryError> {
        let range = Range {
            from: steps.start,
            until: steps.end(),
        };
        let samples = self.samples(selector, range, None, budget).await?;
        let buckets = samples.into_iter().map(|samples| {
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
        let list = self.0.lock();
        BackendStatus {
            series: Some(list.0.len() as u64),
            samples: Some(list.0.iter().map(|samples| samples.times.len() as u64).sum()),
            max_entries_per_gpu: Some(10_000),
            ..BackendStatus::default()
        }
    }

    fn generation(&self) -> Option<u64> {
        Some(self.0.lock().1)
    }
}
