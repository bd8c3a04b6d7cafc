//! What certificates there are, and for how long.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use x509_parser::certificate::X509Certificate;
use x509_parser::pem::parse_x509_pem;
use x509_parser::time::ASN1Time;

use super::DAY;
use super::error::CertsError;
use super::revocation::Revoked;
use crate::identity::node_of;

/// A certificate in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its file.
    pub path: PathBuf,
    /// Whose it is.
    pub name: String,
    /// `authority`, `server` or `node`.
    pub kind: &'static str,
    /// From when on it is valid.
    pub not_before: ASN1Time,
    /// Until when.
    pub not_after: ASN1Time,
    /// How many days are left of that, with the one that has begun; 0 or less if it has expired.
    pub days_left: i64,
    /// Whether the authority has revoked it.
    pub is_revoked: bool,
}

/// The certificates in the folder `dir`, by their files.
///
/// # Errors
/// When the folder or a file in it cannot be read, or a file that ends in `.pem` holds no certificate.
pub fn list(dir: &Path) -> Result<Vec<Listed>, CertsError> {
    let unreadable = |error| CertsError::because(format!("{} cannot be read", dir.display()), error);
    let revoked = Revoked::read(dir)?;
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension() == Some(OsStr::new("pem")) {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| listed(path, &revoked)).collect()
}

fn listed(path: PathBuf, revoked: &Revoked) -> Result<Listed, CertsError> {
    let text = fs::read(&path)
        .map_err(|error| CertsError::because(format!("{} cannot be read", path.display()), error))?;
    let damaged = || {
        CertsError::new(format!(
            "{} holds no certificate; remove it, or restore it",
            path.display()
        ))
    };
    let (_, pem) = parse_x509_pem(&text).map_err(|_| damaged())?;
    let certificate = pem.parse_x509().map_err(|_| damaged())?;
    let (not_before, not_after) = (
        certificate.validity().not_before,
        certificate.validity().not_after,
    );
    let left = not_after.timestamp() - ASN1Time::now().timestamp();
    Ok(Listed {
        name: node_of(&pem.contents).unwrap_or_default(),
        kind: kind(&certificate),
        not_before,
        not_after,
        days_left: -(-left).div_euclid(DAY.as_secs().cast_signed()),
        is_revoked: revoked.contains(certificate.raw_serial()),
        path,
    })
}

fn kind(certificate: &X509Certificate<'_>) -> &'static str {
    let usage = certificate.extended_key_usage().ok().flatten();
    match usage {
        _ if certificate.is_ca() => "authority",
        Some(usage) if usage.value.server_auth => "server",
        _ => "node",
    }
}
