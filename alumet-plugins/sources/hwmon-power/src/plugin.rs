//! From the configuration to the source.

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_shared_sensor_source::{SensorClaims, refused_files};

use crate::config::Config;
use crate::device::{EnergySensor, Listing, PowerSensor};
use crate::metrics;
use crate::source::HwmonPowerSource;

const SUBJECT: &str = "power sensors";

/// Measures what sensors of the board and batteries show.
#[derive(Debug)]
pub struct HwmonPowerPlugin;

impl Plugin for HwmonPowerPlugin {
    const ID: &'static str = "hwmon-power";
    const SUMMARY: &'static str = "Measures power and energy as board sensors and batteries show them.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let listing = Listing::of(alumet.root())?;
        let finding = found(&listing);
        if listing.is_empty() {
            tracing::info!("{SUBJECT}: {}", finding.detail);
        }
        alumet.note(finding);
        // Sensors can take long to answer: only a trial asks them here.
        if alumet.is_trial() {
            refused(&listing)
                .into_iter()
                .for_each(|finding| alumet.note(finding));
        }
        // A machine may well have none.
        if !listing.is_empty() {
            let claims = SensorClaims::shared(alumet.services());
            let source = HwmonPowerSource::new(alumet.root().to_path_buf(), claims, alumet.catalog())?;
            alumet
                .source("hwmon-power", source)
                .every(*config.poll_interval)
                .flush_every(*config.flush_interval)
                .blocking();
        }
        Ok(Self)
    }
}

/// What there is.
fn found(listing: &Listing) -> Finding {
    if listing.is_empty() {
        return Finding::absent(
            SUBJECT,
            "no sensor of power or energy and no battery, which is normal in a virtual machine",
        );
    }
    let sensors = listing.powers.iter().map(|(sensor, _)| ("power", sensor));
    let sensors = sensors.chain(listing.energies.iter().map(|(sensor, _)| ("energy", sensor)));
    let sensors = sensors.map(|(quantity, sensor)| {
        let label = sensor
            .label
            .as_deref()
            .map(|label| format!(" ({label})"))
            .unwrap_or_default();
        format!("{quantity} of {}{label}", sensor.chip)
    });
    let batteries = listing.batteries.iter();
    let batteries =
        batteries.map(|folder| format!("battery {}", folder.file_name().unwrap_or_default().display()));
    let names: Vec<_> = sensors.chain(batteries).collect();
    Finding::works(SUBJECT, names.join(", "))
}

/// What may not be read.
fn refused(listing: &Listing) -> Option<Finding> {
    let powers = listing
        .powers
        .iter()
        .map(|(_, path)| PowerSensor::at(path).watts().map(drop));
    let energies = listing
        .energies
        .iter()
        .map(|(_, path)| EnergySensor::at(path).microjoules().map(drop));
    refused_files(SUBJECT, powers.chain(energies))
}
