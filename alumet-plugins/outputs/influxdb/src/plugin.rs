//! From the configuration to the output.

use std::time::Duration;

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_shared_http_delivery::HttpClient;
use bytes::Bytes;

use crate::config::Config;
use crate::output::InfluxOutput;

/// Adds the output.
#[derive(Debug)]
pub struct InfluxdbPlugin;

impl Plugin for InfluxdbPlugin {
    const ID: &'static str = "influxdb";
    const SUMMARY: &'static str =
        "Writes samples to InfluxDB, versions 1 to 3, and to what understands its line protocol.";
    const OLD_KEYS: &'static [(&'static str, &'static str)] =
        &[("attribute_as", "attributes_as"), ("organization", "org")];
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(mut config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        config.http.token_scheme.get_or_insert_with(|| "Token".to_owned());
        let client = HttpClient::new("host", &config.host, &config.http)?;
        let output = InfluxOutput::new(client.clone(), &config);
        // Nothing is written, but whether it might be is told.
        client.try_out(output.write(Bytes::new()), alumet)?;
        alumet
            .output("server", output)
            .queue(config.queue)
            .timeout(*config.http.timeout)
            // As large as the makers of the server recommend; several at once, because it sorts samples by their time.
            .joined(10_000, Duration::from_secs(1))
            .in_flight(4);
        Ok(Self)
    }
}
