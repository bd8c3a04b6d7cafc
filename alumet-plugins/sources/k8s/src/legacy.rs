//! CPU time under the names that it had in old versions.

use alumet_core::catalog::{IncompatibleMetric, MetricHandle};
use alumet_core::plugin::StartContext;
use alumet_core::series::SeriesId;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::unit::Unit;
use alumet_core::value::Value;
use alumet_core::{Batch, Catalog, Consumer, Failure, Series, SeriesMap};
use alumet_shared_cgroup_source::metrics::CPU_TIME_DELTA;

alumet_core::metrics! {
    pub TOTAL = Delta<u64> {
        name: "total_usage_usec",
        unit: Unit::SECOND.micro(),
        description: "CPU time that a pod used; an old name of `cpu_time_delta`, with `legacy_metrics` only.",
        consumers: ["cgroup"],
    };
    pub USER = Delta<u64> {
        name: "user_usage_usec",
        unit: Unit::SECOND.micro(),
        description: "CPU time that a pod used in user mode; an old name of `cpu_time_delta`, with `legacy_metrics` only.",
        consumers: ["cgroup"],
    };
    pub SYSTEM = Delta<u64> {
        name: "system_usage_usec",
        unit: Unit::SECOND.micro(),
        description: "CPU time that a pod used in the kernel; an old name of `cpu_time_delta`, with `legacy_metrics` only.",
        consumers: ["cgroup"],
    };
}

/// Adds a sample under the old name to each of the CPU time of a pod.
pub(crate) struct Legacy {
    metrics: [(&'static str, MetricHandle<u64>); 3],
    series: SeriesMap<Option<Old>>,
}

struct Old {
    series: Series<u64>,
    /// Nanoseconds that make no whole microsecond yet.
    rest: u64,
}

impl Legacy {
    pub(crate) fn new(alumet: &StartContext<'_>) -> Result<Self, IncompatibleMetric> {
        Ok(Self {
            metrics: [
                ("total", alumet.metric(&TOTAL)?),
                ("user", alumet.metric(&USER)?),
                ("system", alumet.metric(&SYSTEM)?),
            ],
            series: SeriesMap::new(),
        })
    }
}

/// The old series of that of a pod; `None` for any other.
fn old(id: SeriesId, metrics: &[(&str, MetricHandle<u64>)], catalog: &Catalog) -> Option<Old> {
    let info = catalog.describe(id)?;
    let attributes = info.attributes();
    let is_of_pod = info.metric.name == CPU_TIME_DELTA.name()
        && matches!(info.consumer(), Consumer::ControlGroup { .. })
        && attributes.get("uid").is_some()
        && attributes.get("container").is_none();
    let kind = attributes.get("kind").filter(|_| is_of_pod)?.to_string();
    let (_, metric) = metrics.iter().find(|(name, _)| *name == kind)?;
    let series = catalog.series(*metric, info.resource().clone(), info.consumer().clone());
    let others = attributes.iter().filter(|(key, _)| *key != "kind");
    let series = others.fold(series, |series, (key, value)| {
        series.attribute(key.clone(), value.clone())
    });
    Some(Old {
        series: series.register(),
        rest: 0,
    })
}

impl Transform for Legacy {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        for index in 0..batch.len() {
            let Some(sample) = batch.get(index) else { break };
            let found = self.series.get_or_try_insert_with(sample.series, || {
                Ok::<_, Failure>(old(sample.series, &self.metrics, context.catalog))
            })?;
            if let (Some(old), Value::U64(nanos)) = (found, sample.value()) {
                let nanos = old.rest + nanos;
                old.rest = nanos % 1000;
                batch.push(&old.series, sample.timestamp, nanos / 1000);
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
