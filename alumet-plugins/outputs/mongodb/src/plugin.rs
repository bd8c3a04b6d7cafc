//! From the configuration to the output.

use std::time::Duration;

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_shared_trust::{certificate, open_secret, try_server};

use crate::config::Config;
use crate::connection::Connection;
use crate::output::MongodbOutput;

/// Adds the output.
#[derive(Debug)]
pub struct MongodbPlugin;

impl Plugin for MongodbPlugin {
    const ID: &'static str = "mongodb";
    const SUMMARY: &'static str = "Writes samples to MongoDB, a document each.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let connection = Connection::new(&config)?;
        if alumet.is_trial() {
            try_out(&config, alumet)?;
        }
        if let Some(tls) = &connection.tls {
            tls.report_to(alumet.control());
        }
        alumet
            .output("server", MongodbOutput::new(connection, &config))
            .queue(config.queue)
            .timeout(*config.timeout)
            // One command of these is some 2 MB of 16 MB; several at once, because documents have no order.
            .joined(5000, Duration::from_secs(1))
            .in_flight(4);
        Ok(Self)
    }
}

/// Notes what a trial shows; a server that is away is no fault.
fn try_out(config: &Config, alumet: &mut StartContext<'_>) -> Result<(), StartError> {
    // One of its own, because it works in the runtime of the trial.
    let connection = Connection::new(config)?;
    alumet.note(try_server(
        format!("server {}", connection.server()),
        // What the driver says by then, it says better.
        *config.connect_timeout + Duration::from_secs(1),
        "mend that before samples are to arrive; until then they wait",
        async { connection.try_out().await.map_err(|failure| failure.to_string()) },
    ));
    if let Some(path) = config.tls.as_ref().and_then(|tls| tls.certificate.as_ref()) {
        alumet.note(certificate(path)?);
    }
    if let Some(finding) = config
        .password_file
        .as_ref()
        .and_then(|path| open_secret("password file", path))
    {
        alumet.note(finding);
    }
    Ok(())
}
