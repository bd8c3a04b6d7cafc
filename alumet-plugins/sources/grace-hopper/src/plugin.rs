//! From the configuration to the source.

use alumet_core::catalog::Catalog;
use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_shared_energy_counter::Refusals;
use alumet_shared_sensor_source::{Claim, SensorSource};

use crate::config::Config;
use crate::device::Meter;
use crate::metrics;
use crate::source::Metrics;

const SUBJECT: &str = "Grace power sensors";

/// Measures superchips.
#[derive(Debug)]
pub struct GraceHopperPlugin;

impl Plugin for GraceHopperPlugin {
    const ID: &'static str = "grace-hopper";
    const SUMMARY: &'static str =
        "Measures the power and energy of NVIDIA Grace and Grace Hopper superchips.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let below_root = config.root_path.strip_prefix("/").unwrap_or(&config.root_path);
        let folder = alumet.root().join(below_root);
        let meters = Meter::list(&folder)?;
        if meters.is_empty() {
            let reason = format!(
                "no power meter of a Grace superchip in `{}`; on such a machine, the kernel needs CONFIG_SENSORS_ACPI_POWER and \
                 `acpi_power_meter.force_cap_on=y`",
                folder.display()
            );
            tracing::info!("{SUBJECT}: {reason}");
            alumet.note(Finding::absent(SUBJECT, reason));
            return Ok(Self);
        }
        let names = meters
            .iter()
            .map(|meter| format!("{} of socket {}", meter.part.as_str(), meter.socket));
        let names: Vec<_> = names.collect();
        alumet.note(Finding::works(SUBJECT, names.join(", ")));

        let metrics = Metrics::register(alumet.catalog())?;
        let refusals = Refusals::register(alumet.catalog(), alumet.metric(&metrics::GRACE_REFUSED_VALUES)?);
        if alumet.is_trial() {
            let refused = metrics.sensors(&meters, alumet.catalog()).refused(SUBJECT);
            refused.into_iter().for_each(|finding| alumet.note(finding));
        }
        let claim = Claim::new(Self::ID, alumet.services());
        claim.set(meters.iter().map(|meter| &meter.chip));
        let list = move |catalog: &Catalog| {
            let meters = Meter::list(&folder)?;
            claim.set(meters.iter().map(|meter| &meter.chip));
            Ok(metrics.sensors(&meters, catalog))
        };
        alumet
            .source("grace-hopper", SensorSource::new(list, refusals))
            .every(*config.poll_interval)
            .flush_every(*config.flush_interval)
            .blocking();
        Ok(Self)
    }
}
