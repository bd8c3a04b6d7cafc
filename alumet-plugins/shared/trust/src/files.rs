use std::path::Path;

use alumet_core::pipeline::CertificateStatus;
use alumet_core::time::Timestamp;
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::error::{TlsError, Unreadable};

/// A certificate with its chain, and its key.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) status: CertificateStatus,
}

/// The certificate in one file and its key in another.
pub(crate) fn identity(certificate: &Path, key: &Path) -> Result<Identity, TlsError> {
    let chain = certificates(certificate)?;
    let status = status(certificate, check_validity(certificate, &chain[0])?);
    let text = read(key)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::not_there(key, "private key", "PRIVATE KEY"),
        error => TlsError::damaged(key, error),
    })?;
    Ok(Identity { chain, key, status })
}

/// Certificates that are trusted to sign others, and the one of them that is valid for longest.
pub(crate) fn authorities(path: &Path) -> Result<(RootCertStore, CertificateStatus), TlsError> {
    let mut roots = RootCertStore::empty();
    let certificates = certificates(path)?;
    // One that is still valid is enough, so that an old and a new authority can be in one file.
    let mut until = check_validity(path, &certificates[0]);
    for certificate in &certificates[1..] {
        until = match (until, check_validity(path, certificate)) {
            (Ok(one), Ok(other)) => Ok(one.max(other)),
            (one, other) => one.or(other),
        };
    }
    let status = status(path, until?);
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| TlsError::authorities(path, error))?;
    }
    Ok((roots, status))
}

/// The certificates that are worth nothing any more, as their authorities say.
pub(crate) fn revoked(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let text = read(path)?;
    let lists = CertificateRevocationListDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let lists = lists.map_err(|error| TlsError::damaged(path, error))?;
    match lists.is_empty() {
        true => Err(TlsError::not_there(
            path,
            "list of revoked certificates",
            "X509 CRL",
        )),
        false => Ok(lists),
    }
}

/// The certificates that the system trusts to sign others.
pub(crate) fn system_authorities() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})"));
        return Err(TlsError::Unusable(format!(
            "this system has no certificates of authorities{}; install `ca-certificates`, or name a file in `tls.ca`",
            why.unwrap_or_default()
        )));
    }
    Ok(roots)
}

/// Until when the certificate in the file at `path` is valid.
///
/// # Errors
/// When it is not valid now.
pub fn valid_until(path: &Path) -> Result<String, TlsError> {
    let chain = certificates(path)?;
    check_validity(path, &chain[0]).map(|until| until.to_string())
}

/// What a status tells of the certificate in a file.
fn status(path: &Path, not_after: ASN1Time) -> CertificateStatus {
    let nanos = not_after.timestamp().saturating_mul(1_000_000_000);
    CertificateStatus {
        path: path.to_owned(),
        not_after: Timestamp::from_nanos(nanos),
    }
}

/// The certificates in a file: at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let found = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::damaged(path, error))?;
    if found.is_empty() {
        return Err(TlsError::not_there(path, "certificate", "CERTIFICATE"));
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    std::fs::read(path).map_err(|error| Unreadable::new(path, error))
}

/// Until when a certificate is valid, if it is now.
fn check_validity(path: &Path, certificate: &CertificateDer<'_>) -> Result<ASN1Time, TlsError> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|error| TlsError::damaged(path, error))?;
    let (validity, now) = (parsed.validity(), ASN1Time::now());
    let fault = if now < validity.not_before {
        let from = validity.not_before;
        format!("is valid only from {from} on; set the clock of this machine or wait")
    } else if now > validity.not_after {
        format!("expired at {}; replace it with a new one", validity.not_after)
    } else {
        return Ok(validity.not_after);
    };
    let path = path.to_owned();
    Err(TlsError::OutOfDate { path, fault })
}
