//! What the configuration says about whom to trust, read from its files.

use std::sync::Arc;

use alumet_core::plugin::StartError;
use alumet_relay_protocol::tokens::{TokenError, Tokens};
use alumet_shared_trust::{Reloading, ServerTls, open_to_others};

use crate::config::Config;

/// How a client proves who it is.
#[derive(Debug)]
pub(crate) struct Trust {
    /// Missing: plain text.
    pub(crate) tls: Option<ServerTls>,
    tokens: Option<Reloading<Arc<Tokens>, TokenError>>,
}

impl Trust {
    /// Reads the files.
    pub(crate) fn read(config: &Config) -> Result<Self, StartError> {
        let files = config.tls.files(config.has_tokens());
        let tls = files.map(|files| ServerTls::new(files, b"h2"));
        let tokens = config.has_tokens().then(|| tokens(config));
        Ok(Self {
            tls: tls.transpose()?,
            tokens: tokens.transpose()?,
        })
    }

    /// The tokens as they are now; `None` when nobody has one.
    pub(crate) fn tokens(&self) -> Option<Arc<Tokens>> {
        Some(self.tokens.as_ref()?.current())
    }
}

/// Those of the configuration and of the file, which is read again when it changes.
fn tokens(config: &Config) -> Result<Reloading<Arc<Tokens>, TokenError>, TokenError> {
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
    Reloading::new(files, move || {
        let fixed = fixed.clone();
        let tokens = match &path {
            Some(path) => fixed.with_file(path)?,
            None => fixed,
        };
        Ok(Arc::new(tokens))
    })
}
