//! What of the work is possible on this machine.

use std::io;
use std::path::Path;

use alumet_core::plugin::Finding;
use alumet_shared_trust::{ServerTls, open_to_others, valid_until};

use crate::config::Config;
use crate::error::ServerError;
use crate::listener::bind;
use crate::trust::Trust;

/// Finds out whether the server could listen and whom it would trust.
pub(crate) fn diagnose(config: &Config) -> Vec<Finding> {
    let mut findings = vec![address(config)];
    findings.push(trust(config));
    findings.extend(config.tokens_file.as_deref().and_then(permissions));
    findings
}

fn address(config: &Config) -> Finding {
    const SUBJECT: &str = "address";
    let address = match config.parsed_address() {
        Ok(address) => address,
        Err(fault) => return Finding::broken(SUBJECT, fault.message, "mend `address`"),
    };
    match bind(&address) {
        Ok(_) => Finding::works(SUBJECT, format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Finding::limited(
            SUBJECT,
            format!("somebody listens on {address} already"),
            "nothing, if it is this server; otherwise stop it or choose another port in `address`",
        ),
        Err(source) => {
            let detail = format!("{address} cannot be used: {source}");
            let error = ServerError::Listen { address, source }.to_string();
            let remedy = error
                .split_once("; ")
                .map_or("choose another `address`", |(_, remedy)| remedy);
            Finding::broken(SUBJECT, detail, remedy)
        }
    }
}

fn trust(config: &Config) -> Finding {
    const SUBJECT: &str = "certificates and tokens";
    let trust = match Trust::read(config) {
        Ok(trust) => trust,
        Err(error) => {
            let error = error.to_string();
            let (detail, remedy) = error.split_once("; ").unwrap_or((&error, "mend the file"));
            return Finding::broken(SUBJECT, detail, remedy);
        }
    };
    let until = |tls: &ServerTls| valid_until(&tls.files().certificate).ok();
    let tokens = trust.tokens().map_or(0, |tokens| tokens.len());
    match (trust.tls.as_ref().map(until), trust.needs_credentials) {
        (None, false) => Finding::works(SUBJECT, "none: plain text, and every client is believed"),
        (None, true) => Finding::works(SUBJECT, format!("plain text, {tokens} tokens")),
        (Some(until), needs) => {
            let until = until.unwrap_or_default();
            let clients = match (needs, tokens) {
                (false, _) => "every client is believed".to_owned(),
                (true, 0) => "clients need a certificate".to_owned(),
                (true, tokens) if config.tls.client_ca.is_some() => {
                    format!("clients need a certificate or one of {tokens} tokens")
                }
                (true, tokens) => format!("clients need one of {tokens} tokens"),
            };
            Finding::works(
                SUBJECT,
                format!("the certificate is valid until {until}; {clients}"),
            )
        }
    }
}

fn permissions(path: &Path) -> Option<Finding> {
    let mode = open_to_others(path).ok()??;
    Some(Finding::limited(
        "file with tokens",
        format!("other users may read or write {} (mode {mode})", path.display()),
        format!("chmod 600 {}", path.display()),
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use alumet_core::plugin::Verdict;
    use alumet_relay_protocol::certs::init;

    use super::*;

    fn free() -> Config {
        Config {
            address: "127.0.0.1:0".to_owned(),
            ..Config::default()
        }
    }

    #[test]
    fn an_address_that_is_free_in_use_or_elsewhere_is_told_apart() {
        assert_eq!(diagnose(&free())[0].verdict, Verdict::Works);
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for (address, verdict) in [
            (other.local_addr().unwrap().to_string(), Verdict::Limited),
            ("192.0.2.1:50051".to_owned(), Verdict::Broken),
            ("a b".to_owned(), Verdict::Broken),
        ] {
            let config = Config { address, ..free() };
            let finding = diagnose(&config).swap_remove(0);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.remedy.is_some());
        }
    }

    #[test]
    fn certificates_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        init(folder.path(), &[], false).unwrap();
        let mut config = free();
        config.tls.certificate = Some(folder.path().join("server.pem"));
        config.tls.key = Some(folder.path().join("server.key"));
        config.tls.client_ca = Some(folder.path().join("ca.pem"));
        let finding = diagnose(&config).swap_remove(1);
        assert_eq!(finding.verdict, Verdict::Works);
        assert!(finding.detail.contains("need a certificate"), "{finding:?}");

        config.tls.key = Some(folder.path().join("ca.key"));
        let finding = diagnose(&config).swap_remove(1);
        assert_eq!(finding.verdict, Verdict::Broken);
        assert!(finding.detail.contains("ca.key"), "{finding:?}");
        assert!(finding.remedy.unwrap().contains("made together"));
    }

    #[test]
    fn a_file_of_tokens_that_others_may_read_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        fs::write(&path, "a 0123456789abcdef\n").unwrap();
        let config = Config {
            tokens_file: Some(path.clone()),
            ..free()
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let findings = diagnose(&config);
        assert!(findings[1].detail.contains("1 tokens"), "{findings:?}");
        assert_eq!(findings[2].verdict, Verdict::Limited);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(diagnose(&config).len(), 2);
    }
}
