use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashMap;

use super::{IncompatibleMetric, MetricId};
use crate::metric::{Metric, MetricKind, Quality};
use crate::series::SeriesInfo;
use crate::unit::Unit;
use crate::value::ValueType;

/// All metrics, each once.
///
/// Those of plugins stay, because a program knows a bounded number of them, and have a name of their own. Those of other
/// programs stay as long as somebody holds them, for instance in a series.
#[derive(Default)]
pub(super) struct MetricTable {
    metrics: HashMap<MetricId, Arc<Metric>>,
    by_meaning: HashMap<Meaning, MetricId>,
    own: HashMap<Arc<str>, (MetricId, Arc<Metric>)>,
    next: u32,
    /// With so many metrics, those that nobody holds are looked for.
    full: usize,
    /// The keys of the attributes that were declared.
    attributes: BTreeSet<Box<str>>,
}

/// All of a metric but its description.
struct Meaning(Arc<Metric>);

impl PartialEq for Meaning {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_compatible_with(&other.0)
    }
}

impl Eq for Meaning {}

impl Hash for Meaning {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let metric = &*self.0;
        (
            &metric.name,
            metric.kind,
            metric.value_type,
            &metric.unit,
            metric.quality,
        )
            .hash(state);
    }
}

impl MetricTable {
    /// Below this number of metrics, none are looked for.
    const FEW: usize = 1024;

    /// The metric of a plugin, which has its name for itself among those of plugins.
    pub(super) fn register(&mut self, metric: Metric) -> Result<MetricId, IncompatibleMetric> {
        if let Some((id, existing)) = self.own.get(&*metric.name) {
            return if existing.is_compatible_with(&metric) {
                Ok(*id)
            } else {
                Err(IncompatibleMetric {
                    existing: Box::new(Metric::clone(existing)),
                    refused: Box::new(metric),
                })
            };
        }
        if metric.quality != Quality::Measured {
            self.declare([SeriesInfo::QUALITY]);
        }
        let (id, metric) = self.admit(metric);
        self.own.insert(metric.name.as_ref().into(), (id, metric));
        Ok(id)
    }

    pub(super) fn declare<'a>(&mut self, keys: impl IntoIterator<Item = &'a str>) {
        for key in keys {
            if !self.attributes.contains(key) {
                self.attributes.insert(key.into());
            }
        }
    }

    pub(super) fn declared(&self) -> BTreeSet<Box<str>> {
        self.attributes.clone()
    }

    /// A metric as it is, whatever else has its name.
    pub(super) fn admit(&mut self, metric: Metric) -> (MetricId, Arc<Metric>) {
        let metric = Arc::new(metric);
        let meaning = Meaning(Arc::clone(&metric));
        if let Some(id) = self.by_meaning.get(&meaning) {
            return (*id, self.get(*id));
        }
        if self.metrics.len() >= self.full {
            self.forget_unused();
            self.full = Self::FEW.max(2 * self.metrics.len());
        }
        // An id that is in use comes round only after four billion others.
        while self.metrics.contains_key(&MetricId(self.next)) {
            self.next = self.next.wrapping_add(1);
        }
        let id = MetricId(self.next);
        self.next = self.next.wrapping_add(1);
        self.metrics.insert(id, Arc::clone(&metric));
        self.by_meaning.insert(meaning, id);
        (id, metric)
    }

    /// Lets go of the metrics that nobody else holds.
    pub(super) fn forget_unused(&mut self) {
        let Self {
            metrics, by_meaning, ..
        } = self;
        by_meaning.retain(|meaning, id| {
            // Held by both tables.
            let is_used = Arc::strong_count(&meaning.0) > 2;
            if !is_used {
                metrics.remove(id);
            }
            is_used
        });
        by_meaning.shrink_to(2 * by_meaning.len());
        metrics.shrink_to(2 * metrics.len());
    }

    /// That of a plugin, or else the oldest.
    pub(super) fn find(&self, name: &str) -> Option<(MetricId, Arc<Metric>)> {
        self.own.get(name).cloned().or_else(|| {
            let named = self.metrics.iter().filter(|(_, metric)| metric.name == name);
            let (id, metric) = named.min_by_key(|(id, _)| **id)?;
            Some((*id, Arc::clone(metric)))
        })
    }

    /// The metric with that id; one without name for an id of another catalog.
    pub(super) fn get(&self, id: MetricId) -> Arc<Metric> {
        self.metrics.get(&id).map_or_else(nameless, Arc::clone)
    }

    pub(super) fn all(&self) -> Vec<Arc<Metric>> {
        let mut all: Vec<_> = self.metrics.iter().collect();
        all.sort_unstable_by_key(|(id, _)| **id);
        all.into_iter().map(|(_, metric)| Arc::clone(metric)).collect()
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
