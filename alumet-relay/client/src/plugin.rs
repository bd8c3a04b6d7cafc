//! From the configuration to the output.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};

use crate::client::Client;
use crate::config::Config;
use crate::output::RelayOutput;
use crate::trial::try_out;

/// How many records are given to a session at once, as many as a server stores together if they are small; of large ones, the
/// engine gives fewer.
const IN_FLIGHT: usize = 16_384;
/// Never reached: a session has closer limits for everything that it does.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

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

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let client = Client::new(&config, alumet.services())?;
        if alumet.is_trial() {
            try_out(&client, alumet)?;
            return Ok(Self);
        }
        if let Some(tls) = &client.tls {
            tls.report_to(alumet.control());
        }
        let spool = alumet.spool().ok_or_else(|| {
            StartError::new(
                "there is no spool, in which samples wait until they are acknowledged; set `spool.path`",
            )
        })?;
        for (key, instead) in config.without_effect() {
            tracing::warn!(
                key,
                instead,
                "this key of relay-client has no effect any more; remove it"
            );
        }
        alumet
            .output("out", RelayOutput::of(client, Arc::clone(spool)))
            .encoded()
            .in_flight(IN_FLIGHT)
            .timeout(LONGEST);
        Ok(Self)
    }
}
