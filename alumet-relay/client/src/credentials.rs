//! How this node proves who it is, and how it knows the server.

use alumet_relay_protocol::tls::{ClientFiles, ClientTls, TlsError, explain_client};
use alumet_relay_protocol::tokens::{TokenError, TokenSource};

use crate::config::{Config, TlsConfig};

/// The files and the token of the configuration.
#[derive(Debug)]
pub(crate) struct Credentials {
    files: Option<ClientFiles>,
    server_name: Option<String>,
    /// The files as they were read, once they could be used.
    tls: Option<ClientTls>,
    token: Option<TokenSource>,
}

impl Credentials {
    /// Reads the files.
    ///
    /// # Errors
    /// When they are missing or wrong. A certificate that is out of date is none of these: it will be replaced, and until
    /// then samples wait.
    pub(crate) fn of(config: &Config) -> Result<Self, TlsError> {
        let mut credentials = Self {
            files: config.tls.as_ref().map(files),
            server_name: config.tls.as_ref().and_then(|tls| tls.server_name.clone()),
            tls: None,
            token: token(config),
        };
        match credentials.tls() {
            Err(error @ (TlsError::Expired { .. } | TlsError::NotYetValid { .. })) => {
                tracing::warn!(%error, "samples wait until the certificate is valid");
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        Ok(credentials)
    }

    /// What a connection is encrypted with, if it is.
    pub(crate) fn tls(&mut self) -> Result<Option<&ClientTls>, TlsError> {
        if self.tls.is_none()
            && let Some(files) = &self.files
        {
            self.tls = Some(ClientTls::new(files.clone())?);
        }
        Ok(self.tls.as_ref())
    }

    /// The name that the certificate of a server must have, if it is not that of its address.
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// What TLS has to do with an error of a connection.
    pub(crate) fn explain(&self, error: &(dyn std::error::Error + 'static)) -> Option<String> {
        explain_client(error, self.tls.as_ref()?.files())
    }

    /// The token, if there is one.
    pub(crate) fn token(&self) -> Result<Option<String>, TokenError> {
        self.token.as_ref().map(TokenSource::read).transpose()
    }
}

/// The files of the table `tls`.
pub(crate) fn files(tls: &TlsConfig) -> ClientFiles {
    ClientFiles {
        ca: tls.ca.clone(),
        identity: tls.certificate.clone().zip(tls.key.clone()),
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
