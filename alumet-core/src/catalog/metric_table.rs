use std::sync::Arc;

use hashbrown::HashMap;

use super::{IncompatibleMetric, MetricId};
use crate::metric::{Metric, MetricKind, Quality};
use crate::unit::Unit;
use crate::value::ValueType;

/// All metrics; grows only, because a program knows a bounded number of metric names.
#[derive(Default)]
pub(super) struct MetricTable {
    metrics: Vec<Arc<Metric>>,
    by_name: HashMap<Arc<str>, MetricId>,
}

impl MetricTable {
    pub(super) fn register(&mut self, metric: Metric) -> Result<MetricId, IncompatibleMetric> {
        if let Some((id, existing)) = self.find(&metric.name) {
            return if existing.is_compatible_with(&metric) {
                Ok(id)
            } else {
                Err(IncompatibleMetric {
                    existing: Box::new(Metric::clone(&existing)),
                    refused: Box::new(metric),
                })
            };
        }
        let id = MetricId(u32::try_from(self.metrics.len()).unwrap_or(u32::MAX));
        self.by_name.insert(metric.name.as_ref().into(), id);
        self.metrics.push(Arc::new(metric));
        Ok(id)
    }

    pub(super) fn find(&self, name: &str) -> Option<(MetricId, Arc<Metric>)> {
        let id = *self.by_name.get(name)?;
        Some((id, self.get(id)))
    }

    /// The metric with that id; one without name for an id of another catalog.
    pub(super) fn get(&self, id: MetricId) -> Arc<Metric> {
        self.metrics.get(id.0 as usize).map_or_else(nameless, Arc::clone)
    }

    pub(super) fn all(&self) -> &[Arc<Metric>] {
        &self.metrics
    }
}

/// Stands for a metric of another catalog.
fn nameless() -> Arc<Metric> {
    Arc::new(Metric {
        name: "".into(),
        kind: MetricKind::Gauge,
        value_type: ValueType::U64,
        unit: Unit::ONE,
        description: "".into(),
        quality: Quality::Measured,
    })
}
