//! From the configuration to the output.

use std::time::Duration;

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_shared_http_delivery::HttpClient;

use crate::config::Config;
use crate::output::ElasticsearchOutput;

/// Adds the output.
#[derive(Debug)]
pub struct ElasticsearchPlugin;

impl Plugin for ElasticsearchPlugin {
    const ID: &'static str = "elasticsearch";
    const SUMMARY: &'static str = "Writes samples to Elasticsearch and OpenSearch, each as a document.";
    const OLD_KEYS: &'static [(&'static str, &'static str)] = &[
        ("allow_insecure", "tls.insecure_skip_verify"),
        ("auth.basic.user", "user"),
        ("auth.basic.password", "password"),
        ("auth.basic_file.file", "password_file"),
        ("auth.api_key.key", "api_key"),
        ("auth.bearer.token", "token"),
    ];
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let client = HttpClient::new("server_url", &config.server_url, &config.http())?;
        client.try_out(client.get("/"), alumet)?;
        alumet
            .output("server", ElasticsearchOutput::new(client, &config))
            .queue(config.queue)
            // The template may have to be written as well.
            .timeout(config.http.timeout.saturating_mul(2))
            // About 2 MB; several at once, because the order of documents does not matter.
            .joined(5000, Duration::from_secs(1))
            .in_flight(4);
        Ok(Self)
    }
}
