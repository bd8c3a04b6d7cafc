//! Plugins: what adds sources, transforms and outputs to a pipeline.

mod descriptor;
mod fault;
mod finding;
mod host;
mod specs;
mod start;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::metric::MetricDoc;

pub use descriptor::{PluginConfig, PluginDescriptor, RunningPlugin};
pub use fault::{ConfigFault, Faults};
pub use finding::{Finding, Verdict};
pub use host::Host;
pub(crate) use specs::DeliveryPolicy;
pub use specs::{ElementSpecs, EventSourceSpec, OutputSpec, SourceSpec, TransformSpec};
pub use start::StartContext;

/// A unit of what Alumet can do, with an id, a configuration and elements of the pipeline.
///
/// ```
/// use alumet_core::plugin::{Plugin, StartContext, StartError};
/// use alumet_core::{Consumer, Failure, Resource, source::{Accumulator, Source}, series::Series, unit::Unit};
///
/// alumet_core::metrics! {
///     pub ANSWER = Gauge<u64> {
///         name: "answer", unit: Unit::ONE, description: "The answer.",
///         resources: ["local_machine"], consumers: ["local_machine"], attributes: [],
///     };
/// }
///
/// struct Answer { series: Series<u64> }
///
/// impl Source for Answer {
///     fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
///         out.push(&self.series, 42);
///         Ok(())
///     }
/// }
///
/// #[derive(Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// struct Config {}
///
/// struct AnswerPlugin;
///
/// impl Plugin for AnswerPlugin {
///     const ID: &'static str = "answer";
///     const SUMMARY: &'static str = "Knows the answer.";
///     type Config = Config;
///
///     fn metrics() -> Vec<alumet_core::metric::MetricDoc> { all() }
///
///     fn start(_: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
///         let metric = alumet.metric(&ANSWER)?;
///         let series = alumet.series(metric, Resource::LocalMachine, Consumer::LocalMachine).register();
///         alumet.source("deep-thought", Answer { series }).every(std::time::Duration::from_secs(1));
///         Ok(Self)
///     }
/// }
/// ```
pub trait Plugin: Send + Sized + 'static {
    /// The unique id: name of the folder, the cargo feature and the table `[plugins.<id>]`.
    const ID: &'static str;
    /// One sentence for people.
    const SUMMARY: &'static str;
    /// Old names of keys with the new ones, in dots: these still work, with a warning.
    const OLD_KEYS: &'static [(&'static str, &'static str)] = &[];
    /// What the table `[plugins.<id>]` holds. The docs of its fields are the manual.
    type Config: Default + Clone + Serialize + DeserializeOwned + schemars::JsonSchema + Send + Sync + 'static;

    /// The metrics that it can produce, for the catalogue.
    fn metrics() -> Vec<MetricDoc> {
        Vec::new()
    }

    /// Checks what types cannot express, without touching the machine.
    ///
    /// # Errors
    /// All keys that are wrong, each with why and what would be right.
    fn check(config: &Self::Config) -> Result<(), Faults> {
        let _ = config;
        Ok(())
    }

    /// Finds devices, registers metrics and series, and adds elements to the pipeline. What it finds out on the way about the
    /// machine it [notes](StartContext::note): in a trial, that is all there is to it.
    ///
    /// # Errors
    /// Why it cannot work on this machine, and how to mend it.
    fn start(config: Self::Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError>;

    /// Releases what dropping would not release; called after all elements have stopped.
    fn stop(&mut self) {}
}

/// Why a plugin cannot start, with what to do about it: what [`Plugin::start`] gives. Any error becomes one with `?`; a
/// text, or a box of an error, with [`StartError::new`].
///
/// It is no error itself, which is what makes that possible. Whoever embeds the core gets a [`PluginError`].
#[derive(Debug)]
pub struct StartError(Failure);

impl StartError {
    /// A plugin cannot start because of `error`.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Failure::retry(error))
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for StartError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Why a plugin cannot be added, for programs that embed the core: an error like any other.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PluginError(StartError);

impl From<StartError> for PluginError {
    fn from(error: StartError) -> Self {
        Self(error)
    }
}
