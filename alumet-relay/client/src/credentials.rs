//! How this node proves who it is, and how it knows the server.

use alumet_relay_protocol::tokens::{TokenError, TokenSource};
use alumet_shared_trust::{ClientTls, TlsError};

use crate::config::Config;

/// The files and the token of the configuration.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) tls: Option<ClientTls>,
    token: Option<TokenSource>,
}

impl Credentials {
    /// Reads the files.
    ///
    /// # Errors
    /// When they are missing or wrong. A certificate that is out of date is none of these: it will be replaced, and until
    /// then samples wait.
    pub(crate) fn of(config: &Config) -> Result<Self, TlsError> {
        let tls = config.tls.as_ref().map(|tls| ClientTls::new(tls, Some(b"h2")));
        Ok(Self {
            tls: tls.transpose()?,
            token: token(config),
        })
    }

    /// The token, if there is one.
    pub(crate) fn token(&self) -> Result<Option<String>, TokenError> {
        self.token.as_ref().map(TokenSource::read).transpose()
    }
}

/// Where the token is, if there is one.
pub(crate) fn token(config: &Config) -> Option<TokenSource> {
    let literal = config
        .token
        .as_ref()
        .map(|token| TokenSource::Literal(token.0.clone()));
    literal.or_else(|| config.token_file.clone().map(TokenSource::File))
}
