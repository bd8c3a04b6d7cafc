//! From PEM files to what rustls takes.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::error::TlsError;

/// A certificate with its chain, and its key.
pub(super) fn identity(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(certificate)?;
    check_validity(certificate, &chain[0])?;
    let text = read(key)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NotThere {
            path: key.to_owned(),
            what: "private key",
            begin: "PRIVATE KEY",
        },
        error => damaged(key, &error),
    })?;
    Ok((chain, key))
}

/// Certificates that are trusted to sign others.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let certificates = certificates(path)?;
    // One that is still valid is enough, so that an old and a new authority can be in one file.
    let validity: Vec<_> = certificates
        .iter()
        .map(|certificate| check_validity(path, certificate))
        .collect();
    if validity.iter().all(Result::is_err) {
        validity.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| TlsError::Authorities {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    }
    Ok(roots)
}

/// Finds out whether the file at `path` holds a certificate that is valid now, and says until when.
///
/// # Errors
/// What is wrong with it.
pub fn check_certificate(path: &Path) -> Result<String, TlsError> {
    let chain = certificates(path)?;
    check_validity(path, &chain[0])
}

/// The certificates in a file: at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let found = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| damaged(path, &error))?;
    if found.is_empty() {
        return Err(TlsError::NotThere {
            path: path.to_owned(),
            what: "certificate",
            begin: "CERTIFICATE",
        });
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Until when a certificate is valid, if it is now.
fn check_validity(path: &Path, certificate: &CertificateDer<'_>) -> Result<String, TlsError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| damaged(path, &error))?;
    let (validity, now) = (parsed.validity(), ASN1Time::now());
    let path = path.to_owned();
    if now < validity.not_before {
        let from = validity.not_before.to_string();
        return Err(TlsError::NotYetValid { path, from });
    }
    if now > validity.not_after {
        let since = validity.not_after.to_string();
        return Err(TlsError::Expired { path, since });
    }
    Ok(validity.not_after.to_string())
}
