//! What the configuration says about whom to trust, read from its files.

use std::sync::Arc;

use alumet_relay_protocol::tokens::{TokenError, Tokens};
use alumet_shared_trust::{Reloading, ServerFiles, ServerTls, open_to_others};

use crate::config::Config;
use crate::error::ServerError;

/// How a client proves who it is.
#[derive(Debug)]
pub(crate) struct Trust {
    /// Missing: plain text.
    pub(crate) tls: Option<ServerTls>,
    tokens: Option<Reloading<Arc<Tokens>, TokenError>>,
    /// Whether a client has to prove it at all.
    pub(crate) needs_credentials: bool,
}

impl Trust {
    /// Reads the files.
    pub(crate) fn read(config: &Config) -> Result<Self, ServerError> {
        Ok(Self {
            tls: files(config)
                .map(|files| ServerTls::new(files, b"h2"))
                .transpose()?,
            tokens: config.has_tokens().then(|| tokens(config)).transpose()?,
            needs_credentials: config.needs_credentials(),
        })
    }

    /// The tokens as they are now; `None` when nobody has one.
    pub(crate) fn tokens(&self) -> Option<Arc<Tokens>> {
        Some(self.tokens.as_ref()?.current())
    }
}

/// Those of the configuration and of the file, which is read again when it changes.
fn tokens(config: &Config) -> Result<Reloading<Arc<Tokens>, TokenError>, ServerError> {
    let fixed = Tokens::from_table(&config.tokens)?;
    let path = config.tokens_file.clone();
    if let Some(path) = &path
        && let Ok(Some(mode)) = open_to_others(path)
    {
        tracing::warn!(
            path = %path.display(), mode,
            "other users may read or write the file with the tokens; set its mode to 0600"
        );
    }
    let files = path.iter().cloned().collect();
    let read = move || match &path {
        Some(path) => Tokens::from_file(path)?.and(fixed.clone()).map(Arc::new),
        None => Ok(Arc::new(fixed.clone())),
    };
    Ok(Reloading::new(files, read)?)
}

/// The files for TLS, if it is spoken.
fn files(config: &Config) -> Option<ServerFiles> {
    Some(ServerFiles {
        certificate: config.tls.certificate.clone()?,
        key: config.tls.key.clone()?,
        client_ca: config.tls.client_ca.clone(),
        client_certificate_optional: config.has_tokens(),
    })
}
