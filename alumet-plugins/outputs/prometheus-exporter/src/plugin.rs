//! From the configuration to the output and the server.

use std::net::TcpListener;
use std::sync::Arc;

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_shared_http_server::{listen, remedy, try_listen};
use alumet_shared_trust::{ServerTls, certificate, open_secret, read_secret};
use parking_lot::Mutex;

use crate::config::Config;
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
            .tls
            .files(false)
            .map(|files| ServerTls::new(files, b"http/1.1"))
            .transpose()?;
        if let Some(tls) = &tls {
            tls.report_to(alumet.control());
        }
        // What would fail later fails at the start already.
        read_secret(config.password.as_ref(), config.password_file.as_deref())?;
        let store = Arc::new(Mutex::new(Store::new(&config, alumet.catalog().clone())));
        let server = if alumet.is_trial() {
            try_out(&config, alumet)?;
            None
        } else {
            let (places, keys) = (config.places(), config.place_keys());
            let listeners = places.iter().map(|place| bind(place, keys));
            let listeners = listeners.collect::<Result<_, _>>()?;
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

fn bind((host, port): &(String, u16), keys: &str) -> Result<TcpListener, StartError> {
    let listener = listen((host.as_str(), *port)).map_err(|error| {
        let remedy = remedy(&error, keys);
        StartError::new(format!(
            "the exporter cannot listen on {host}, port {port}: {error}; {remedy}"
        ))
    })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "samples can be scraped at /metrics");
    }
    Ok(listener)
}

/// Whether it could listen, and whom it would trust.
fn try_out(config: &Config, alumet: &mut StartContext<'_>) -> Result<(), StartError> {
    for (host, port) in config.places() {
        let subject = format!("{host}, port {port}");
        alumet.note(try_listen(subject, (host.as_str(), port), config.place_keys()));
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
