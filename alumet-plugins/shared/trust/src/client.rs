use std::sync::Arc;

use alumet_core::pipeline::{AddToStatus, Control, PipelineStatus};
use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::config::TlsConfig;
use crate::error::TlsError;
use crate::reload::Reloading;
use crate::{Made, files, provider};

/// TLS for the connections that a client makes.
#[derive(Debug)]
pub struct ClientTls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: TlsConfig,
    protocol: Option<&'static [u8]>,
    /// Missing until the files could be used.
    made: Mutex<Option<Reloading<Made<ClientConfig>, TlsError>>>,
}

impl ClientTls {
    /// Reads the files. `protocol` is what is spoken inside (ALPN): `h2`; the server chooses without it.
    ///
    /// # Errors
    /// Which file is missing or wrong, and how to mend it. A certificate that is out of date is none of these: it will be
    /// replaced, and [`Self::config`] says so until then.
    pub fn new(config: &TlsConfig, protocol: Option<&'static [u8]>) -> Result<Self, TlsError> {
        let tls = Self(Arc::new(Shared {
            config: config.clone(),
            protocol,
            made: Mutex::new(None),
        }));
        match tls.config() {
            Ok(_) => {}
            Err(error @ TlsError::OutOfDate { .. }) => {
                tracing::warn!(%error, "nothing can be sent until the certificate is valid");
            }
            Err(error) => return Err(error),
        }
        if config.insecure_skip_verify {
            tracing::warn!(
                "`insecure_skip_verify` is set: whoever is on the way can read and change what is sent"
            );
        }
        Ok(tls)
    }

    /// What the next connection uses: the same as before unless a file has changed.
    ///
    /// # Errors
    /// When the files could never be used so far.
    pub fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.0.made().map(|made| made.config)
    }

    /// Lets each status of a pipeline tell the certificates and when they expire, as long as this exists.
    pub fn report_to(&self, control: &Control) {
        control.on_status(Arc::downgrade(&self.0) as _);
    }

    /// The name that the certificate of the server at `host` must have.
    ///
    /// # Errors
    /// When it is neither a DNS name nor an IP address.
    pub fn server_name(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        let name = self.0.config.server_name.as_deref().unwrap_or(host);
        ServerName::try_from(name.to_owned()).map_err(|_| {
            TlsError::Unusable(format!(
                "`{name}` is neither a DNS name nor an IP address, so no certificate can have it; set `tls.server_name`"
            ))
        })
    }

    /// Where it comes from.
    pub fn source(&self) -> &TlsConfig {
        &self.0.config
    }
}

impl Shared {
    fn made(&self) -> Result<Made<ClientConfig>, TlsError> {
        let mut made = self.made.lock();
        if let Some(made) = &*made {
            return Ok(made.current());
        }
        let (config, protocol) = (self.config.clone(), self.protocol);
        let reloading = Reloading::new(config.files(), move || make(&config, protocol))?;
        Ok(made.insert(reloading).current())
    }
}

impl AddToStatus for Shared {
    fn add_to(&self, status: &mut PipelineStatus) {
        match self.made() {
            Ok(made) => status.certificates.extend(made.certificates),
            Err(error) => status.obstacles.push(error.to_string()),
        }
    }
}

fn make(tls: &TlsConfig, protocol: Option<&[u8]>) -> Result<Made<ClientConfig>, TlsError> {
    let provider = provider();
    let mut certificates = Vec::new();
    let verifier = if tls.insecure_skip_verify {
        None
    } else {
        let roots = match &tls.ca {
            Some(path) => {
                let (roots, status) = files::authorities(path)?;
                certificates.push(status);
                roots
            }
            None => files::system_authorities()?,
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        Some(verifier.build().map_err(TlsError::unusable)?)
    };
    let name = tls.server_name.clone().map(ServerName::try_from).transpose();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier {
            verifier,
            name: name.map_err(TlsError::unusable)?,
        }));
    let mut config = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key_path)) => {
            let identity = files::identity(certificate, key_path)?;
            certificates.push(identity.status);
            let built = builder.with_client_auth_cert(identity.chain, identity.key);
            built.map_err(|error| TlsError::identity(certificate, key_path, &error))?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocol.into_iter().map(<[u8]>::to_vec).collect();
    // Each connection proves anew who it is, with a certificate that is still valid.
    config.resumption = Resumption::disabled();
    Ok(Made {
        config: Arc::new(config),
        certificates,
    })
}

/// Verifies the certificate of a server as rustls does, under the name that the configuration gives it.
#[derive(Debug)]
struct Verifier {
    /// Missing: every certificate is taken.
    verifier: Option<Arc<WebPkiServerVerifier>>,
    name: Option<ServerName<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(verifier) = &self.verifier else {
            return Ok(ServerCertVerified::assertion());
        };
        let name = self.name.as_ref().unwrap_or(server_name);
        verifier.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
