//! From the configuration to the output.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_shared_nats::Connector;

use crate::config::Config;
use crate::encode::Encoder;
use crate::output::NatsOutput;
use crate::publish::Publisher;
use crate::records::Records;

/// Never reached by a server that answers: each request has a limit of its own.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// Adds the output.
#[derive(Debug)]
pub struct NatsPlugin;

impl Plugin for NatsPlugin {
    const ID: &'static str = "nats";
    const SUMMARY: &'static str =
        "Sends samples to a stream of NATS, which keeps them until somebody takes them.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let connector = Connector::new(&config.connection, &config.stream)?;
        let node = config.node()?;
        if alumet.is_trial() {
            connector.try_out(alumet)?;
            return Ok(Self);
        }
        connector.report_to(alumet.control());
        let spool = alumet.spool().ok_or_else(|| {
            StartError::new(
                "there is no spool, in which samples wait until they are acknowledged; set `spool.path`",
            )
        })?;
        let destination = format!("{} at {}", config.stream.name, connector.servers());
        let output = NatsOutput::new(
            Records::of(Arc::clone(spool)),
            Encoder::new(&config, node.clone()),
            Publisher::new(connector, &config, node),
        );
        alumet
            .output("stream", output)
            .encoded()
            // One record after the other, each of many messages: what is stored is then all up to the last.
            .in_flight(1)
            .timeout(LONGEST)
            .destination(destination);
        Ok(Self)
    }
}
