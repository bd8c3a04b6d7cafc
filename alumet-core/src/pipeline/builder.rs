//! Building a pipeline.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, IncompatibleMetric};
use crate::events::ConsumerEvents;
use crate::instruments::Instruments;
use crate::output::{Keeps, Output};
use crate::plugin::{
    ElementSpecs, Host, OutputSpec, Plugin, PluginConfig, PluginDescriptor, PluginError, RunningPlugin,
    SourceSpec, StartContext, StartError, TransformSpec,
};
use crate::series::SeriesInfo;
use crate::services::Services;
use crate::source::{EventSource, Source};
use crate::spool::SpoolSlot;
use crate::state::StateStore;
use crate::time::{Clock, SystemClock};
use crate::transform::Transform;

use super::Pipeline;
use super::add::{self, AddError};
use super::control::Control;
use super::element::{ElementKey, ElementKind};
use super::queue::Queue;
use super::router::Router;
use super::runtime::RuntimeSlot;
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
    self_metrics: Option<Duration>,
    output_filter: Option<Keeps>,
    /// Elements with the ids of their plugins, in the order of adding.
    parts: Vec<(&'static str, ElementSpecs)>,
    plugins: Vec<(&'static str, Box<dyn RunningPlugin>)>,
}

/// Why a pipeline cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An element cannot be added.
    #[error(transparent)]
    Add(#[from] AddError),
    /// The explicit order of transforms does not fit those that are there.
    #[error("the order of transforms {0}")]
    TransformOrder(String),
    /// Transforms must follow each other in a circle.
    #[error("the transforms of these plugins must follow each other in a circle: {}; leave one of them out", .0.join(", "))]
    CircularOrder(Vec<String>),
    /// A metric of the pipeline itself is taken by something else.
    #[error("the pipeline cannot measure itself")]
    SelfMetrics(#[source] IncompatibleMetric),
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
            output_filter: None,
            parts: Vec::new(),
            plugins: Vec::new(),
        }
    }

    /// Runs asynchronous elements in this runtime, which needs a timer. Without it and outside of any runtime, they get a
    /// small one of their own when there are any.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Keeps the state of plugins in this folder, so that it outlives the program.
    pub fn state_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.host.state = StateStore::in_folder(folder);
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
    pub const fn self_metrics(mut self, interval: Duration) -> Self {
        self.self_metrics = Some(interval);
        self
    }

    /// Lets the outputs of plugins have only the series for which `keeps` says so when their first sample comes. An output
    /// that hands on what is in the spool gets all of it.
    pub fn filter_outputs(mut self, keeps: impl Fn(&SeriesInfo) -> bool + Send + Sync + 'static) -> Self {
        self.output_filter = Some(Arc::new(keeps));
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

    /// The clock of the pipeline.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.host.clock)
    }

    /// What several plugins share.
    pub const fn services(&self) -> &Services {
        &self.host.services
    }

    /// What steers the pipeline once it runs.
    pub const fn control(&self) -> &Control {
        &self.host.control
    }

    /// Adds a plugin of known type.
    ///
    /// # Errors
    /// When the plugin cannot start; then nothing of it is added.
    pub fn plugin<P: Plugin>(&mut self, config: P::Config) -> Result<&mut Self, PluginError> {
        self.add_plugin(P::ID, |context| {
            P::check(&config)?;
            Ok(Box::new(P::start(config, context)?))
        })
    }

    /// Adds a plugin that is known as data only.
    ///
    /// # Errors
    /// When the plugin cannot start; then nothing of it is added.
    pub fn described_plugin(
        &mut self,
        descriptor: &PluginDescriptor,
        config: &PluginConfig,
    ) -> Result<&mut Self, PluginError> {
        self.add_plugin(descriptor.id, |context| descriptor.start(config, context))
    }

    fn add_plugin(
        &mut self,
        id: &'static str,
        start: impl FnOnce(&mut StartContext<'_>) -> Result<Box<dyn RunningPlugin>, StartError>,
    ) -> Result<&mut Self, PluginError> {
        let mut context = StartContext::new(&self.host);
        let plugin = start(&mut context)?;
        let specs = context.take_specs();
        self.parts.push((id, specs));
        self.plugins.push((id, plugin));
        Ok(self)
    }

    /// Adds a source, polled once per second unless the spec says otherwise.
    pub fn source(&mut self, name: &str, source: impl Source) -> &mut SourceSpec {
        self.embedded().source(name, source)
    }

    /// Counters, gauges and histograms that are read every `interval`, by the source `instruments`. Called once; what it gives is
    /// cheap to clone.
    pub fn instruments(&mut self, interval: Duration) -> Instruments {
        let instruments = Instruments::new(self.catalog().clone(), self.clock());
        self.source("instruments", instruments.clone()).every(interval);
        instruments
    }

    /// Adds a source that is driven by events.
    pub fn event_source(&mut self, name: &str, source: impl EventSource) {
        self.embedded().event_source(name, source);
    }

    /// Adds a transform.
    pub fn transform(&mut self, name: &str, transform: impl Transform) -> &mut TransformSpec {
        self.embedded().transform(name, transform)
    }

    /// Adds an output. It runs in a thread of its own, where it may block, unless the spec says otherwise.
    pub fn output(&mut self, name: &str, output: impl Output) -> &mut OutputSpec {
        self.embedded().output(name, output)
    }

    fn embedded(&mut self) -> &mut ElementSpecs {
        if self.parts.last().is_none_or(|(id, _)| *id != Self::EMBEDDED) {
            self.parts.push((Self::EMBEDDED, ElementSpecs::default()));
        }
        let last = self.parts.len() - 1;
        &mut self.parts[last].1
    }

    /// Starts outputs, then transforms, then sources.
    ///
    /// # Errors
    /// When an element cannot be added; then nothing runs.
    pub fn start(mut self) -> Result<Pipeline, BuildError> {
        // Remembered, so that a plugin that is restarted gets its place again.
        let transform_order = order_of(&self.transform_order, &self.parts)?;
        if let Some(interval) = self.self_metrics {
            let source = SelfSource::new(&self.host.catalog, self.host.control.clone())
                .map_err(BuildError::SelfMetrics)?;
            let mut specs = ElementSpecs::default();
            specs
                .source("self", source)
                .every(interval)
                .finest(Duration::from_secs(1));
            self.parts.push((self_metrics::PLUGIN, specs));
        }
        if let Some(keeps) = &self.output_filter {
            let of_plugins = self.parts.iter_mut().filter(|(id, _)| *id != Self::EMBEDDED);
            of_plugins.for_each(|(_, specs)| specs.filter_more(keeps));
        }
        let shared = Arc::new(Shared {
            origin: self.host.clock.now().monotonic,
            ledger: Mutex::default(),
            wall_clock: Mutex::default(),
            ingest: Queue::new(self.ingest_capacity),
            runtime: RuntimeSlot::new(self.runtime),
            transform_order,
            waiting_transforms: AtomicUsize::new(0),
            real_time_thread: self.real_time_thread,
            spool: self.host.spool.clone(),
            durable_by_default: self.durable_by_default,
            elements: Mutex::default(),
            leaving: Mutex::default(),
            poll_threads: Mutex::default(),
            router: Mutex::default(),
            phase: Mutex::new(Phase::Starting),
            exchange: Mutex::default(),
            shutdown_requested: CancellationToken::new(),
            sources_ended: CancellationToken::new(),
            outputs_ended: CancellationToken::new(),
            catalog: self.host.catalog.clone(),
            clock: Arc::clone(&self.host.clock),
        });
        shared.begin_exchange();
        self.host.control.link(&shared);
        *shared.router.lock() = Some(Router::spawn(Arc::clone(&shared)).map_err(AddError::from)?);
        // From here on, dropping the pipeline stops what already runs.
        let pipeline = Pipeline {
            shared,
            host: self.host,
            plugins: Mutex::new(self.plugins),
            measuring: Mutex::default(),
        };
        // What a source sends at once must find the outputs of every part: all sources come last.
        let mut sources = Vec::new();
        let mut event_sources = Vec::new();
        let mut keys = Vec::new();
        for (plugin, mut specs) in self.parts {
            for key in add::check(&pipeline.shared, plugin, &specs)? {
                // The sources of the parts before are not among the elements yet.
                if keys.contains(&key) {
                    return Err(AddError::Duplicate(key).into());
                }
                keys.push(key);
            }
            let polled = std::mem::take(&mut specs.sources);
            sources.extend(polled.into_iter().map(|spec| (plugin, spec)));
            let by_events = std::mem::take(&mut specs.event_sources);
            event_sources.extend(by_events.into_iter().map(|spec| (plugin, spec)));
            add::add(&pipeline.shared, plugin, specs)?;
        }
        for (plugin, spec) in event_sources {
            add::add_event_source(&pipeline.shared, plugin, spec)?;
        }
        add::add_sources(&pipeline.shared, sources)?;
        pipeline.shared.started();
        Ok(pipeline)
    }
}

/// The order in which transforms run: as configured, or as they were added but each after those that it must follow.
fn order_of(configured: &[String], parts: &[(&str, ElementSpecs)]) -> Result<Vec<ElementKey>, BuildError> {
    let mut left = Vec::new();
    for (plugin, specs) in parts {
        let key = |spec: &TransformSpec| ElementKey::new(ElementKind::Transform, plugin, &spec.name);
        let transforms = specs.transforms.iter();
        left.extend(transforms.map(|spec| (key(spec), spec.after.clone())));
    }
    if !configured.is_empty() {
        let mut active: Vec<&str> = Vec::new();
        for (key, _) in &left {
            if !active.contains(&key.plugin.as_str()) {
                active.push(&key.plugin);
            }
        }
        check_order(configured, &active).map_err(BuildError::TransformOrder)?;
    }
    left.sort_by_key(|(key, _)| configured.iter().position(|plugin| *plugin == key.plugin));
    let mut order = Vec::new();
    while !left.is_empty() {
        // The plugin of a transform that is still to come and that this one must follow.
        let follows = |(key, after): &(ElementKey, Vec<String>)| {
            let others = left.iter().map(|(other, _)| &other.plugin);
            others
                .into_iter()
                .find(|&other| *other != key.plugin && after.contains(other))
        };
        match left.iter().position(|transform| follows(transform).is_none()) {
            Some(next) if next == 0 || configured.is_empty() => order.push(left.remove(next).0),
            Some(_) => {
                let (plugin, first) = (&left[0].0.plugin, follows(&left[0]));
                return Err(BuildError::TransformOrder(format!(
                    "names `{plugin}` before `{}`, which it must follow; swap them, or leave the order out",
                    first.map_or("", String::as_str)
                )));
            }
            None => {
                let mut circle = vec![&left[0].0.plugin];
                while let Some(next) = left
                    .iter()
                    .find(|(key, _)| Some(&&key.plugin) == circle.last())
                    .and_then(follows)
                {
                    if let Some(first) = circle.iter().position(|plugin| *plugin == next) {
                        circle.drain(..first);
                        break;
                    }
                    circle.push(next);
                }
                return Err(BuildError::CircularOrder(circle.into_iter().cloned().collect()));
            }
        }
    }
    Ok(order)
}

/// An explicit order must name every plugin that has transforms, and no other; the error says which does not fit.
fn check_order(order: &[String], active: &[&str]) -> Result<(), String> {
    if let Some(named) = order.iter().find(|named| !active.contains(&named.as_str())) {
        return Err(if active.is_empty() {
            format!("names `{named}`, but no plugin has a transform; remove it")
        } else {
            format!("names `{named}`, but the transforms are: {}", active.join(", "))
        });
    }
    match active
        .iter()
        .find(|plugin| !order.iter().any(|named| named == *plugin))
    {
        Some(plugin) => Err(format!(
            "does not name `{plugin}`; add it, or leave the order out"
        )),
        None => Ok(()),
    }
}

impl Default for PipelineBuilder {
    fn default() -> Self {
        Self::new()
    }
}
