//! From the configuration to the output.

use std::time::Duration;

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};

use crate::config::Config;
use crate::output::{Client, OtlpOutput};
use crate::resource::host;

/// Adds the output.
#[derive(Debug)]
pub struct OpentelemetryPlugin;

impl Plugin for OpentelemetryPlugin {
    const ID: &'static str = "opentelemetry";
    const SUMMARY: &'static str =
        "Sends samples by OTLP, over gRPC or HTTP, to an OpenTelemetry collector and to what understands it.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let client = Client::new(&config)?;
        // Nothing is written, but whether it might be is told.
        client.http().try_out(client.request(Vec::new()), alumet)?;
        let host = host(alumet.root());
        alumet
            .output("collector", OtlpOutput::new(client, &config, host))
            .queue(config.queue)
            // The client gives up before, and leaves a connection that hangs.
            .timeout(*config.http.timeout + Duration::from_secs(1))
            // Most servers take up to 4 MiB, which is about twice as much.
            .joined(8192, Duration::from_secs(1))
            // One after the other, because each point begins where that before it ends.
            .in_flight(1);
        Ok(Self)
    }
}
