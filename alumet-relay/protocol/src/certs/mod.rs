//! Makes certificates: an authority, one for a server, one for each node.

mod error;
mod files;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use x509_parser::time::ASN1Time;

pub use error::CertsError;

use crate::identity::check_node_name;
use files::{Pair, write_pair};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the authority is valid.
const AUTHORITY_VALIDITY: Duration = Duration::from_secs(3653 * DAY.as_secs());
/// How long a certificate is valid: the longest that is commonly accepted of a private authority.
const LEAF_VALIDITY: Duration = Duration::from_secs(825 * DAY.as_secs());
/// Clocks differ.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60 * 60);
/// The longest common name (`ub-common-name` of RFC 5280, appendix A.1).
const COMMON_NAME_LIMIT: usize = 64;

/// Makes an authority (`ca.pem`, `ca.key`) and the certificate of a server (`server.pem`, `server.key`) in the folder
/// `dir`, which is made if it is not there. Gives the files that were written.
///
/// The certificate is for `names`, which are DNS names or IP addresses; for the name of this machine, `localhost`,
/// `127.0.0.1` and `::1` if there are none. An authority that is in the folder without a certificate of a server is used
/// again, so that a certificate can be renewed by removing it.
///
/// # Errors
/// When there are certificates already and `force` is not set, a name cannot be one, or the folder cannot be written.
pub fn init(dir: &Path, names: &[String], force: bool) -> Result<Vec<PathBuf>, CertsError> {
    let names = match names {
        [] => default_names(),
        names => names.to_vec(),
    };
    let (authority, server) = (Pair::new(dir, "ca"), Pair::new(dir, "server"));
    let renews = !force && authority.is_complete() && server.is_absent();
    if !force && !renews {
        authority.refuse_existing(
            "every certificate that it issued would stop working; use this authority, or set `--force`",
        )?;
        server.refuse_existing("remove it to renew it, or set `--force`")?;
    }
    let mut params = CertificateParams::new(names.clone()).map_err(|error| CertsError::Name {
        names: names.join(", "),
        source: error,
    })?;
    name(&mut params, &names[0]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];

    files::make_folder(dir)?;
    let mut written = Vec::new();
    let issuer = if renews {
        read_authority(&authority)?
    } else {
        let (issuer, files) = make_authority(&authority)?;
        written.extend(files);
        issuer
    };
    written.extend(make_leaf(&server, params, &issuer)?);
    Ok(written)
}

/// Makes the certificate of a node (`NODE.pem`, `NODE.key`), signed by the authority in the folder `dir`. Gives the files
/// that were written.
///
/// # Errors
/// When the name cannot be that of a node, there is no authority, the node has a certificate already and `force` is not
/// set, or the folder cannot be written.
pub fn issue(dir: &Path, node: &str, force: bool) -> Result<Vec<PathBuf>, CertsError> {
    check_node_name(node)?;
    if ["ca", "server"]
        .iter()
        .any(|reserved| node.eq_ignore_ascii_case(reserved))
    {
        return Err(CertsError::Reserved(node.to_owned()));
    }
    let issuer = read_authority(&Pair::new(dir, "ca"))?;
    let pair = Pair::new(dir, node);
    if !force {
        pair.refuse_existing("set `--force` to replace it")?;
    }
    let names = vec![node.to_owned()];
    // A name like 10.0.0.1 is an IP address there, and the node is known by its common name.
    let mut params = CertificateParams::new(names).map_err(|source| CertsError::Name {
        names: node.to_owned(),
        source,
    })?;
    name(&mut params, node);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    make_leaf(&pair, params, &issuer)
}

fn make_authority(pair: &Pair) -> Result<(Issuer<'static, KeyPair>, [PathBuf; 2]), CertsError> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Alumet relay authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, AUTHORITY_VALIDITY);
    let key = KeyPair::generate().map_err(CertsError::Make)?;
    let certificate = params.self_signed(&key).map_err(CertsError::Make)?;
    let written = write_pair(pair, &certificate.pem(), &key.serialize_pem())?;
    Ok((Issuer::new(params, key), written))
}

fn read_authority(pair: &Pair) -> Result<Issuer<'static, KeyPair>, CertsError> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|source| CertsError::NoAuthority {
            path: path.to_owned(),
            source,
        })
    };
    let damaged = |path: &Path| {
        let path = path.to_owned();
        move |source| CertsError::Authority { path, source }
    };
    let (certificate, key) = (read(&pair.certificate)?, read(&pair.key)?);
    let key = KeyPair::from_pem(&key).map_err(damaged(&pair.key))?;
    Issuer::from_ca_cert_pem(&certificate, key).map_err(damaged(&pair.certificate))
}

fn make_leaf(
    pair: &Pair,
    mut params: CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<Vec<PathBuf>, CertsError> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, LEAF_VALIDITY);
    let key = KeyPair::generate().map_err(CertsError::Make)?;
    let certificate = params.signed_by(&key, issuer).map_err(CertsError::Make)?;
    Ok(write_pair(pair, &certificate.pem(), &key.serialize_pem())?.to_vec())
}

fn name(params: &mut CertificateParams, name: &str) {
    params.distinguished_name.remove(DnType::CommonName);
    if name.len() <= COMMON_NAME_LIMIT {
        params.distinguished_name.push(DnType::CommonName, name);
    }
}

fn set_validity(params: &mut CertificateParams, validity: Duration) {
    let now = ASN1Time::now().to_datetime();
    params.not_before = now - CLOCK_TOLERANCE;
    params.not_after = now + validity;
}

fn default_names() -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let is_usable = check_node_name(host).is_ok() && host.parse::<IpAddr>().is_err();
    if is_usable && !names.iter().any(|name| name == host) {
        names.insert(0, host.to_owned());
    }
    names
}
