//! TLS from files that may change: whoever begins a connection uses what the files hold at that time, and connections
//! that exist go on.

mod error;
mod explain;
mod files;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, ServerConfig};

pub use error::TlsError;
pub use explain::{explain_client, explain_server};
pub use files::check_certificate;

use crate::address::Address;
use crate::reload::Reloading;

/// What is spoken inside TLS (RFC 9113, section 3.2).
const ALPN_HTTP2: &[u8] = b"h2";

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

/// The files of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// The certificates of the authorities that sign those of servers, as PEM.
    pub ca: PathBuf,
    /// The certificate of the client and its private key, as PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// TLS for the connections that a server accepts.
#[derive(Debug)]
pub struct ServerTls {
    files: ServerFiles,
    config: Reloading<Arc<ServerConfig>, TlsError>,
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// Which file is missing, expired or wrong, and how to mend it.
    pub fn new(files: ServerFiles) -> Result<Self, TlsError> {
        let mut paths = vec![files.certificate.clone(), files.key.clone()];
        paths.extend(files.client_ca.clone());
        let source = files.clone();
        let config = Reloading::new(paths, move || server_config(&source).map(Arc::new))?;
        Ok(Self { files, config })
    }

    /// What the next connection uses.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.current())
    }

    /// Where it comes from.
    pub const fn files(&self) -> &ServerFiles {
        &self.files
    }
}

/// TLS for the connections that a client makes.
#[derive(Debug)]
pub struct ClientTls {
    files: ClientFiles,
    config: Reloading<Arc<ClientConfig>, TlsError>,
}

impl ClientTls {
    /// Reads the files.
    ///
    /// # Errors
    /// Which file is missing, expired or wrong, and how to mend it.
    pub fn new(files: ClientFiles) -> Result<Self, TlsError> {
        let mut paths = vec![files.ca.clone()];
        if let Some((certificate, key)) = &files.identity {
            paths.extend([certificate.clone(), key.clone()]);
        }
        let source = files.clone();
        let config = Reloading::new(paths, move || client_config(&source).map(Arc::new))?;
        Ok(Self { files, config })
    }

    /// What the next connection uses.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config.current())
    }

    /// Where it comes from.
    pub const fn files(&self) -> &ClientFiles {
        &self.files
    }
}

/// The name that the certificate of the server at `address` must have: `configured`, or else the host of the address.
///
/// # Errors
/// When it is neither a DNS name nor an IP address.
pub fn server_name(address: &Address, configured: Option<&str>) -> Result<ServerName<'static>, TlsError> {
    let name = configured.unwrap_or(&address.host);
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn server_config(files: &ServerFiles) -> Result<ServerConfig, TlsError> {
    let (chain, key) = files::identity(&files.certificate, &files.key)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(files::authorities(path)?);
            let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            if files.client_certificate_optional {
                verifier = verifier.allow_unauthenticated();
            }
            let verifier = verifier.build().map_err(|error| TlsError::Authorities {
                path: path.clone(),
                reason: error.to_string(),
            })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::identity(&files.certificate, &files.key, error))?;
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
    // Each connection proves anew who it is, with a certificate that is still valid.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client_config(files: &ClientFiles) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?
        .with_root_certificates(files::authorities(&files.ca)?);
    let mut config = match &files.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key_path)) => {
            let (chain, key) = files::identity(certificate, key_path)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| TlsError::identity(certificate, key_path, error))?
        }
    };
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}
