//! Whether servers can be reached, and whether what proves who this node is can be used.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use alumet_core::plugin::Finding;
use alumet_relay_protocol::address::Address;
use alumet_shared_trust::{ClientTls, TlsConfig, open_to_others, valid_until};

use crate::config::Config;
use crate::credentials::token;
use crate::target::targets;

/// Long enough for any server that works.
const PATIENCE: Duration = Duration::from_secs(2);

/// What can be said without a session.
pub(crate) fn diagnose(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    match targets(config) {
        Ok(targets) => findings.extend(targets.iter().map(|target| server(&target.address))),
        Err(fault) => findings.push(Finding::broken(
            "relay server",
            fault.to_string(),
            "correct `relay_server`",
        )),
    }
    findings.extend(config.tls.iter().flat_map(certificates));
    findings.extend(token_finding(config));
    findings
}

fn server(address: &Address) -> Finding {
    let subject = format!("relay server {address}");
    let remedy =
        "start the relay server there, or correct `relay_server`; until then samples wait in the spool";
    let resolved = match (address.host.as_str(), address.port).to_socket_addrs() {
        Ok(resolved) => resolved,
        Err(error) => return Finding::limited(subject, format!("its name leads nowhere: {error}"), remedy),
    };
    let mut reason = "its name leads nowhere".to_owned();
    for one in resolved {
        match TcpStream::connect_timeout(&one, PATIENCE) {
            Ok(_) => return Finding::works(subject, "accepts connections"),
            Err(error) => reason = error.to_string(),
        }
    }
    Finding::limited(subject, reason, remedy)
}

fn certificates(tls: &TlsConfig) -> Vec<Finding> {
    const SUBJECT: &str = "certificates";
    if let Err(error) = ClientTls::new(tls, None) {
        return vec![Finding::broken(
            SUBJECT,
            error.to_string(),
            "correct the table `tls`",
        )];
    }
    let paths = [tls.ca.as_ref(), tls.certificate.as_ref()];
    let mut findings: Vec<Finding> = paths
        .into_iter()
        .flatten()
        .map(|path| certificate(path))
        .collect();
    findings.extend(tls.key.as_deref().and_then(|key| secret("private key", key)));
    findings
}

fn certificate(path: &Path) -> Finding {
    let subject = format!("certificate {}", path.display());
    match valid_until(path) {
        Ok(until) => Finding::works(subject, format!("valid until {until}")),
        Err(error) => Finding::broken(subject, error.to_string(), "replace it"),
    }
}

fn token_finding(config: &Config) -> Option<Finding> {
    const SUBJECT: &str = "token";
    let source = token(config)?;
    if let Err(error) = source.read() {
        return Some(Finding::broken(
            SUBJECT,
            error.to_string(),
            "correct `token` or `token_file`",
        ));
    }
    let open = config
        .token_file
        .as_deref()
        .and_then(|path| secret(SUBJECT, path));
    Some(open.unwrap_or_else(|| Finding::works(SUBJECT, "can be used")))
}

/// A secret that others can read.
fn secret(subject: &str, path: &Path) -> Option<Finding> {
    let mode = open_to_others(path).ok()??;
    let path = path.display();
    let detail = format!("{path} has mode {mode}: others than its owner can read or change it");
    Some(Finding::limited(subject, detail, format!("chmod 600 {path}")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt;

    use alumet_core::plugin::Verdict;
    use alumet_relay_protocol::certs;

    use super::*;

    fn verdicts(toml: &str) -> Vec<(Verdict, String)> {
        let findings = diagnose(&toml::from_str(toml).unwrap());
        findings
            .into_iter()
            .map(|finding| (finding.verdict, format!("{} {}", finding.subject, finding.detail)))
            .collect()
    }

    #[test]
    fn a_server_that_listens_works_and_one_that_does_not_is_a_limit() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let toml = format!("relay_server = '{address}'");
        assert_eq!(verdicts(&toml)[0].0, Verdict::Works);
        drop(listener);
        let found = verdicts(&toml);
        assert_eq!(found[0].0, Verdict::Limited);
        assert!(found[0].1.contains("refused"), "{found:?}");
    }

    #[test]
    fn certificates_and_keys_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        certs::init(folder.path(), &["localhost".to_owned()], false).unwrap();
        certs::issue(folder.path(), "node", false).unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (ca, pem, key) = (at("ca.pem"), at("node.pem"), at("node.key"));
        let toml = format!("tls = {{ ca = '{ca}', certificate = '{pem}', key = '{key}' }}");
        let found = verdicts(&toml);
        assert!(
            found[1..].iter().all(|(verdict, _)| *verdict == Verdict::Works),
            "{found:?}"
        );
        assert_eq!(found.len(), 3);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(verdicts(&toml)[3].0, Verdict::Limited);
        fs::remove_file(&key).unwrap();
        let found = verdicts(&toml);
        assert!(
            found[1].0 == Verdict::Broken && found[1].1.contains("node.key"),
            "{found:?}"
        );
    }

    #[test]
    fn a_token_must_be_there_and_be_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let toml = format!("token_file = '{}'", path.display());
        assert_eq!(verdicts(&toml)[1].0, Verdict::Broken);
        fs::write(&path, "0123456789abcdef\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(verdicts(&toml)[1].0, Verdict::Works);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let found = verdicts(&toml);
        assert!(
            found[1].0 == Verdict::Limited && found[1].1.contains("0640"),
            "{found:?}"
        );
    }
}
