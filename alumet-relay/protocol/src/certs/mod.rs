//! Makes certificates: an authority, one for a server, one for each node.

mod error;
mod files;
mod list;
mod revocation;

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
pub use list::{Listed, list};
pub use revocation::revoke;

use crate::identity::check_node_name;
use files::{Pair, Set};
use revocation::Revoked;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the authority is valid.
const AUTHORITY_VALIDITY: Duration = Duration::from_secs(3653 * DAY.as_secs());
/// How many days a certificate is valid unless something else is said: the longest that is commonly accepted of a private
/// authority.
pub const DAYS: u32 = 825;
const LEAF_VALIDITY: Duration = Duration::from_secs(DAYS as u64 * DAY.as_secs());
/// Clocks differ.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60 * 60);
/// The longest common name (`ub-common-name` of RFC 5280, appendix A.1).
const COMMON_NAME_LIMIT: usize = 64;

/// Makes an authority (`ca.pem`, `ca.key`), its list of revoked certificates (`ca.crl`) and the certificate of a server (`server.pem`, `server.key`) in the folder
/// `dir`, which is made if it is not there. Gives the files that were written.
///
/// The certificate is for `names`, which are DNS names or IP addresses; for the name of this machine, `localhost`,
/// `127.0.0.1` and `::1` if there are none. An authority that is in the folder without a certificate of a server is used
/// again, so that a certificate can be renewed by removing it. So is one of a run that was interrupted.
///
/// # Errors
/// When there are certificates already and `force` is not set, a name cannot be one, or the folder cannot be written.
pub fn init(dir: &Path, names: &[String], force: bool) -> Result<Vec<PathBuf>, CertsError> {
    let names = match names {
        [] => default_names(),
        names => names.to_vec(),
    };
    let (authority, server) = (Pair::new(dir, "ca"), Pair::new(dir, "server"));
    let set = Set::new(dir, "server");
    // Whoever was interrupted was not told of its certificates, and may have meant other names.
    let was_interrupted = set.put_in_place()?;
    let renews =
        !force && authority.existing().len() == 2 && (was_interrupted || server.existing().is_empty());
    if !force && !renews {
        authority.refuse_existing(
            "every certificate that it issued would stop working; use this authority, or set `--force`",
        )?;
        server.refuse_existing("remove it to renew it, or set `--force`")?;
    }
    check_server_names(&names)?;
    let params = leaf(&names, ExtendedKeyUsagePurpose::ServerAuth)?;

    set.begin()?;
    let mut written = Vec::new();
    let issuer = if renews {
        read_authority(&authority)?
    } else {
        written.extend(authority.paths());
        make_authority(&set)?
    };
    let revoked = dir.join(revocation::FILE);
    if !renews || !revoked.exists() {
        set.write_list(revocation::FILE, &Revoked::default().to_pem(&issuer)?)?;
        written.push(revoked);
    }
    make_leaf(&set, "server", params, LEAF_VALIDITY, &issuer)?;
    set.complete()?;
    written.extend(server.paths());
    Ok(written)
}

/// Makes the certificate of a node (`NODE.pem`, `NODE.key`), signed by the authority in the folder `dir` and valid for so many
/// `days`, [`DAYS`] if nobody says. Gives the files that were written.
///
/// # Errors
/// When the name cannot be that of a node, there is no authority, the node has a certificate already and `force` is not
/// set, or the folder cannot be written.
pub fn issue(dir: &Path, node: &str, days: Option<u32>, force: bool) -> Result<Vec<PathBuf>, CertsError> {
    check_node_name(node).map_err(|error| CertsError::new(error.to_string()))?;
    if is_of_no_node(node) {
        return Err(CertsError::new(format!(
            "`{node}` cannot be the name of a node here, because the files of the authority and the server are named like that"
        )));
    }
    let issuer = read_authority(&Pair::new(dir, "ca"))?;
    let pair = Pair::new(dir, node);
    let set = Set::new(dir, node);
    if !set.put_in_place()? && !force {
        pair.refuse_existing("set `--force` to replace it")?;
    }
    // A name like 10.0.0.1 is an IP address there, and the node is known by its common name.
    let params = leaf(&[node.to_owned()], ExtendedKeyUsagePurpose::ClientAuth)?;
    set.begin()?;
    let validity = days.map_or(LEAF_VALIDITY, |days| DAY * days);
    make_leaf(&set, node, params, validity, &issuer)?;
    set.complete()?;
    Ok(pair.paths().into())
}

/// Whether the files of that name are those of the authority or the server.
const fn is_of_no_node(name: &str) -> bool {
    name.eq_ignore_ascii_case("ca") || name.eq_ignore_ascii_case("server")
}

fn make_authority(set: &Set<'_>) -> Result<Issuer<'static, KeyPair>, CertsError> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Alumet relay authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, AUTHORITY_VALIDITY);
    let key = KeyPair::generate().map_err(not_made)?;
    let certificate = params.self_signed(&key).map_err(not_made)?;
    set.write("ca", &certificate.pem(), &key.serialize_pem())?;
    Ok(Issuer::new(params, key))
}

fn read_authority(pair: &Pair) -> Result<Issuer<'static, KeyPair>, CertsError> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| {
            let path = path.display();
            let text = format!("{path} cannot be read; `alumet-server certs init` makes an authority");
            CertsError::because(text, error)
        })
    };
    let damaged = |path: &Path| {
        let path = path.display();
        let text = format!(
            "{path} is no usable part of an authority; restore it, or make a new one with `certs init --force`"
        );
        move |error: rcgen::Error| CertsError::because(text, error)
    };
    let (certificate, key) = (read(&pair.certificate)?, read(&pair.key)?);
    let key = KeyPair::from_pem(&key).map_err(damaged(&pair.key))?;
    Issuer::from_ca_cert_pem(&certificate, key).map_err(damaged(&pair.certificate))
}

fn make_leaf(
    set: &Set<'_>,
    name: &str,
    mut params: CertificateParams,
    validity: Duration,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<(), CertsError> {
    set_validity(&mut params, validity);
    let key = KeyPair::generate().map_err(not_made)?;
    let certificate = params.signed_by(&key, issuer).map_err(not_made)?;
    set.write(name, &certificate.pem(), &key.serialize_pem())
}

/// Refuses what no client would ever find in a certificate, such as `[::1]` or a name with its port.
fn check_server_names(names: &[String]) -> Result<(), CertsError> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '*');
    let is_name = |name: &str| !name.is_empty() && name.chars().all(is_letter);
    let is_usable = |name: &String| name.parse::<IpAddr>().is_ok() || is_name(name);
    match names.iter().find(|name| !is_usable(name)) {
        None => Ok(()),
        Some(name) => Err(CertsError::new(format!(
            "a certificate cannot be for `{}`; use DNS names and IP addresses, without port or brackets",
            name.escape_debug()
        ))),
    }
}

/// What the certificate of a server or a node says, which has the first of the names as its common name.
fn leaf(names: &[String], usage: ExtendedKeyUsagePurpose) -> Result<CertificateParams, CertsError> {
    let mut params = CertificateParams::new(names).map_err(not_made)?;
    params.distinguished_name.remove(DnType::CommonName);
    if names[0].len() <= COMMON_NAME_LIMIT {
        params.distinguished_name.push(DnType::CommonName, &names[0]);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn not_made(error: rcgen::Error) -> CertsError {
    CertsError::because("a key or certificate cannot be made", error)
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
