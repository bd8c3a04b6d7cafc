//! From the configuration to the source.

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_shared_sensor_source::refused_files;

use crate::config::Config;
use crate::device::{Counters, Quantity};
use crate::metrics;
use crate::source::CrayPmCountersSource;

const SUBJECT: &str = "Cray power counters";

/// Measures what the node controller tells.
#[derive(Debug)]
pub struct CrayPmCountersPlugin;

impl Plugin for CrayPmCountersPlugin {
    const ID: &'static str = "cray-pm-counters";
    const SUMMARY: &'static str =
        "Measures power and energy as the node controller of an HPE Cray EX shows them.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let Some(mut counters) = Counters::find(alumet.root()) else {
            let reason = "no `/sys/cray/pm_counters`, which only nodes of an HPE Cray EX or XC have";
            tracing::info!("{SUBJECT}: {reason}");
            alumet.note(Finding::absent(SUBJECT, reason));
            return Ok(Self);
        };
        let energies = counters
            .files
            .iter()
            .filter(|file| file.quantity == Quantity::Energy);
        let domains: Vec<_> = energies.map(|file| file.domain.as_str()).collect();
        alumet.note(Finding::works(
            SUBJECT,
            format!("energy of {}", domains.join(", ")),
        ));
        let refused = refused_files(SUBJECT, counters.try_all());
        refused.into_iter().for_each(|finding| alumet.note(finding));
        let source = CrayPmCountersSource::new(counters, alumet.catalog())?;
        alumet
            .source("cray-pm-counters", source)
            .every(*config.poll_interval)
            .flush_every(*config.flush_interval)
            .blocking();
        Ok(Self)
    }
}
