//! From the configuration to the source.

use std::net::SocketAddr;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_core::{Consumer, Resource};

use crate::config::Config;
use crate::device::Module;
use crate::metrics;
use crate::source::QuarchSource;

/// Measures what a module of Quarch shows.
#[derive(Debug)]
pub struct QuarchPlugin;

impl Plugin for QuarchPlugin {
    const ID: &'static str = "quarch";
    const SUMMARY: &'static str = "Measures the power of a disk with a power analysis module of Quarch.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        for key in config.old_keys() {
            tracing::warn!(
                key,
                "this key has no effect: the module is asked without a QIS and without Java; remove the key, and end a QIS that \
                 holds the module"
            );
        }
        let Some(ip) = config.quarch_ip else {
            let (subject, reason) = (
                "module of Quarch",
                "none is named; write its address: `quarch_ip = \"172.17.30.102\"`",
            );
            tracing::info!("{subject}: {reason}");
            alumet.note(Finding::absent(subject, reason));
            return Ok(Self);
        };
        let address = SocketAddr::new(ip, config.quarch_port);
        let mut module = Module::at(address, *config.poll_interval);
        if alumet.is_trial() {
            let subject = format!("module of Quarch at {address}");
            alumet.note(match module.watts() {
                Ok(watts) => Finding::works(subject, format!("{watts} W")),
                Err(error) => {
                    let remedy =
                        "mend that; until then, nothing is measured, and it is tried again and again";
                    Finding::broken(subject, error.to_string(), remedy)
                }
            });
        }
        let power = alumet.metric(&metrics::DISK_POWER)?;
        let power = alumet.series(power, Resource::LocalMachine, Consumer::LocalMachine);
        let power = power.register();
        alumet
            .source("quarch", QuarchSource { module, power })
            .every(*config.poll_interval)
            .flush_every(*config.flush_interval)
            .blocking();
        Ok(Self)
    }
}
