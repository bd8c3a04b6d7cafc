//! What the table `[plugins.nvml]` holds.

use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::device::GpmMetric;

/// How often GPUs are asked, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two samples. The driver brings most values up to date every 20 to 1000 milliseconds.
    pub poll_interval: HumanDuration,
    /// Time between two hand-overs of samples to the outputs.
    pub flush_interval: HumanDuration,
    /// Whether a GPU that fails is left out until it works again, which is told in the log. Otherwise the plugin does not start
    /// while one fails, and a source whose GPU fails later is unhealthy.
    pub skip_failed_devices: bool,
    /// What is measured.
    pub mode: Mode,
    /// What is measured with the performance monitor of the GPU (from Hopper on), of each GPU, or of each partition of one that is
    /// partitioned.
    pub gpm_metrics: Vec<GpmMetric>,
    /// Whether what `dcgm-exporter` shows by default is there under its names and in its units, too, for dashboards that were made
    /// for it.
    pub dcgm_metrics: bool,
    /// The library of the driver. Left out: `libnvidia-ml.so.1`, where the system finds it, or where container platforms put it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/usr/local/nvidia/lib64/libnvidia-ml.so.1"]))]
    pub library: Option<PathBuf>,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// All that the GPU offers.
    #[default]
    Full,
    /// Energy and power, with one call to the driver.
    Minimal,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(1),
            flush_interval: HumanDuration::from_secs(5),
            skip_failed_devices: true,
            mode: Mode::Full,
            gpm_metrics: Vec::new(),
            dcgm_metrics: false,
            library: None,
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        faults.refuse_polls("poll_interval", *self.poll_interval);
        faults.refuse_zero("flush_interval", *self.flush_interval);
        if self.mode == Mode::Minimal {
            let message = "`mode = \"minimal\"` measures energy and power only; remove one of the two";
            if !self.gpm_metrics.is_empty() {
                faults.add("gpm_metrics", message);
            }
            if self.dcgm_metrics {
                faults.add("dcgm_metrics", message);
            }
        }
        faults.or_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        for (text, key) in [
            ("poll_interval = '0s'", "poll_interval"),
            ("flush_interval = '0s'", "flush_interval"),
            ("mode = 'minimal'\ngpm_metrics = ['sm_util']", "gpm_metrics"),
            ("mode = 'minimal'\ndcgm_metrics = true", "dcgm_metrics"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{text}");
        }
    }
}
