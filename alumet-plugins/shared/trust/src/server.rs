use std::path::PathBuf;
use std::sync::Arc;

use alumet_core::pipeline::{AddToStatus, Control, PipelineStatus};
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};

use crate::error::TlsError;
use crate::reload::Reloading;
use crate::{Made, files, provider};

/// The files of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// Its certificate, followed by those between it and the authority, as PEM.
    pub certificate: PathBuf,
    /// The private key of the certificate, as PEM.
    pub key: PathBuf,
    /// The certificates of the authorities that sign those of clients, as PEM. Without them, clients show none.
    pub client_ca: Option<PathBuf>,
    /// Lists of certificates of clients that are worth nothing any more (CRL), as PEM.
    pub client_crl: Option<PathBuf>,
    /// Whether a client without certificate may connect, because it can prove in another way who it is.
    pub client_certificate_optional: bool,
}

/// TLS for the connections that a server accepts.
#[derive(Debug)]
pub struct ServerTls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    files: ServerFiles,
    made: Reloading<Made<ServerConfig>, TlsError>,
}

impl ServerTls {
    /// Reads the files. `protocol` is what is spoken inside (ALPN): `h2`.
    ///
    /// # Errors
    /// Which file is missing, out of date or wrong, and how to mend it.
    pub fn new(files: ServerFiles, protocol: &'static [u8]) -> Result<Self, TlsError> {
        let mut paths = vec![files.certificate.clone(), files.key.clone()];
        paths.extend(files.client_ca.clone());
        paths.extend(files.client_crl.clone());
        let source = files.clone();
        let made = Reloading::new(paths, move || make(&source, protocol))?;
        Ok(Self(Arc::new(Shared { files, made })))
    }

    /// What the next connection uses.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.0.made.current().config
    }

    /// Lets each status of a pipeline tell the certificates and when they expire, as long as this exists.
    pub fn report_to(&self, control: &Control) {
        control.on_status(Arc::downgrade(&self.0) as _);
    }

    /// Where it comes from.
    pub fn files(&self) -> &ServerFiles {
        &self.0.files
    }
}

impl AddToStatus for Shared {
    fn add_to(&self, status: &mut PipelineStatus) {
        status.certificates.extend(self.made.current().certificates);
    }
}

fn make(files: &ServerFiles, protocol: &[u8]) -> Result<Made<ServerConfig>, TlsError> {
    let files::Identity { chain, key, status } = files::identity(&files.certificate, &files.key)?;
    let mut certificates = vec![status];
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::unusable)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let (roots, status) = files::authorities(path)?;
            certificates.push(status);
            let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
            if let Some(path) = &files.client_crl {
                // An authority without a list has revoked nothing.
                verifier = verifier
                    .with_crls(files::revoked(path)?)
                    .only_check_end_entity_revocation()
                    .allow_unknown_revocation_status();
            }
            if files.client_certificate_optional {
                verifier = verifier.allow_unauthenticated();
            }
            let verifier = verifier
                .build()
                .map_err(|error| match (&error, &files.client_crl) {
                    (VerifierBuilderError::InvalidCrl(_), Some(path)) => TlsError::damaged(path, error),
                    _ => TlsError::authorities(path, error),
                })?;
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
    Ok(Made {
        config: Arc::new(config),
        certificates,
    })
}
