//! From the configuration to the transform.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_shared_http_delivery::HttpClient;
use alumet_shared_trust::try_server;

use crate::config::{Config, Mode, WORLD};
use crate::country::Country;
use crate::intensity::{Intensity, IntensityFile, Latest};
use crate::metrics;
use crate::server::{IntensityServer, IntensitySource};
use crate::transform::EnergyToCarbon;

/// Adds the transform, and asks a server if so configured.
#[derive(Debug)]
pub struct EnergyToCarbonPlugin;

/// What is told of.
const SUBJECT: &str = "carbon intensity";

/// How long a server may take while the plugin is only tried.
const TRIAL: Duration = Duration::from_secs(5);

impl Plugin for EnergyToCarbonPlugin {
    const ID: &'static str = "energy-to-carbon";
    const SUMMARY: &'static str = "Converts energy to grams of CO2 by the carbon intensity of electricity.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let metric = alumet.metric(&metrics::CARBON_EMISSION)?;
        let selections = config.selections(alumet.clock().now().monotonic)?;
        let intensity = intensity(&config, alumet)?;
        let transform = EnergyToCarbon::new(selections, intensity, *config.hold, config.fallback, metric);
        alumet
            .transform("emissions", transform)
            .after("energy-attribution");
        Ok(Self)
    }
}

fn intensity(config: &Config, alumet: &mut StartContext<'_>) -> Result<Intensity, StartError> {
    let constant = |grams: f64, why: &str| {
        let finding = Finding::works(SUBJECT, format!("{grams} g/kWh, {why}"));
        (Intensity::Constant(grams), finding)
    };
    let (intensity, finding) = match (config.mode, &config.file, &config.http) {
        (Mode::Country, ..) => {
            let country = Country::find(&config.country.code).map_err(StartError::new)?;
            let why = format!("the mean of {} in {}", country.name, country.year);
            constant(country.intensity, &why)
        }
        (Mode::IntensityOverride, ..) => constant(config.intensity_override.intensity, "as configured"),
        (Mode::File, Some(file), _) => {
            let mut kept = IntensityFile::new(file.path.clone());
            let finding = match kept.read() {
                Ok(()) => Finding::works(
                    SUBJECT,
                    format!("{} values in {}", kept.len(), file.path.display()),
                ),
                // The log says so with the first samples.
                Err(error) => Finding::broken(
                    SUBJECT,
                    Failure::from(error).to_string(),
                    "mend the file; it is read again as soon as it changes, and until then, `fallback` counts",
                ),
            };
            (Intensity::File(kept), finding)
        }
        (Mode::Http, _, Some(server)) => {
            let client = HttpClient::new("http.url", &server.url, &server.http)?;
            let asked = IntensityServer::new(client, server.clone());
            let finding = if alumet.is_trial() {
                let remedy = "mend that; until then, `fallback` counts";
                try_server(SUBJECT.to_owned(), TRIAL, remedy, async {
                    let grams = asked.ask().await.map_err(|failure| failure.to_string())?;
                    Ok(format!("{grams} g/kWh, as {} says", server.url))
                })
            } else {
                Finding::works(SUBJECT, format!("asked of {}", server.url))
            };
            let latest = Latest::default();
            let source = IntensitySource {
                server: asked,
                latest: Arc::clone(&latest),
            };
            alumet.event_source("intensity", source);
            (Intensity::Server(latest), finding)
        }
        (Mode::WorldAvg | Mode::File | Mode::Http, ..) => constant(WORLD, "the mean of the world"),
    };
    alumet.note(finding);
    Ok(intensity)
}
