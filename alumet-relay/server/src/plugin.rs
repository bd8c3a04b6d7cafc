//! From the configuration to the server.

use std::sync::Arc;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};

use crate::config::Config;
use crate::metrics;
use crate::source::RelaySource;
use crate::trial;
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

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        if alumet.is_trial() {
            // Neither the spool nor what arrives at the address is touched: a server that runs has both.
            trial::note_all(&config, &Trust::read(&config)?, alumet);
            return Ok(Self);
        }
        let spool = alumet.spool().ok_or_else(|| {
            StartError::new(
                "there is no spool, so that nothing could be stored before it is acknowledged; \
                 set `spool.path` in the configuration of the program",
            )
        })?;
        alumet.catalog().declare_attributes([&*config.node_attribute]);
        let registry = alumet.services().get_or_keep();
        let source = RelaySource::succeed(config, alumet.catalog(), Arc::clone(spool), registry)?;
        source.report_to(alumet.control());
        let address = source.local_address()?;
        tracing::info!(%address, "listening for agents");
        alumet.event_source("server", source);
        Ok(Self)
    }
}
