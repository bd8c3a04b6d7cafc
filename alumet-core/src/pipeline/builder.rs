//! Building a pipeline.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, IncompatibleMetric};
use crate::events::ConsumerEvents;
use crate::output::Output;
use crate::plugin::{
    ElementSpecs, Host, OutputSpec, Plugin, PluginConfig, PluginDescriptor, RunningPlugin, SourceSpec,
    StartContext, StartError,
};
use crate::source::{EventSource, Source};
use crate::spool::SpoolSlot;
use crate::time::{Clock, SystemClock};
use crate::transform::Transform;

use super::Pipeline;
use super::add::{self, AddError};
use super::control::Control;
use super::queue::Queue;
use super::router::Router;
use super::self_metrics::{self, SelfSource};
use super::shared::{Phase, Shared};

/// Describes a pipeline; [`Self::start`] runs it.
///
/// Elements can be added with plugins, or directly by programs that embed the core.
#[must_use = "nothing is measured before `start`"]
pub struct PipelineBuilder {
    host: Host,
    runtime: Option<Handle>,
    ingest_capacity: usize,
    transform_order: Vec<String>,
    real_time_thread: bool,
    durable_by_default: bool,
    self_metrics: Option<std::time::Duration>,
    parts: Vec<(String, ElementSpecs)>,
    plugins: Vec<(&'static str, Box<dyn RunningPlugin>)>,
}

/// Why a pipeline cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An element cannot be added.
    #[error(transparent)]
    Add(#[from] AddError),
    /// The explicit order of transforms names a plugin that has none.
    #[error("the order of transforms names `{named}`, but {}", known(.active))]
    UnknownTransform {
        /// What is named.
        named: String,
        /// The plugins that have transforms.
        active: Vec<String>,
    },
    /// The explicit order of transforms does not name a plugin that has one.
    #[error("the order of transforms does not name `{0}`; add it, or leave the order out")]
    UnorderedTransform(String),
    /// A metric of the pipeline itself is taken by something else.
    #[error("the pipeline cannot measure itself")]
    SelfMetrics(#[source] IncompatibleMetric),
}

fn known(active: &[String]) -> String {
    if active.is_empty() {
        "no plugin has a transform; remove it".to_owned()
    } else {
        format!("the transforms are: {}", active.join(", "))
    }
}

impl PipelineBuilder {
    /// The id under which elements are listed that a program adds itself.
    pub const EMBEDDED: &'static str = "embedded";
    /// How many samples may wait between sources and transforms unless something else is chosen.
    pub const INGEST_CAPACITY: usize = 262_144;

    /// A pipeline without elements, on the system clock, in the tokio runtime of the caller if there is one.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// A pipeline without elements, on another clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            host: Host::new(clock, "/"),
            runtime: Handle::try_current().ok(),
            ingest_capacity: Self::INGEST_CAPACITY,
            transform_order: Vec::new(),
            real_time_thread: true,
            durable_by_default: false,
            self_metrics: None,
            parts: Vec::new(),
            plugins: Vec::new(),
        }
    }

    /// Runs asynchronous elements in this runtime.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Looks for `proc` and `sys` in this folder instead of `/`.
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.host.root = root.into();
        self
    }

    /// Lets so many samples wait between sources and transforms; when there are more, sources wait.
    pub const fn ingest_capacity(mut self, samples: usize) -> Self {
        self.ingest_capacity = samples;
        self
    }

    /// Runs transforms in this order of plugin ids instead of the order in which they were added.
    pub fn transform_order(mut self, plugins: Vec<String>) -> Self {
        self.transform_order = plugins;
        self
    }

    /// Whether intervals below 10 ms get a thread of their own with real-time priority; they do unless told otherwise.
    pub const fn real_time_thread(mut self, wanted: bool) -> Self {
        self.real_time_thread = wanted;
        self
    }

    /// Keeps batches of durable outputs in this spool until they are written.
    pub fn spool(mut self, spool: SpoolSlot) -> Self {
        self.host.spool = spool;
        self
    }

    /// Whether outputs are durable that do not say; they are not unless told otherwise.
    pub const fn durable_by_default(mut self, durable: bool) -> Self {
        self.durable_by_default = durable;
        self
    }

    /// Measures the pipeline itself every `interval`.
    pub const fn self_metrics(mut self, interval: std::time::Duration) -> Self {
        self.self_metrics = Some(interval);
        self
    }

    /// All metrics and series of the pipeline to be.
    pub const fn catalog(&self) -> &Catalog {
        &self.host.catalog
    }

    /// The bus of consumer events.
    pub const fn events(&self) -> &ConsumerEvents {
        &self.host.events
    }

    /// What steers the pipeline once it runs.
    pub const fn control(&self) -> &Control {
        &self.host.control
    }

    /// Adds a plugin of known type.
    ///
    /// # Errors
    /// When the plugin cannot start; then nothing of it is added.
    pub fn plugin<P: Plugin>(&mut self, config: P::Config) -> Result<&mut Self, StartError> {
        P::check(&config)?;
        let (plugin, specs) = self.start_plugin(|context| P::start(config, context))?;
        self.parts.push((P::ID.to_owned(), specs));
        self.plugins.push((P::ID, Box::new(plugin)));
        Ok(self)
    }

    /// Adds a plugin that is known as data only.
    ///
    /// # Errors
    /// When the plugin cannot start; then nothing of it is added.
    pub fn described_plugin(
        &mut self,
        descriptor: &PluginDescriptor,
        config: &PluginConfig,
    ) -> Result<&mut Self, StartError> {
        let (plugin, specs) = self.start_plugin(|context| descriptor.start(config, context))?;
        self.parts.push((descriptor.id.to_owned(), specs));
        self.plugins.push((descriptor.id, plugin));
        Ok(self)
    }

    fn start_plugin<T>(
        &self,
        start: impl FnOnce(&mut StartContext<'_>) -> Result<T, StartError>,
    ) -> Result<(T, ElementSpecs), StartError> {
        let mut context = StartContext::new(&self.host);
        let plugin = start(&mut context)?;
        Ok((plugin, context.take_specs()))
    }

    /// Adds a source, polled once per second unless the spec says otherwise.
    pub fn source(&mut self, name: &str, source: impl Source) -> &mut SourceSpec {
        self.embedded().source(name, source)
    }

    /// Adds a source that is driven by events.
    pub fn event_source(&mut self, name: &str, source: impl EventSource) {
        self.embedded().event_source(name, source);
    }

    /// Adds a transform.
    pub fn transform(&mut self, name: &str, transform: impl Transform) {
        self.embedded().transform(name, transform);
    }

    /// Adds an output. It runs in a thread of its own, where it may block, unless the spec says otherwise.
    pub fn output(&mut self, name: &str, output: impl Output) -> &mut OutputSpec {
        self.embedded().output(name, output)
    }

    fn embedded(&mut self) -> &mut ElementSpecs {
        let index = match self.parts.iter().position(|(plugin, _)| plugin == Self::EMBEDDED) {
            Some(index) => index,
            None => {
                self.parts
                    .push((Self::EMBEDDED.to_owned(), ElementSpecs::default()));
                self.parts.len() - 1
            }
        };
        &mut self.parts[index].1
    }

    /// Starts outputs, then transforms, then sources.
    ///
    /// # Errors
    /// When an element cannot be added; then nothing runs.
    pub fn start(mut self) -> Result<Pipeline, BuildError> {
        check_order(&self.transform_order, &self.parts)?;
        if self.transform_order.is_empty() {
            // Remembered, so that a plugin that is restarted gets its place again.
            self.transform_order = self.parts.iter().map(|(plugin, _)| plugin.clone()).collect();
        }
        if let Some(interval) = self.self_metrics {
            let source = SelfSource::new(&self.host.catalog, self.host.control.clone())
                .map_err(BuildError::SelfMetrics)?;
            let mut specs = ElementSpecs::default();
            specs.source("self", source).every(interval);
            self.parts.push((self_metrics::PLUGIN.to_owned(), specs));
        }
        let shared = Arc::new(Shared {
            origin: self.host.clock.now().monotonic,
            ledger: Mutex::default(),
            ingest: Queue::new(self.ingest_capacity),
            runtime: self.runtime,
            transform_order: self.transform_order,
            real_time_thread: self.real_time_thread,
            spool: self.host.spool.clone(),
            durable_by_default: self.durable_by_default,
            elements: Mutex::default(),
            poll_threads: Mutex::default(),
            router: Mutex::default(),
            phase: Mutex::new(Phase::Starting { ended: Vec::new() }),
            shutdown_requested: CancellationToken::new(),
            sources_ended: CancellationToken::new(),
            outputs_ended: CancellationToken::new(),
            catalog: self.host.catalog.clone(),
            clock: Arc::clone(&self.host.clock),
        });
        self.host.control.link(&shared);
        *shared.router.lock() = Some(Router::spawn(Arc::clone(&shared)).map_err(AddError::from)?);
        // From here on, dropping the pipeline stops what already runs.
        let pipeline = Pipeline::new(shared, self.host, self.plugins);
        let mut sources = Vec::new();
        let mut keys = Vec::new();
        for (plugin, mut specs) in self.parts {
            for key in add::check(&pipeline.shared, &plugin, &specs)? {
                // The sources of the parts before are not among the elements yet.
                if keys.contains(&key) {
                    return Err(AddError::Duplicate(key).into());
                }
                keys.push(key);
            }
            sources.extend(
                std::mem::take(&mut specs.sources)
                    .into_iter()
                    .map(|spec| (plugin.clone(), spec)),
            );
            add::add(&pipeline.shared, &plugin, specs)?;
        }
        add::add_sources(&pipeline.shared, sources)?;
        pipeline.shared.started();
        Ok(pipeline)
    }
}

/// An explicit order must name every plugin that has transforms, and no other.
fn check_order(order: &[String], parts: &[(String, ElementSpecs)]) -> Result<(), BuildError> {
    if order.is_empty() {
        return Ok(());
    }
    let active: Vec<&String> = parts
        .iter()
        .filter(|(_, specs)| !specs.transforms.is_empty())
        .map(|(plugin, _)| plugin)
        .collect();
    if let Some(named) = order.iter().find(|named| !active.contains(named)) {
        let active = active.into_iter().cloned().collect();
        return Err(BuildError::UnknownTransform {
            named: named.clone(),
            active,
        });
    }
    match active.into_iter().find(|plugin| !order.contains(plugin)) {
        Some(plugin) => Err(BuildError::UnorderedTransform(plugin.clone())),
        None => Ok(()),
    }
}

impl Default for PipelineBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder")
            .field("host", &self.host)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}
