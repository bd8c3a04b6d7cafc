//! The list of the certificates that an authority has revoked (CRL, RFC 5280 section 5).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevocationReason, RevokedCertParams,
    SerialNumber,
};
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::time::ASN1Time;

use super::error::CertsError;
use super::files::{Pair, replace};
use super::{AUTHORITY_VALIDITY, CLOCK_TOLERANCE, is_of_no_node, not_made, read_authority};

/// Its file, beside the authority.
pub(super) const FILE: &str = "ca.crl";

/// What an authority has revoked.
#[derive(Default)]
pub(super) struct Revoked {
    /// How often the list was made before.
    number: u64,
    certificates: Vec<(Vec<u8>, ASN1Time)>,
}

impl Revoked {
    /// That in the folder `dir`; nothing if there is no file.
    pub(super) fn read(dir: &Path) -> Result<Self, CertsError> {
        let path = dir.join(FILE);
        let damaged = || {
            CertsError::new(format!(
                "{} is no list of revoked certificates; restore it, or remove it and revoke again what is not to connect",
                path.display()
            ))
        };
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            read => read
                .map_err(|error| CertsError::because(format!("{} cannot be read", path.display()), error))?,
        };
        let (_, pem) = parse_x509_pem(&text).map_err(|_| damaged())?;
        let (_, list) = CertificateRevocationList::from_der(&pem.contents).map_err(|_| damaged())?;
        let number = list.crl_number().and_then(|number| u64::try_from(number).ok());
        let entries = list.iter_revoked_certificates();
        Ok(Self {
            number: number.unwrap_or_default(),
            certificates: entries
                .map(|entry| (entry.raw_serial().to_vec(), entry.revocation_date))
                .collect(),
        })
    }

    pub(super) fn contains(&self, serial: &[u8]) -> bool {
        self.certificates.iter().any(|(revoked, _)| revoked == serial)
    }

    /// The list as PEM, signed by its authority. It is valid as long as an authority may be: a server takes it as it is.
    pub(super) fn to_pem(&self, issuer: &Issuer<'_, KeyPair>) -> Result<String, CertsError> {
        let now = ASN1Time::now().to_datetime();
        let certificates = self.certificates.iter();
        let params = CertificateRevocationListParams {
            this_update: now - CLOCK_TOLERANCE,
            next_update: now + AUTHORITY_VALIDITY,
            crl_number: SerialNumber::from(self.number + 1),
            issuing_distribution_point: None,
            revoked_certs: certificates
                .map(|(serial, at)| RevokedCertParams {
                    serial_number: SerialNumber::from_slice(serial),
                    revocation_time: at.to_datetime(),
                    reason_code: Some(RevocationReason::Unspecified),
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params
            .signed_by(issuer)
            .and_then(|list| list.pem())
            .map_err(not_made)
    }
}

/// Adds the certificate of a node (`NODE.pem`) to the list of the authority in the folder `dir` (`ca.crl`), which is made if it
/// is not there. Gives the file.
///
/// # Errors
/// When there is no authority or no such certificate, or a file cannot be read or written.
pub fn revoke(dir: &Path, node: &str) -> Result<PathBuf, CertsError> {
    if is_of_no_node(node) {
        return Err(CertsError::new(format!(
            "`{node}` is no node: agents look at no list; make a new authority or server with `certs init`"
        )));
    }
    let issuer = read_authority(&Pair::new(dir, "ca"))?;
    let certificate = Pair::new(dir, node).certificate;
    let text = fs::read(&certificate).map_err(|error| {
        let text = format!(
            "{} cannot be read; `certs list` tells what there is",
            certificate.display()
        );
        CertsError::because(text, error)
    })?;
    let damaged = || CertsError::new(format!("{} holds no certificate", certificate.display()));
    let (_, pem) = parse_x509_pem(&text).map_err(|_| damaged())?;
    let parsed = pem.parse_x509().map_err(|_| damaged())?;
    let mut revoked = Revoked::read(dir)?;
    if !revoked.contains(parsed.raw_serial()) {
        let entry = (parsed.raw_serial().to_vec(), ASN1Time::now());
        revoked.certificates.push(entry);
    }
    let path = dir.join(FILE);
    replace(&path, &revoked.to_pem(&issuer)?)?;
    Ok(path)
}
