use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

use crate::error::TlsError;
use crate::reload::Reloading;
use crate::{files, provider};

/// The files of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// Its certificate, followed by those between it and the authority, as PEM.
    pub certificate: PathBuf,
    /// The private key of the certificate, as PEM.
    pub key: PathBuf,
    /// The certificates of the authorities that sign those of clients, as PEM. Without them, clients show none.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without certificate may connect, because it can prove in another way who it is.
    pub client_certificate_optional: bool,
}

/// TLS for the connections that a server accepts.
#[derive(Debug)]
pub struct ServerTls {
    files: ServerFiles,
    config: Reloading<Arc<ServerConfig>, TlsError>,
}

impl ServerTls {
    /// Reads the files. `protocol` is what is spoken inside (ALPN): `h2`.
    ///
    /// # Errors
    /// Which file is missing, out of date or wrong, and how to mend it.
    pub fn new(files: ServerFiles, protocol: &'static [u8]) -> Result<Self, TlsError> {
        let mut paths = vec![files.certificate.clone(), files.key.clone()];
        paths.extend(files.client_ca.clone());
        let source = files.clone();
        let config = Reloading::new(paths, move || make(&source, protocol).map(Arc::new))?;
        Ok(Self { files, config })
    }

    /// What the next connection uses.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.current()
    }

    /// Where it comes from.
    pub const fn files(&self) -> &ServerFiles {
        &self.files
    }
}

fn make(files: &ServerFiles, protocol: &[u8]) -> Result<ServerConfig, TlsError> {
    let (chain, key) = files::identity(&files.certificate, &files.key)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::unusable)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(files::authorities(path)?);
            let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            if files.client_certificate_optional {
                verifier = verifier.allow_unauthenticated();
            }
            let verifier = verifier
                .build()
                .map_err(|error| TlsError::authorities(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::identity(&files.certificate, &files.key, &error))?;
    config.alpn_protocols = vec![protocol.to_vec()];
    // Each connection proves anew who it is, with a certificate that is still valid.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
