//! From the configuration to the output.

use alumet_core::plugin::{Faults, Finding, Host, Plugin, StartContext, StartError};

use crate::config::Config;
use crate::diagnose::diagnose;
use crate::output::RelayOutput;

/// Sends samples to a relay server.
#[derive(Debug)]
pub struct RelayClientPlugin;

impl Plugin for RelayClientPlugin {
    const ID: &'static str = "relay-client";
    const SUMMARY: &'static str = "Sends samples to a relay server, which acknowledges what it has stored.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn diagnose(config: &Config, _: &Host) -> Vec<Finding> {
        diagnose(config)
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let output = RelayOutput::new(&config)?;
        if alumet.is_trial() {
            return Ok(Self);
        }
        for (key, instead) in config.without_effect() {
            tracing::warn!(
                key,
                instead,
                "this key of relay-client has no effect any more; remove it"
            );
        }
        alumet.stream_output("out", output);
        Ok(Self)
    }
}
