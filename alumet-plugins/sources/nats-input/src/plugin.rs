//! From the configuration to the source.

use std::sync::Arc;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_shared_nats::Connector;

use crate::config::Config;
use crate::metrics;
use crate::report::Report;
use crate::source::NatsSource;

/// Takes samples from a stream of NATS, and acknowledges what is stored.
#[derive(Debug)]
pub struct NatsInputPlugin;

impl Plugin for NatsInputPlugin {
    const ID: &'static str = "nats-input";
    const SUMMARY: &'static str = "Takes samples from a stream of NATS, and acknowledges what is stored.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let connector = Connector::new(&config.connection, &config.stream)?;
        if alumet.is_trial() {
            connector.try_out(alumet)?;
            return Ok(Self);
        }
        connector.report_to(alumet.control());
        let spool = alumet.spool().ok_or_else(|| {
            StartError::new(
                "there is no spool, so that nothing could be stored before it is acknowledged; \
                 set `spool.path` in the configuration of the program",
            )
        })?;
        alumet.catalog().declare_attributes([&*config.node_attribute]);
        let report = Report::register(alumet.catalog())?;
        let source = NatsSource::new(connector, config, Arc::clone(spool), report);
        alumet.event_source("stream", source);
        Ok(Self)
    }
}
