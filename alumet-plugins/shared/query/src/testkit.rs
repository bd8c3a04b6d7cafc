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

/// A list of samples. Its generation is how often it was changed.
#[derive(Debug, Default)]
pub struct Listed(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    all: Vec<SeriesSamples>,
    generation: u64,
    kept: Option<Kept>,
    asked: Vec<(&'static str, Selector)>,
    problems: Vec<String>,
}

/// Intervals that are kept of samples.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// From when on there are samples, in nanoseconds since 1970.
    raw_from: i64,
    /// Until when there are intervals.
    until: i64,
    /// How long these are.
    interval: i64,
}

impl Listed {
    /// Adds a sample; one of the same series and time is replaced.
    pub fn push(&self, series: &Identity, at: Timestamp, value: impl Into<Value>) {
        let mut list = self.0.lock();
        let List { all, generation, .. } = &mut *list;
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

    /// Forgets all samples.
    pub fn clear(&self) {
        let mut list = self.0.lock();
        list.generation += 1;
        list.all.clear();
    }

    /// From now on, samples before then are thinned out: there are intervals of so many nanoseconds of them.
    pub fn thin_out(&self, before: Timestamp, interval: i64) {
        let before = before.as_nanos();
        self.0.lock().kept = Some(Kept {
            raw_from: before,
            until: before,
            interval,
        });
    }

    /// From now on, there are intervals of so many nanoseconds beside all samples.
    pub fn sum_up(&self, interval: i64) {
        self.0.lock().kept = Some(Kept {
            raw_from: i64::MIN,
            until: i64::MAX,
            interval,
        });
    }

    /// Something is wrong with it from now on.
    pub fn complain(&self, problem: &str) {
        self.0.lock().problems.push(problem.to_owned());
    }

    /// What was asked for, by the names of the methods, since this was called before.
    pub fn asked(&self) -> Vec<(&'static str, Selector)> {
        std::mem::take(&mut self.0.lock().asked)
    }

    fn found(
        &self,
        method: &'static str,
        selector: &Selector,
        range: Range,
        budget: &Budget,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        let mut list = self.0.lock();
        list.asked.push((method, selector.clone()));
        let selected = list
            .all
            .iter()
            .filter(|samples| selector.selects(&samples.series));
        let is_found = |samples: &&SeriesSamples| samples.times.iter().any(|at| range.contains(*at));
        let found: Vec<_> = selected.filter(is_found).cloned().collect();
        budget.admit_series(found.len() as u64)?;
        budget.check()?;
        Ok(found)
    }
}

impl SeriesSamples {
    /// What of it is in a range.
    fn within(self, range: Range) -> Self {
        let within = self.iter().filter(|(at, _)| range.contains(*at));
        let (times, values) = within.unzip();
        Self {
            series: self.series,
            times,
            values,
        }
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
        let found = self.found("series", selector, range, budget)?.into_iter();
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
        let raw_from = self.0.lock().kept.map_or(i64::MIN, |kept| kept.raw_from);
        let range = Range {
            from: range.from.max(raw_from),
            ..range
        };
        let found = self.found("samples", selector, range, budget)?.into_iter();
        let mut found: Vec<_> = found.map(|samples| samples.within(range)).collect();
        for samples in &mut found {
            let before = samples.times.len().saturating_sub(newest.unwrap_or(usize::MAX));
            samples.times.drain(..before);
            samples.values.drain(..before);
        }
        found.retain(|samples| !samples.times.is_empty());
        budget.spend(found.iter().map(|samples| samples.times.len() as u64).sum())?;
        Ok(found)
    }

    async fn buckets(
        &self,
        selector: &Selector,
        steps: Steps,
        budget: &Budget,
    ) -> Result<Vec<SeriesBuckets>, QueryError> {
        let kept = self.0.lock().kept;
        // Of what is kept, the beginning of an interval counts.
        let kept_of = |at: Timestamp| match kept {
            Some(Kept { until, interval, .. }) if at.as_nanos() < until => {
                at.as_nanos().div_euclid(interval) * interval
            }
            _ => at.as_nanos(),
        };
        let found = self.found("buckets", selector, Range::ALL, budget)?.into_iter();
        let mut read = 0;
        let buckets = found.map(|samples| {
            let mut buckets = Buckets::new(steps);
            let all: Vec<_> = samples.iter().collect();
            for kept in all.chunk_by(|(one, _), (next, _)| kept_of(*one) == kept_of(*next)) {
                let start = kept_of(kept[0].0);
                let mut one = Buckets::new(Steps {
                    start,
                    step: i64::MAX,
                    count: 1,
                });
                kept.iter().for_each(|(at, value)| one.add(*at, value.as_f64()));
                one.finish().iter().for_each(|kept| buckets.append(kept));
                read += u64::from(steps.start_of(start).is_some());
            }
            SeriesBuckets {
                series: samples.series,
                buckets: buckets.finish(),
            }
        });
        let buckets: Vec<_> = buckets.filter(|found| !found.buckets.is_empty()).collect();
        budget.spend(read)?;
        Ok(buckets)
    }

    async fn status(&self) -> BackendStatus {
        let list = self.0.lock();
        BackendStatus {
            series: Some(list.all.len() as u64),
            samples: Some(list.all.iter().map(|samples| samples.times.len() as u64).sum()),
            max_entries_per_gpu: Some(10_000),
            problems: list.problems.clone(),
            ..BackendStatus::default()
        }
    }

    fn generation(&self) -> Option<u64> {
        Some(self.0.lock().generation)
    }
}
