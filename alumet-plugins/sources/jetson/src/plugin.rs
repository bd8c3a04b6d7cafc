//! From the configuration to the source.

use alumet_core::catalog::Catalog;
use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_shared_energy_counter::Refusals;
use alumet_shared_sensor_source::SensorSource;

use crate::config::Config;
use crate::device::Rail;
use crate::metrics;
use crate::source::Metrics;

const SUBJECT: &str = "Jetson power sensors";

/// Measures the rails of a board.
#[derive(Debug)]
pub struct JetsonPlugin;

impl Plugin for JetsonPlugin {
    const ID: &'static str = "jetson";
    const SUMMARY: &'static str = "Measures current, voltage, power and energy of NVIDIA Jetson boards.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let root = alumet.root().to_path_buf();
        let rails = Rail::list(&root)?;
        if rails.is_empty() {
            let reason =
                "no INA3221 with a named rail in `/sys/bus/i2c/drivers`, which only Jetson boards have";
            tracing::info!("{SUBJECT}: {reason}");
            alumet.note(Finding::absent(SUBJECT, reason));
            return Ok(Self);
        }
        let names: Vec<_> = rails.iter().map(|rail| rail.label.as_str()).collect();
        alumet.note(Finding::works(SUBJECT, names.join(", ")));

        let metrics = Metrics::register(alumet.catalog())?;
        let refusals = Refusals::register(alumet.catalog(), alumet.metric(&metrics::JETSON_REFUSED_VALUES)?);
        if alumet.is_trial() {
            let refused = metrics.sensors(&rails, alumet.catalog()).refused(SUBJECT);
            refused.into_iter().for_each(|finding| alumet.note(finding));
        }
        let list = move |catalog: &Catalog| Ok(metrics.sensors(&Rail::list(&root)?, catalog));
        alumet
            .source("jetson", SensorSource::new(list, refusals))
            .every(*config.poll_interval)
            .flush_every(*config.flush_interval)
            .blocking();
        Ok(Self)
    }
}
