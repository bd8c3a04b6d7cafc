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
    tokens: Option<TokenTable>,
    /// Whether a client has to prove it at all.
    pub(crate) needs_credentials: bool,
}

#[derive(Debug)]
enum TokenTable {
    Fixed(Arc<Tokens>),
    File(Reloading<Arc<Tokens>, TokenError>),
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
        Some(match self.tokens.as_ref()? {
            TokenTable::Fixed(tokens) => Arc::clone(tokens),
            TokenTable::File(file) => file.current(),
        })
    }
}

fn tokens(config: &Config) -> Result<TokenTable, ServerError> {
    let fixed = Tokens::from_table(&config.tokens)?;
    let Some(path) = config.tokens_file.clone() else {
        return Ok(TokenTable::Fixed(Arc::new(fixed)));
    };
    if let Ok(Some(mode)) = open_to_others(&path) {
        tracing::warn!(
            path = %path.display(), mode,
            "other users may read or write the file with the tokens; set its mode to 0600"
        );
    }
    let file = path.clone();
    let read = move || Tokens::from_file(&file)?.and(fixed.clone()).map(Arc::new);
    Ok(TokenTable::File(Reloading::new(vec![path], read)?))
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
