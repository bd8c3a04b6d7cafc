//! The transform: says of samples that are of no job which jobs were running.

use std::collections::BTreeMap;
use std::sync::Arc;

use alumet_core::events::{ConsumerEvent, Subscription};
use alumet_core::series::{SeriesHandle, SeriesId};
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Batch, Catalog, Consumer, Failure, SeriesMap};
use alumet_reader_cgroupfs::CgroupPath;

use crate::filter::JobFilter;

/// Adds the attribute `involved_jobs`.
pub(crate) struct InvolvedJobs {
    events: Subscription,
    filter: JobFilter,
    /// The jobs that are running, by their control groups.
    running: BTreeMap<Arc<str>, u64>,
    /// The series with the jobs that are running; `None` for what stays as it is.
    series: SeriesMap<Option<SeriesHandle>>,
}

impl InvolvedJobs {
    /// All jobs that pass the filter and begin from now on.
    pub(crate) fn new(events: Subscription, filter: JobFilter) -> Self {
        Self {
            events,
            filter,
            running: BTreeMap::new(),
            series: SeriesMap::new(),
        }
    }

    /// Takes in which jobs have begun and ended.
    fn hear(&mut self) {
        loop {
            match self.events.try_next() {
                Ok(Some(ConsumerEvent::Started(consumers))) => self.note(&consumers, true),
                Ok(Some(ConsumerEvent::Ended(consumers))) => self.note(&consumers, false),
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(lost) => tracing::warn!(%lost, "`involved_jobs` may name jobs that have ended"),
            }
        }
    }

    fn note(&mut self, consumers: &[Consumer], is_running: bool) {
        for consumer in consumers {
            let Consumer::ControlGroup { path } = consumer else {
                continue;
            };
            let Ok(group) = path.parse::<CgroupPath>() else {
                continue;
            };
            let Some(job) = self.filter.job(&group).filter(|job| !job.is_inside) else {
                continue;
            };
            let before = match is_running {
                true => self.running.insert(Arc::clone(path), job.job_id),
                false => self.running.remove(path),
            };
            if before.is_some() != is_running {
                self.series.clear();
            }
        }
    }
}

/// The series with the attribute.
fn plan(id: SeriesId, running: &BTreeMap<Arc<str>, u64>, catalog: &Catalog) -> Option<SeriesHandle> {
    let info = catalog.describe(id)?;
    if info.attributes().get("job_id").is_some() {
        return None;
    }
    let mut jobs: Vec<_> = running.values().copied().collect();
    jobs.sort_unstable();
    jobs.dedup();
    let mut key = info.key.clone();
    key.attributes = key.attributes.with("involved_jobs", jobs);
    Some(catalog.register(key))
}

impl Transform for InvolvedJobs {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        self.hear();
        // What another node measured does not involve the jobs of this one.
        if self.running.is_empty() || batch.origin().is_some() {
            return Ok(());
        }
        for index in 0..batch.len() {
            let id = batch.series()[index];
            let plan = || plan(id, &self.running, context.catalog);
            if let Some(series) = self.series.get_or_insert_with(id, plan) {
                // The metric is the same, and so is the type of the values.
                let _ = batch.set_series(index, series);
            }
        }
        Ok(())
    }

    /// It keeps nothing back, but hears only so of series that are gone.
    fn waits(&self) -> bool {
        true
    }

    fn retired(&mut self, series: SeriesId) {
        self.series.remove(series);
    }

    fn reset(&mut self) {
        self.series.clear();
    }
}
