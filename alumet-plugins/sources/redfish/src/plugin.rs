//! From the configuration to the source.

use std::time::Duration;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_shared_trust::try_server;

use crate::config::Config;
use crate::device::{Bmc, ROOT, Resource, discover};
use crate::metrics;
use crate::source::RedfishSource;

/// Measures what a management controller shows.
#[derive(Debug)]
pub struct RedfishPlugin;

const SUBJECT: &str = "power by Redfish";

/// How long a controller may take while the plugin is only tried; it asks for many resources.
const TRIAL: Duration = Duration::from_secs(20);

impl Plugin for RedfishPlugin {
    const ID: &'static str = "redfish";
    const SUMMARY: &'static str =
        "Measures power and energy of the machine as its management controller (BMC) shows them by Redfish.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let Some(url) = &config.url else {
            let reason = "no management controller is named; write its address: `url = \"https://…\"`";
            tracing::info!("{SUBJECT}: {reason}");
            alumet.note(Finding::absent(SUBJECT, reason));
            return Ok(Self);
        };
        let (mut bmc, wanted) = (Bmc::new(url, &config)?, config.wanted()?);
        bmc.client().try_out(bmc.client().get(ROOT), alumet)?;
        if alumet.is_trial() {
            let remedy = "mend that; until then, nothing is measured, and it is tried again and again";
            alumet.note(try_server(SUBJECT.to_owned(), TRIAL, remedy, async {
                let found = discover(&mut bmc, &wanted).await;
                // What was begun for the trial ends with it.
                let _ = bmc.log_out().await;
                Ok(said(&found.map_err(|failure| failure.to_string())?))
            }));
        }
        let source = RedfishSource::new(bmc, wanted, *config.poll_interval, alumet)?;
        alumet.event_source("redfish", source);
        Ok(Self)
    }
}

/// What there is, by chassis.
fn said(found: &[Resource]) -> String {
    let readings = found.iter().flat_map(|resource| {
        let of = &resource.chassis;
        resource
            .readings
            .iter()
            .map(move |reading| format!("{} of {of}", reading.sensor))
    });
    readings.collect::<Vec<_>>().join(", ")
}
