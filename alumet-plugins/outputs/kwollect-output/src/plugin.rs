//! From the configuration to the output.

use std::time::Duration;

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_shared_grid5000::Machine;
use alumet_shared_http_delivery::HttpClient;

use crate::config::Config;
use crate::encode::Encoder;
use crate::output::KwollectOutput;

/// Adds the output.
#[derive(Debug)]
pub struct KwollectOutputPlugin;

impl Plugin for KwollectOutputPlugin {
    const ID: &'static str = "kwollect-output";
    const SUMMARY: &'static str = "Pushes samples to Kwollect, the monitoring of Grid'5000.";
    const OLD_KEYS: &'static [(&'static str, &'static str)] = &[("login", "user")];
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let machine = Machine::this()?;
        let url = machine.url("url", &config.url)?;
        let device = config.hostname.as_deref().unwrap_or(machine.device());
        let client = HttpClient::new("url", &url, &config.http)?;
        // Nothing is pushed, but whether it might be is told.
        client.try_out(client.post("", "application/json", "[]"), alumet)?;
        let encoder = Encoder::new(&config, device.to_owned());
        alumet
            .output("server", KwollectOutput::new(client, encoder))
            .queue(config.queue)
            .timeout(*config.http.timeout)
            .joined(2000, Duration::from_secs(1))
            .in_flight(2);
        Ok(Self)
    }
}
