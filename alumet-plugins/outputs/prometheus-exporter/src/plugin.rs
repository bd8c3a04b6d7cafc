//! From the configuration to the output and the server.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_shared_http_server::listen;
use alumet_shared_trust::{ServerTls, certificate, open_secret, read_secret};
use parking_lot::Mutex;

use crate::config::{Config, resolve};
use crate::output::ExporterOutput;
use crate::server::Server;
use crate::store::Store;

/// Adds the output, and listens.
#[derive(Debug)]
pub struct PrometheusExporterPlugin {
    _server: Option<Server>,
}

impl Plugin for PrometheusExporterPlugin {
    const ID: &'static str = "prometheus-exporter";
    const SUMMARY: &'static str = "Lets Prometheus, and what understands its formats, scrape the samples.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let tls = config
            .files()
            .map(|files| ServerTls::new(files, b"http/1.1"))
            .transpose()?;
        // What would fail later fails at the start already.
        read_secret(config.password.as_ref(), config.password_file.as_deref())?;
        let store = Arc::new(Mutex::new(Store::new(&config, alumet.catalog().clone())));
        let server = if alumet.is_trial() {
            try_out(&config, alumet)?;
            None
        } else {
            let listeners = config.places().iter().map(bind).collect::<Result<_, _>>()?;
            Some(Server::start(
                &config,
                listeners,
                tls,
                Arc::clone(&store),
                alumet.clock(),
            )?)
        };
        alumet
            .output("exposition", ExporterOutput { store })
            .queue(config.queue);
        Ok(Self { _server: server })
    }
}

fn bind(place: &(String, u16)) -> Result<TcpListener, StartError> {
    let listener = resolve(place)
        .and_then(|addresses| listen(&addresses))
        .map_err(|error| {
            let ((host, port), remedy) = (place, remedy(&error));
            StartError::new(format!(
                "the exporter cannot listen on {host}, port {port}: {error}; {remedy}"
            ))
        })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "samples can be scraped at /metrics");
    }
    Ok(listener)
}

/// What to do about an address on which nobody can listen.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop the program that listens there, or choose another `port`",
        io::ErrorKind::PermissionDenied => "choose a `port` above 1023",
        _ => "set `host` to a name or an address of this machine, or to \"0.0.0.0\" for all of them",
    }
}

/// Whether it could listen, and whom it would trust.
fn try_out(config: &Config, alumet: &mut StartContext<'_>) -> Result<(), StartError> {
    for place in config.places() {
        let subject = format!("{}, port {}", place.0, place.1);
        alumet.note(match resolve(&place).and_then(|addresses| listen(&addresses)) {
            Ok(_) => Finding::works(subject, "it is free"),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Finding::limited(
                subject,
                "somebody listens there already",
                "nothing, if it is this agent; otherwise stop it, or choose another `port`",
            ),
            Err(error) => Finding::broken(subject, error.to_string(), remedy(&error)),
        });
    }
    if let Some(path) = &config.tls.certificate {
        alumet.note(certificate(path)?);
    }
    if let Some(finding) = config
        .password_file
        .as_deref()
        .and_then(|path| open_secret("file with the password", path))
    {
        alumet.note(finding);
    }
    Ok(())
}
