use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::events::ConsumerEvents;
use crate::failure::Failure;
use crate::output::{Delivering, Delivery, Output, Receipt, RecordedSample};
use crate::pipeline::Control;
use crate::plugin::{ElementSpecs, Host, Plugin, StartContext, StartError, TransformSpec};
use crate::services::Services;
use crate::source::{Accumulator, Schedule, Tick};
use crate::time::{Monotonic, SystemClock};
use crate::transform::{Transform, TransformContext};

use super::ManualClock;

/// A plugin on the work bench: started on a folder of choice, polled by hand.
///
/// ```no_run
/// # use alumet_core::testkit::{Bench, FakeRoot};
/// # fn example<P: alumet_core::plugin::Plugin>(config: P::Config) {
/// let root = FakeRoot::copy_of("tests/fixtures/laptop");
/// let mut bench = Bench::start::<P>(config, root.path()).unwrap();
/// bench.poll("kernel").unwrap();
/// bench.advance(std::time::Duration::from_secs(1));
/// for sample in bench.poll("kernel").unwrap() {
///     println!("{sample}");
/// }
/// # }
/// ```
pub struct Bench {
    host: Host,
    manual: Option<ManualClock>,
    elements: ElementSpecs,
    /// For outputs that work in a task.
    runtime: LazyLock<Runtime>,
    _plugin: Box<dyn Send>,
}

impl Bench {
    /// Starts the plugin `P` on `root`, on a clock moved by hand.
    ///
    /// # Errors
    /// When the plugin cannot start.
    pub fn start<P: Plugin>(config: P::Config, root: impl AsRef<Path>) -> Result<Self, StartError> {
        let clock = ManualClock::new();
        let host = Host::new(Arc::new(clock.clone()), root.as_ref());
        Self::start_on::<P>(config, host, Some(clock))
    }

    /// Starts the plugin `P` on `root`, on the clock of the system.
    ///
    /// # Errors
    /// When the plugin cannot start.
    pub fn start_in_real_time<P: Plugin>(
        config: P::Config,
        root: impl AsRef<Path>,
    ) -> Result<Self, StartError> {
        Self::start_on::<P>(config, Host::new(Arc::new(SystemClock), root.as_ref()), None)
    }

    pub(super) fn start_on<P: Plugin>(
        config: P::Config,
        host: Host,
        manual: Option<ManualClock>,
    ) -> Result<Self, StartError> {
        P::check(&config)?;
        let mut context = StartContext::new(&host);
        let plugin = P::start(config, &mut context)?;
        let elements = context.take_specs();
        let wait = elements.transforms.iter().any(|spec| spec.transform.waits());
        host.catalog.note_gone(wait);
        Ok(Self {
            host,
            manual,
            elements,
            runtime: LazyLock::new(|| {
                let mut builder = tokio::runtime::Builder::new_current_thread();
                builder.enable_all().build().expect("a runtime")
            }),
            _plugin: Box::new(plugin),
        })
    }

    /// The names of the sources, in the order in which the plugin added them.
    pub fn sources(&self) -> Vec<&str> {
        let sources = self.elements.sources.iter();
        sources.map(|spec| spec.name.as_str()).collect()
    }

    /// When the source `name` would be polled by a pipeline.
    ///
    /// # Panics
    /// When there is no such source.
    pub fn schedule(&self, name: &str) -> Schedule {
        self.elements.sources[self.index(name)].schedule
    }

    /// Polls the source `name` now.
    ///
    /// # Errors
    /// The failure of the source.
    ///
    /// # Panics
    /// When there is no such source.
    pub fn poll(&mut self, name: &str) -> Result<Vec<RecordedSample>, Failure> {
        let batch = self.poll_batch(name)?;
        Ok(RecordedSample::of_batch(&batch))
    }

    /// Polls the source `name` now, without describing the samples: for measurements of cost.
    ///
    /// # Errors
    /// The failure of the source.
    ///
    /// # Panics
    /// When there is no such source.
    pub fn poll_batch(&mut self, name: &str) -> Result<Batch, Failure> {
        let now = self.host.clock.now();
        let tick = Tick {
            timestamp: now.wall,
            monotonic: now.monotonic,
            missed: 0,
        };
        let mut batch = self.host.catalog.batch();
        let mut out = Accumulator::new(&mut batch, tick, &*self.host.clock);
        let index = self.index(name);
        self.elements.sources[index].source.poll(&mut out)?;
        Ok(batch)
    }

    /// Resets the source `name`, as the pipeline does after a pause or a panic.
    ///
    /// # Panics
    /// When there is no such source.
    pub fn reset(&mut self, name: &str) {
        let index = self.index(name);
        self.elements.sources[index].source.reset();
    }

    fn index(&self, name: &str) -> usize {
        let known = self.sources();
        let index = known.iter().position(|known| *known == name);
        index.unwrap_or_else(|| panic!("no source `{name}`; there are {known:?}"))
    }

    /// Applies all transforms to `batch`, in order, and tells those that wait which series are gone.
    ///
    /// # Errors
    /// The failure of a transform.
    pub fn transform(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let gone = self.host.catalog.take_gone();
        let context = self.host.transform_context();
        for TransformSpec { transform, .. } in &mut self.elements.transforms {
            if transform.waits() {
                gone.iter().for_each(|series| transform.retired(*series));
            }
        }
        let mut transforms = self.elements.transforms.iter_mut();
        transforms.try_for_each(|spec| spec.transform.apply(batch, &context))
    }

    /// When the first of the transforms wants to be called.
    pub fn wake_at(&self) -> Option<Monotonic> {
        let transforms = self.elements.transforms.iter();
        transforms.filter_map(|spec| spec.transform.wake_at()).min()
    }

    /// What the transforms emit whose time has come, in order; each takes what those before it emit.
    ///
    /// # Errors
    /// The failure of a transform.
    pub fn tick(&mut self) -> Result<Vec<RecordedSample>, Failure> {
        let now = self.host.clock.now().monotonic;
        self.emitted(|transform, batch, context| match transform.wake_at() {
            Some(at) if at <= now => transform.tick(batch, context),
            _ => Ok(()),
        })
    }

    /// What the transforms still hold, in order; each takes what those before it emit.
    ///
    /// # Errors
    /// The failure of a transform.
    pub fn finish(&mut self) -> Result<Vec<RecordedSample>, Failure> {
        self.emitted(|transform, batch, context| transform.finish(batch, context))
    }

    fn emitted(
        &mut self,
        emit: impl Fn(&mut dyn Transform, &mut Batch, &TransformContext<'_>) -> Result<(), Failure>,
    ) -> Result<Vec<RecordedSample>, Failure> {
        let context = self.host.transform_context();
        let mut samples = Vec::new();
        let transforms = &mut self.elements.transforms;
        for index in 0..transforms.len() {
            let mut batch = self.host.catalog.batch();
            emit(&mut *transforms[index].transform, &mut batch, &context)?;
            for later in &mut transforms[index + 1..] {
                later.transform.apply(&mut batch, &context)?;
            }
            samples.append(&mut RecordedSample::of_batch(&batch));
        }
        Ok(samples)
    }

    /// Resets all transforms, as the pipeline does after a panic.
    pub fn reset_transforms(&mut self) {
        for spec in &mut self.elements.transforms {
            spec.transform.reset();
        }
    }

    /// Whether the output at `index` takes encoded records, and no samples.
    pub(super) fn takes_records(&self, index: usize) -> bool {
        self.elements.outputs[index].policy.encoded
    }

    /// How many outputs there are.
    pub fn outputs(&self) -> usize {
        self.elements.outputs.len()
    }

    /// Gives a batch to the output at `index`, in the order in which the plugin added them, and waits until it is
    /// delivered.
    ///
    /// # Errors
    /// The failure of the output.
    ///
    /// # Panics
    /// When there is no such output.
    pub fn deliver(&mut self, index: usize, batch: Batch) -> Result<Receipt, Failure> {
        let delivery = Delivery::of(batch, self.host.clock.now());
        let output = &mut self.elements.outputs[index].output;
        self.runtime.block_on(async {
            match output.deliver(&delivery)? {
                Delivering::Done(receipt) => Ok(receipt),
                Delivering::UnderWay(future) => future.await,
            }
        })
    }

    /// The output at `index`, for what is not a delivery.
    ///
    /// # Panics
    /// When there is no such output.
    pub fn output(&mut self, index: usize) -> &mut dyn Output {
        &mut *self.elements.outputs[index].output
    }

    /// Lets time pass.
    ///
    /// # Panics
    /// When the bench was started in real time.
    pub fn advance(&self, duration: Duration) {
        self.clock().advance(duration);
    }

    /// The clock moved by hand.
    ///
    /// # Panics
    /// When the bench was started in real time.
    pub fn clock(&self) -> &ManualClock {
        self.manual.as_ref().expect("a bench on a clock moved by hand")
    }

    /// All metrics and series.
    pub const fn catalog(&self) -> &Catalog {
        &self.host.catalog
    }

    /// What would steer a pipeline; it can be asked to explain numbers.
    pub const fn control(&self) -> &Control {
        &self.host.control
    }

    /// What plugins share with others.
    pub const fn services(&self) -> &Services {
        &self.host.services
    }

    /// The bus of consumer events.
    pub const fn events(&self) -> &ConsumerEvents {
        &self.host.events
    }
}

impl Host {
    fn transform_context(&self) -> TransformContext<'_> {
        TransformContext {
            catalog: &self.catalog,
            now: self.clock.now(),
        }
    }
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bench({:?})", self.sources())
    }
}
