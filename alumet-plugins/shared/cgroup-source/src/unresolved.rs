//! How many control groups are not known well enough.

use std::collections::BTreeMap;
use std::sync::Arc;

use alumet_core::catalog::{IncompatibleMetric, MetricHandle};
use alumet_core::pipeline::{AddToStatus, PipelineStatus};
use alumet_core::plugin::StartContext;
use alumet_core::source::Accumulator;
use alumet_core::{Consumer, Resource, Series};
use alumet_reader_cgroupfs::CgroupPath;
use parking_lot::Mutex;

use crate::metrics;

/// Counts the control groups of a source whose answer is not final, by reason, for samples and for whoever asks how things are.
pub(crate) struct Unresolved {
    metric: MetricHandle<u64>,
    source: &'static str,
    /// Reasons that came up stay, with a 0.
    series: BTreeMap<&'static str, Series<u64>>,
    counts: Arc<Counts>,
}

/// How many there are by reason, and which is one of them.
struct Counts {
    source: &'static str,
    by_reason: Mutex<BTreeMap<&'static str, (u64, CgroupPath)>>,
}

/// Why a control group is not measured at all by now.
const UNKNOWN: &str = "not known yet";

impl Unresolved {
    pub(crate) fn new(
        source: &'static str,
        alumet: &mut StartContext<'_>,
    ) -> Result<Self, IncompatibleMetric> {
        let counts = Arc::new(Counts {
            source,
            by_reason: Mutex::default(),
        });
        alumet.control().on_status(Arc::downgrade(&counts) as _);
        Ok(Self {
            metric: alumet.metric(&metrics::UNRESOLVED)?,
            source,
            series: BTreeMap::new(),
            counts,
        })
    }

    /// Counts those that are measured with a part of their attributes, by what is missing, and those that are not measured yet.
    pub(crate) fn count<'a>(
        &self,
        provisional: impl Iterator<Item = &'a (CgroupPath, &'static str)>,
        waiting: impl Iterator<Item = &'a CgroupPath>,
    ) {
        let mut by_reason = self.counts.by_reason.lock();
        by_reason.clear();
        let provisional = provisional.map(|(path, missing)| (*missing, path));
        for (reason, path) in provisional.chain(waiting.map(|path| (UNKNOWN, path))) {
            by_reason.entry(reason).or_insert_with(|| (0, path.clone())).0 += 1;
        }
    }

    /// Makes samples of the last count.
    pub(crate) fn push(&mut self, out: &mut Accumulator<'_>) {
        let by_reason = self.counts.by_reason.lock();
        for reason in by_reason.keys() {
            self.series.entry(reason).or_insert_with(|| {
                let series =
                    out.catalog()
                        .series(self.metric, Resource::LocalMachine, Consumer::LocalMachine);
                series
                    .attribute("source", self.source)
                    .attribute("reason", *reason)
                    .register()
            });
        }
        for (reason, series) in &self.series {
            out.push(series, by_reason.get(reason).map_or(0, |(count, _)| *count));
        }
    }
}

impl AddToStatus for Counts {
    fn add_to(&self, status: &mut PipelineStatus) {
        for (reason, (count, path)) in &*self.by_reason.lock() {
            status.notes.push(format!(
                "{}: of {count} control groups something is missing ({reason}), such as {path}",
                self.source
            ));
        }
    }
}
