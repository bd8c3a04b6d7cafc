//! The keys of the configuration that are not those of a plugin.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::PipelineBuilder;
use alumet_core::plugin::Faults;
use alumet_core::size::ByteSize;
use alumet_shared_metric_names::FilterConfig;
use alumet_shared_spool::SpoolConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cli::{Global, LogFormat};
use crate::logging;
use crate::telemetry::TelemetrySettings;

/// The configuration outside of `[plugins]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Settings {
    /// The folder in which `proc` and `sys` are found; another one than `/` in a container that has those of the host
    /// mounted elsewhere.
    pub(crate) system_root: PathBuf,
    /// The folder in which plugins keep what they have learnt, one small file each. Without it, they learn anew at each
    /// start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/var/lib/alumet/state"]))]
    pub(crate) state_dir: Option<PathBuf>,
    /// Kept for old files; has no effect, because commands take effect at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_update_interval: Option<HumanDuration>,
    /// The log, which goes to the standard error.
    pub(crate) log: LogSettings,
    /// How samples travel from sources to outputs.
    pub(crate) pipeline: PipelineSettings,
    /// Where samples wait that must not get lost.
    pub(crate) spool: SpoolSettings,
    /// The agent's own health over HTTP.
    pub(crate) health: HealthSettings,
    /// Where the program sends traces and metrics of its own, by OTLP; not what it measures, which is for outputs. Left out:
    /// nowhere. No variable `OTEL_…` of the environment has a say in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) telemetry: Option<TelemetrySettings>,
    /// One table per plugin, which is read with the schema of the plugin.
    #[serde(skip_serializing)]
    #[schemars(extend("writeOnly" = false))]
    pub(crate) plugins: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

/// The table `[log]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct LogSettings {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,alumet_core=debug`. With a
    /// level alone, libraries for networks say no more than warnings. The environment variable `RUST_LOG` goes first.
    /// Default: `info`. Of lines that come from one place in the program more than 20 times in a minute, the others are
    /// only counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["info"]))]
    pub(crate) level: Option<String>,
    /// How it is written.
    pub(crate) format: LogFormat,
}

/// The table `[pipeline]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct PipelineSettings {
    /// The order in which transforms run, by plugin id. Empty: the order of the plugin tables in the file.
    pub(crate) transforms: Vec<String>,
    /// How many samples may wait between sources and transforms; when there are more, sources wait and miss ticks, which
    /// is counted.
    pub(crate) ingest_capacity: usize,
    /// How often the agent measures itself (metrics `alumet_…`); `"0s"` switches that off.
    pub(crate) self_metrics: HumanDuration,
    /// How long outputs may take to write what they have when the agent stops. What is left then is dropped and
    /// counted.
    pub(crate) shutdown_timeout: HumanDuration,
}

/// The table `[spool]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct SpoolSettings {
    /// The file; its folder is created when it is missing. Left out: a file named after the program, in the folder that
    /// systemd gives it (`StateDirectory=`) or else in the working directory. It is made when a durable output needs it,
    /// with the mode 0600.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/var/lib/alumet/spool.db"]))]
    pub(crate) path: Option<PathBuf>,
    /// `false` keeps what waits in memory only: it outlives an outage of a server, but not the program.
    pub(crate) on_disk: bool,
    /// Whether outputs are durable that do not say so themselves: what they get is on disk first, and waits there until
    /// it is written. Left out: `false` for an agent, `true` for a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [true]))]
    pub(crate) durable: Option<bool>,
    /// How much may wait on disk. Beyond it, the oldest is dropped and counted.
    pub(crate) max_size: ByteSize,
    /// How long something may wait. What is older is dropped and counted.
    pub(crate) max_age: HumanDuration,
    /// How much is kept in memory besides: what is not on disk yet, and in a quarter of it the newest. While the disk fails, this is
    /// all there is.
    pub(crate) memory: ByteSize,
}

/// The table `[health]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct HealthSettings {
    /// Address and port for `/livez`, `/readyz` and `/metrics`, such as `"127.0.0.1:9100"`. Left out: no endpoint.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "address")]
    #[schemars(extend("examples" = ["127.0.0.1:9100"]))]
    pub(crate) address: Option<SocketAddr>,
}

/// Reads an address with a port, and says how to write one if it is none.
fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|_| {
        serde::de::Error::custom(format!(
            "{text:?} is no address with a port; write for example \"127.0.0.1:9100\", or \"0.0.0.0:9100\" for all \
             networks"
        ))
    })
}

/// What happens when a plugin cannot start: the key `on_error` of every plugin table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnError {
    /// The agent ends with an error.
    #[default]
    Fail,
    /// The agent goes on without the plugin and says so in its log and health.
    Disable,
    /// The agent goes on, is not ready, and tries again after pauses of up to a minute. If it has not started by the
    /// end, the agent ends with an error.
    Retry,
}

/// The keys that every plugin table has besides those of the plugin.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct PluginSettings {
    /// `false` switches the plugin off without removing its table.
    pub(crate) enabled: bool,
    /// What happens when the plugin cannot start.
    pub(crate) on_error: OnError,
    /// Which series the outputs of the plugin get, with the keys `include` and `exclude` as in `[plugins.filter]`. Left out: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub(crate) series: Option<FilterConfig>,
    /// How often the outputs of the plugin get what does not change: of a gauge or counter the same value again, of a delta another
    /// 0. The last of what was left out comes before the next change, so that a value stands until the next sample of its series. A
    /// durable output gets everything. Left out: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["1m"]))]
    pub(crate) unchanged_interval: Option<HumanDuration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            system_root: PathBuf::from("/"),
            state_dir: None,
            max_update_interval: None,
            log: LogSettings::default(),
            pipeline: PipelineSettings::default(),
            spool: SpoolSettings::default(),
            health: HealthSettings::default(),
            telemetry: None,
            plugins: BTreeMap::new(),
        }
    }
}

impl Default for PipelineSettings {
    fn default() -> Self {
        Self {
            transforms: Vec::new(),
            ingest_capacity: PipelineBuilder::INGEST_CAPACITY,
            self_metrics: HumanDuration::from_secs(10),
            shutdown_timeout: HumanDuration::from_secs(20),
        }
    }
}

impl Default for SpoolSettings {
    fn default() -> Self {
        let SpoolConfig {
            max_bytes,
            max_age,
            memory_bytes,
            ..
        } = SpoolConfig::default();
        Self {
            path: None,
            on_disk: true,
            durable: None,
            max_size: ByteSize(max_bytes),
            max_age: HumanDuration(max_age),
            memory: ByteSize(memory_bytes as u64),
        }
    }
}

impl Settings {
    /// Refuses what types cannot, and a root without a machine below it.
    ///
    /// # Errors
    /// The keys that cannot work, and what would.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if !self.system_root.join("proc").is_dir() {
            let root = self.system_root.display();
            let message = format!(
                "there is no folder `proc` in {root}; name the folder in which that of the machine is mounted"
            );
            faults.add("system_root", message);
        }
        if let Some(Err(message)) = self.log.level.as_deref().map(logging::filter) {
            faults.add("log.level", message);
        }
        let least = SpoolSettings::LEAST_MEMORY;
        for (key, size, why) in [
            ("spool.max_size", self.spool.max_size, "nothing could wait"),
            ("spool.memory", self.spool.memory, "a batch must fit"),
        ] {
            if size < least {
                faults.add(key, format!("{why}; write at least \"{least}\""));
            }
        }
        if self.spool.max_age.is_zero() {
            faults.add(
                "spool.max_age",
                "nothing could wait; write for example \"30days\"",
            );
        }
        if !self.pipeline.self_metrics.is_zero() {
            faults.refuse_polls("pipeline.self_metrics", *self.pipeline.self_metrics);
        }
        if let Some(telemetry) = &self.telemetry {
            telemetry.check(&mut faults);
        }
        faults.or_ok()
    }
}

impl LogSettings {
    /// Whether its lines are JSON, for all that the command line says.
    pub(crate) fn is_json(&self, global: &Global) -> bool {
        global.log_format.unwrap_or(self.format) == LogFormat::Json
    }
}

impl SpoolSettings {
    /// With less memory, a single batch might not fit.
    const LEAST_MEMORY: ByteSize = ByteSize(1 << 20);

    /// Where and how the program of that name keeps what waits.
    pub(crate) fn config(&self, program: &str, root: &Path) -> SpoolConfig {
        let file = || {
            let folder = std::env::var_os("STATE_DIRECTORY").unwrap_or_default();
            // systemd separates several folders with colons.
            let folder = std::env::split_paths(&folder).next().unwrap_or_default();
            folder.join(format!("{program}-spool.db"))
        };
        SpoolConfig {
            path: self.on_disk.then(|| self.path.clone().unwrap_or_else(file)),
            max_bytes: self.max_size.0,
            max_age: *self.max_age,
            memory_bytes: usize::try_from(self.memory.0).unwrap_or(usize::MAX),
            root: root.to_owned(),
            ..SpoolConfig::default()
        }
    }
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            on_error: OnError::Fail,
            series: None,
            unchanged_interval: None,
        }
    }
}
