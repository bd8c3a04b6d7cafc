//! From the configuration to the server and the output.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use alumet_core::output::QueuePolicy;
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_shared_http_server::{listen, remedy, try_listen};
use alumet_shared_query::Backends;
use alumet_shared_remote_query::{CollectorsBackend, InfluxdbBackend, InfluxdbConfig, from_old_config_json};
use alumet_shared_trust::{ServerTls, certificate, open_secret};

use crate::config::Config;
use crate::guard::Guard;
use crate::live::Live;
use crate::output::LiveOutput;
use crate::publish::{NODE, Publisher, channel};
use crate::routes::router;
use crate::server::Server;
use crate::state::{Api, Stored};

/// Listens, and adds the output.
#[derive(Debug)]
pub struct RestApiPlugin {
    _server: Option<Server>,
}

impl Plugin for RestApiPlugin {
    const ID: &'static str = "rest-api";
    const SUMMARY: &'static str =
        "Serves stored series, live samples and the health of the pipeline over HTTP.";
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
        let guard = Guard::new(&config).map_err(StartError::new)?;
        let live = Live::new();
        let publisher = publisher(&config, alumet)?;
        let api = Api::new(
            stored(&config, alumet)?,
            config.query.limits(),
            alumet.clock(),
            live.clone(),
            alumet.control().clone(),
            host(alumet.root()),
            publisher,
        );
        api.report_to(alumet.control());
        let server = if alumet.is_trial() {
            try_out(&config, alumet)?;
            None
        } else {
            let listener = listen(config.address).map_err(|error| {
                let remedy = remedy(&error, KEYS);
                let address = config.address;
                StartError::new(format!("the API cannot listen at {address}: {error}; {remedy}"))
            })?;
            tracing::info!(address = %config.address, "the API and its page are served");
            let router = router(api, guard, &config);
            Some(Server::start(listener, config.max_connections, tls, router)?)
        };
        alumet
            .output("live", LiveOutput::new(live))
            // What nobody has seen in time is in the store.
            .queue(QueuePolicy {
                durable: Some(false),
                ..QueuePolicy::default()
            });
        Ok(Self { _server: server })
    }
}

/// Adds the source for what is sent here, if anything may be.
fn publisher(config: &Config, alumet: &mut StartContext<'_>) -> Result<Option<Publisher>, StartError> {
    if !config.publish || alumet.is_trial() {
        return Ok(None);
    }
    let spool = alumet.spool().ok_or_else(|| {
        StartError::new(
            "there is no spool, so that nothing could be stored before it is acknowledged; set `spool.path` in the configuration \
             of the program, or leave out `publish`",
        )
    })?;
    let (publisher, source) = channel(Arc::clone(spool))?;
    alumet.catalog().declare_attributes([NODE]);
    alumet.event_source("publish", source);
    Ok(Some(publisher))
}

/// Who has the series.
fn stored(config: &Config, alumet: &StartContext<'_>) -> Result<Stored, StartError> {
    if let Some(collectors) = &config.collectors {
        return Ok(Stored::Elsewhere(Arc::new(CollectorsBackend::new(collectors)?)));
    }
    let old = config.old_config.as_deref().map(old_config).transpose()?;
    if let Some(influxdb) = config.influxdb.as_ref().or(old.as_ref()) {
        return Ok(Stored::Elsewhere(Arc::new(InfluxdbBackend::new(influxdb)?)));
    }
    let backends = alumet.services().get_or_keep::<Backends>();
    Ok(Stored::Published(backends, config.backend.clone()))
}

/// The InfluxDB that an earlier API was told.
fn old_config(path: &Path) -> Result<InfluxdbConfig, StartError> {
    let wrong = |error: &dyn Display| {
        let path = path.display();
        StartError::new(format!(
            "{path} cannot be used: {error}; mend it, or write `influxdb` instead"
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let mut config = from_old_config_json(&text).map_err(|error| wrong(&error))?;
    if let Some(token) = &mut config.http.token
        && let Some(name) = token.0.strip_prefix("${").and_then(|name| name.strip_suffix('}'))
    {
        token.0 = std::env::var(name).map_err(|error| wrong(&format!("its token `${{{name}}}`: {error}")))?;
    }
    config.check().map_err(|faults| {
        let faults: Vec<_> = faults.into_iter().map(|fault| fault.to_string()).collect();
        wrong(&faults.join("; "))
    })?;
    Ok(config)
}

/// What this machine is called.
fn host(root: &Path) -> String {
    let name = std::fs::read_to_string(root.join("proc/sys/kernel/hostname"));
    name.unwrap_or_default().trim().to_owned()
}

const KEYS: &str = "`address`";

/// Whether it could listen, and whom it would trust.
fn try_out(config: &Config, alumet: &mut StartContext<'_>) -> Result<(), StartError> {
    alumet.note(try_listen(config.address.to_string(), config.address, KEYS));
    if let Some(path) = &config.tls.certificate {
        alumet.note(certificate(path)?);
    }
    let tokens = config.tokens_file.as_deref();
    if let Some(finding) = tokens.and_then(|path| open_secret("file with the tokens", path)) {
        alumet.note(finding);
    }
    Ok(())
}
