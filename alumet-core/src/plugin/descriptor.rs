use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tracing::field::{Empty, display};

use crate::metric::MetricDoc;
use crate::output::Keeps;
use crate::series::SeriesInfo;
use crate::span;

use super::{ConfigFault, Faults, Plugin, StartContext, StartError};

/// A plugin as data: what an application needs to list, configure and start it without knowing its type.
#[derive(Clone, Copy)]
pub struct PluginDescriptor {
    /// The unique id.
    pub id: &'static str,
    /// One sentence for people.
    pub summary: &'static str,
    /// Old names of keys with the new ones.
    pub old_keys: &'static [(&'static str, &'static str)],
    metrics: fn() -> Vec<MetricDoc>,
    default_config: fn() -> Result<toml::Table, toml::ser::Error>,
    schema: fn() -> schemars::Schema,
    parse: fn(&mut dyn erased_serde::Deserializer<'_>) -> Result<PluginConfig, erased_serde::Error>,
    check: fn(&PluginConfig) -> Result<(), Faults>,
    start: StartFn,
}

type StartFn = fn(&PluginConfig, &mut StartContext<'_>) -> Result<Box<dyn RunningPlugin>, StartError>;

/// The configuration of some plugin, parsed into the type that the plugin wants.
pub struct PluginConfig {
    value: Box<dyn Any + Send + Sync>,
    plugin: &'static str,
    output_filter: Option<Keeps>,
    unchanged_interval: Option<Duration>,
}

impl fmt::Debug for PluginConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginConfig({})", self.plugin)
    }
}

/// A plugin that has started.
pub trait RunningPlugin: Send {
    /// Releases what dropping would not release.
    fn stop(&mut self);
}

impl<P: Plugin> RunningPlugin for P {
    fn stop(&mut self) {
        Plugin::stop(self);
    }
}

impl PluginDescriptor {
    /// Describes `P`.
    pub const fn of<P: Plugin>() -> Self {
        Self {
            id: P::ID,
            summary: P::SUMMARY,
            old_keys: P::OLD_KEYS,
            metrics: P::metrics,
            default_config: || toml::Table::try_from(P::Config::default()),
            schema: || schemars::schema_for!(P::Config),
            parse: |deserializer| {
                let config: P::Config = erased_serde::deserialize(deserializer)?;
                Ok(PluginConfig {
                    value: Box::new(config),
                    plugin: P::ID,
                    output_filter: None,
                    unchanged_interval: None,
                })
            },
            check: |config| P::check(config.get::<P>()?),
            start: |config, context| {
                let config = config.get::<P>().map_err(StartError::from)?;
                Ok(Box::new(P::start(config.clone(), context)?))
            },
        }
    }

    /// The metrics that the plugin can produce.
    pub fn metrics(&self) -> Vec<MetricDoc> {
        (self.metrics)()
    }

    /// The default configuration.
    ///
    /// # Errors
    /// When the configuration type of the plugin has something that TOML cannot express; its contract test finds that.
    pub fn default_config(&self) -> Result<toml::Table, toml::ser::Error> {
        (self.default_config)()
    }

    /// The JSON schema of the configuration.
    pub fn schema(&self) -> schemars::Schema {
        (self.schema)()
    }

    /// Parses a configuration.
    ///
    /// # Errors
    /// When a value has a wrong type. Whoever calls wraps the deserializer to learn where.
    pub fn parse(
        &self,
        deserializer: &mut dyn erased_serde::Deserializer<'_>,
    ) -> Result<PluginConfig, erased_serde::Error> {
        (self.parse)(deserializer)
    }

    /// Checks what types cannot express, without touching the machine.
    ///
    /// # Errors
    /// All keys that are wrong.
    pub fn check(&self, config: &PluginConfig) -> Result<(), Faults> {
        (self.check)(config)
    }

    /// Starts the plugin: its elements are in `context` then.
    ///
    /// # Errors
    /// Why it cannot work.
    pub fn start(
        &self,
        config: &PluginConfig,
        context: &mut StartContext<'_>,
    ) -> Result<Box<dyn RunningPlugin>, StartError> {
        let span = tracing::debug_span!(
            target: span::TARGET, "start plugin", plugin = self.id, otel.status_description = Empty
        );
        let started = (self.start)(config, context).and_then(|mut running| match config.restrict(context) {
            Ok(()) => Ok(running),
            Err(reason) => {
                drop(context.take_specs());
                running.stop();
                Err(StartError::new(reason))
            }
        });
        started.inspect_err(|error| {
            span.record("otel.status_description", display(error));
        })
    }
}

impl PluginConfig {
    /// Lets the outputs of the plugin have only the samples of series for which `keeps` says so.
    pub fn filter_outputs(&mut self, keeps: impl Fn(&SeriesInfo) -> bool + Send + Sync + 'static) {
        self.output_filter = Some(Arc::new(keeps));
    }

    /// Lets the outputs of the plugin have what does not change only once in this time; see
    /// [`OutputSpec::unchanged_every`](super::OutputSpec::unchanged_every).
    pub const fn thin_outputs(&mut self, unchanged: Duration) {
        self.unchanged_interval = Some(unchanged);
    }

    /// Restricts what the outputs of a plugin that has started get.
    fn restrict(&self, context: &mut StartContext<'_>) -> Result<(), &'static str> {
        // Some plugins add nothing when they are only tried.
        if context.is_trial() {
            return Ok(());
        }
        if let Some(keeps) = &self.output_filter {
            context.filter_outputs(keeps)?;
        }
        self.unchanged_interval
            .map_or(Ok(()), |interval| context.thin_outputs(interval))
    }

    fn get<P: Plugin>(&self) -> Result<&P::Config, ConfigFault> {
        self.value.downcast_ref().ok_or_else(|| ConfigFault {
            key: Vec::new(),
            message: format!("this is a configuration of `{}`, not of `{}`", self.plugin, P::ID),
        })
    }
}

/// The id.
impl fmt::Debug for PluginDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginDescriptor({})", self.id)
    }
}
