use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;

use crate::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use crate::consumer::Consumer;
use crate::events::ConsumerEvents;
use crate::metric::MetricDef;
use crate::pipeline::Control;
use crate::resource::Resource;
use crate::series::SeriesBuilder;
use crate::services::Services;
use crate::spool::Spool;
use crate::state::PluginState;
use crate::time::Clock;
use crate::value::Number;

use super::finding::Finding;
use super::host::Host;
use super::specs::ElementSpecs;

/// What a plugin sees of the pipeline while it starts, and where it adds its elements, as to [`ElementSpecs`].
pub struct StartContext<'a> {
    host: &'a Host,
    specs: ElementSpecs,
    findings: Vec<Finding>,
}

impl<'a> StartContext<'a> {
    /// A context without elements.
    pub fn new(host: &'a Host) -> Self {
        Self {
            host,
            specs: ElementSpecs::default(),
            findings: Vec::new(),
        }
    }

    /// Registers a metric.
    ///
    /// # Errors
    /// When the name is taken by a metric of another kind, type, unit or quality.
    pub fn metric<T: Number>(
        &self,
        definition: &MetricDef<T>,
    ) -> Result<MetricHandle<T>, IncompatibleMetric> {
        self.host.catalog.metric(definition)
    }

    /// Begins to describe a series.
    pub fn series<T: Number>(
        &self,
        metric: MetricHandle<T>,
        resource: Resource,
        consumer: Consumer,
    ) -> SeriesBuilder<'a, T> {
        self.host.catalog.series(metric, resource, consumer)
    }

    /// All metrics and series.
    pub const fn catalog(&self) -> &'a Catalog {
        &self.host.catalog
    }

    /// Where consumer events are published and subscribed to.
    pub const fn events(&self) -> &'a ConsumerEvents {
        &self.host.events
    }

    /// The clock of the pipeline.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.host.clock)
    }

    /// What steers the pipeline once it runs.
    pub const fn control(&self) -> &'a Control {
        &self.host.control
    }

    /// What several plugins share.
    pub const fn services(&self) -> &'a Services {
        &self.host.services
    }

    /// What the plugin `id` has kept of earlier runs, and keeps for the next; ask for the plugin's own.
    pub fn state(&self, id: &str) -> PluginState {
        self.host.state.of_plugin(id, self.host.is_trial)
    }

    /// Where batches wait that must not get lost; `None` when there is no such place or the plugin is only tried.
    pub fn spool(&self) -> Option<&'a Arc<dyn Spool>> {
        self.host.spool.get_or_open(&self.host.catalog)
    }

    /// Whether the plugin is only tried: it finds out whether it could start, and changes nothing on the machine.
    pub const fn is_trial(&self) -> bool {
        self.host.is_trial
    }

    /// The folder in which `proc` and `sys` are found: `/`, or another one in containers and tests.
    pub fn root(&self) -> &Path {
        &self.host.root
    }

    /// Notes what the plugin has found out about the machine: what of its work is possible, what is not, why, and how to
    /// mend it. `doctor` shows it after a trial.
    pub fn note(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// What was noted.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What was added.
    pub fn take_specs(&mut self) -> ElementSpecs {
        std::mem::take(&mut self.specs)
    }
}

/// The elements of the plugin, to which it adds its own.
impl Deref for StartContext<'_> {
    type Target = ElementSpecs;

    fn deref(&self) -> &ElementSpecs {
        &self.specs
    }
}

impl DerefMut for StartContext<'_> {
    fn deref_mut(&mut self) -> &mut ElementSpecs {
        &mut self.specs
    }
}
