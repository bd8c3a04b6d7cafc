use std::path::Path;
use std::sync::Arc;

use crate::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use crate::consumer::Consumer;
use crate::events::ConsumerEvents;
use crate::metric::MetricDef;
use crate::output::Output;
use crate::pipeline::Control;
use crate::resource::Resource;
use crate::series::SeriesBuilder;
use crate::services::Services;
use crate::source::{EventSource, Source};
use crate::spool::Spool;
use crate::state::PluginState;
use crate::time::Clock;
use crate::transform::Transform;
use crate::value::Number;

use super::finding::Finding;
use super::host::Host;
use super::specs::{ElementSpecs, OutputSpec, SourceSpec, TransformSpec};

/// What a plugin sees of the pipeline while it starts.
#[derive(Debug)]
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

    /// Adds a source, polled once per second unless the spec says otherwise.
    pub fn source(&mut self, name: impl Into<String>, source: impl Source) -> &mut SourceSpec {
        self.specs.source(name, source)
    }

    /// Adds a source that is driven by events.
    pub fn event_source(&mut self, name: impl Into<String>, source: impl EventSource) {
        self.specs.event_source(name, source);
    }

    /// Adds a transform.
    pub fn transform(&mut self, name: impl Into<String>, transform: impl Transform) -> &mut TransformSpec {
        self.specs.transform(name, transform)
    }

    /// Adds an output. It runs in a thread of its own, where it may block, unless the spec says otherwise.
    pub fn output(&mut self, name: impl Into<String>, output: impl Output) -> &mut OutputSpec {
        self.specs.output(name, output)
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
