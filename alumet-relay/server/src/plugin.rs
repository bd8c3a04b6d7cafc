//! From the configuration to the server.

use std::sync::Arc;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Host, Plugin, StartContext, StartError};

use crate::config::Config;
use crate::diagnose::diagnose;
use crate::error::ServerError;
use crate::metrics;
use crate::source::RelaySource;
use crate::trust::Trust;

/// Takes the samples of other agents over the network and acknowledges what is stored.
#[derive(Debug)]
pub struct RelayServerPlugin;

impl Plugin for RelayServerPlugin {
    const ID: &'static str = "relay-server";
    const SUMMARY: &'static str =
        "Takes the samples of other agents over the network and acknowledges what is stored.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn diagnose(config: &Config, _: &Host) -> Vec<Finding> {
        diagnose(config)
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        if alumet.is_trial() {
            // Neither the address nor the spool is touched: a server that runs has both.
            Trust::read(&config)?;
            return Ok(Self);
        }
        let spool = alumet.spool().ok_or(ServerError::NoSpool)?;
        let source = RelaySource::bind(config, alumet.catalog(), Arc::clone(spool))?;
        let address = source.local_address()?;
        tracing::info!(%address, "listening for agents");
        alumet.event_source("server", source);
        Ok(Self)
    }
}
