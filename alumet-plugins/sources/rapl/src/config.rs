//! What the table `[plugins.rapl]` holds.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::device::Interface;

/// How often, and through which interface, energy is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two samples. The counters are brought up to date about every millisecond, so that less than a few
    /// milliseconds tell little.
    pub poll_interval: HumanDuration,
    /// Time between two hand-overs of samples to the outputs.
    pub flush_interval: HumanDuration,
    /// Which interface is read. `"auto"` takes perf events, powercap or MSR, the first of these that shows the energy of the
    /// packages, and from the others the domains that it lacks.
    pub interface: InterfaceChoice,
    /// Leaves perf events out of `interface = "auto"`.
    pub no_perf_events: bool,
    /// Measures the energy of each core, too, where the processor counts it (AMD). Each reading interrupts that core: switch it
    /// off if there are hundreds of them and the interval is short.
    pub per_core: bool,
}

/// Which interface to RAPL is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InterfaceChoice {
    /// The best of those that this machine offers.
    #[default]
    Auto,
    /// Perf events.
    Perf,
    /// The files of `/sys/class/powercap`.
    Powercap,
    /// The registers of the processor, in `/dev/cpu/*/msr`.
    Msr,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(1),
            flush_interval: HumanDuration::from_secs(5),
            interface: InterfaceChoice::Auto,
            no_perf_events: false,
            per_core: true,
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        faults.refuse_polls("poll_interval", *self.poll_interval);
        faults.refuse_zero("flush_interval", *self.flush_interval);
        if self.no_perf_events && self.interface == InterfaceChoice::Perf {
            faults.add(
                "no_perf_events",
                "`interface = \"perf\"` asks for what this leaves out; remove one of the two",
            );
        }
        faults.or_ok()
    }

    /// The interfaces to look at, the preferred one first.
    pub(crate) const fn interfaces(&self) -> &'static [Interface] {
        match self.interface {
            InterfaceChoice::Auto if self.no_perf_events => &[Interface::Powercap, Interface::Msr],
            InterfaceChoice::Auto => &[Interface::Perf, Interface::Powercap, Interface::Msr],
            InterfaceChoice::Perf => &[Interface::Perf],
            InterfaceChoice::Powercap => &[Interface::Powercap],
            InterfaceChoice::Msr => &[Interface::Msr],
        }
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
            ("interface = 'perf'\nno_perf_events = true", "no_perf_events"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{text}");
        }
    }
}
