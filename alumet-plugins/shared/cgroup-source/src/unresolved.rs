//! How many control groups are not known well enough.

use std::collections::BTreeMap;

use alumet_core::catalog::{IncompatibleMetric, MetricHandle};
use alumet_core::plugin::StartContext;
use alumet_core::source::Accumulator;
use alumet_core::{Consumer, Resource, Series};

use crate::metrics;

/// Counts the control groups of a source whose answer is not final, by reason.
pub(crate) struct Unresolved {
    metric: MetricHandle<u64>,
    source: &'static str,
    /// Reasons that came up stay, with a 0.
    counts: BTreeMap<&'static str, (Series<u64>, u64)>,
}

/// Why a control group is not measured at all by now.
const UNKNOWN: &str = "not known yet";

impl Unresolved {
    pub(crate) fn new(
        source: &'static str,
        alumet: &mut StartContext<'_>,
    ) -> Result<Self, IncompatibleMetric> {
        Ok(Self {
            metric: alumet.metric(&metrics::UNRESOLVED)?,
            source,
            counts: BTreeMap::new(),
        })
    }

    /// Counts those that are measured with a part of their attributes, by what is missing, and those that are not measured yet.
    pub(crate) fn push(
        &mut self,
        missing: impl Iterator<Item = &'static str>,
        unknown: usize,
        out: &mut Accumulator<'_>,
    ) {
        self.counts.values_mut().for_each(|(_, count)| *count = 0);
        for reason in missing.chain(std::iter::repeat_n(UNKNOWN, unknown)) {
            let series = || {
                let series =
                    out.catalog()
                        .series(self.metric, Resource::LocalMachine, Consumer::LocalMachine);
                series
                    .attribute("source", self.source)
                    .attribute("reason", reason)
                    .register()
            };
            self.counts.entry(reason).or_insert_with(|| (series(), 0)).1 += 1;
        }
        for (series, count) in self.counts.values() {
            out.push(series, *count);
        }
    }
}
