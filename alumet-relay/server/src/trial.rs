//! What of the work is possible on this machine.

use alumet_core::plugin::{Finding, StartContext};
use alumet_shared_http_server::try_listen;
use alumet_shared_trust::{open_secret, valid_until};

use crate::config::Config;
use crate::trust::Trust;

/// Notes whether the server could listen and whom it would trust.
pub(crate) fn note_all(config: &Config, trust: &Trust, alumet: &mut StartContext<'_>) {
    alumet.note(address(config));
    alumet.note(clients(config, trust));
    let file = config.tokens_file.as_deref();
    if let Some(finding) = file.and_then(|path| open_secret("file with tokens", path)) {
        alumet.note(finding);
    }
}

fn address(config: &Config) -> Finding {
    match config.parsed_address() {
        Err(fault) => Finding::broken("address", fault.to_string(), "mend `address`"),
        Ok(address) => try_listen(format!("address {address}"), address.place(), "`address`"),
    }
}

fn clients(config: &Config, trust: &Trust) -> Finding {
    let tokens = trust.tokens().map_or(0, |tokens| tokens.count());
    let clients = match (config.needs_credentials(), tokens) {
        (false, _) => "every client is believed".to_owned(),
        (true, 0) => "clients need a certificate".to_owned(),
        (true, tokens) if config.tls.client_ca.is_some() => {
            format!("clients need a certificate or one of {tokens} tokens")
        }
        (true, tokens) => format!("clients need one of {tokens} tokens"),
    };
    let until = config.tls.certificate.as_deref().map(valid_until);
    let channel = match until {
        None => "plain text".to_owned(),
        Some(until) => format!("the certificate is valid until {}", until.unwrap_or_default()),
    };
    Finding::works("certificates and tokens", format!("{channel}; {clients}"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use alumet_core::plugin::{Host, Verdict};
    use alumet_core::testkit::ManualClock;
    use alumet_relay_protocol::certs::init;

    use super::*;

    fn free() -> Config {
        Config {
            address: "127.0.0.1:0".to_owned(),
            ..Config::default()
        }
    }

    fn noted(config: &Config) -> Vec<Finding> {
        let host = Host::trial(Arc::new(ManualClock::new()), "/");
        let mut context = StartContext::new(&host);
        note_all(config, &Trust::read(config).unwrap(), &mut context);
        context.findings().to_vec()
    }

    #[test]
    fn an_address_that_is_free_in_use_or_elsewhere_is_told_apart() {
        assert_eq!(noted(&free())[0].verdict, Verdict::Works);
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for (address, verdict) in [
            (other.local_addr().unwrap().to_string(), Verdict::Limited),
            ("192.0.2.1:50051".to_owned(), Verdict::Broken),
            ("a b".to_owned(), Verdict::Broken),
        ] {
            let config = Config { address, ..free() };
            let finding = noted(&config).swap_remove(0);
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
        let finding = noted(&config).swap_remove(1);
        assert!(finding.detail.contains("need a certificate"), "{finding:?}");

        config.tls.key = Some(folder.path().join("ca.key"));
        let error = Trust::read(&config).unwrap_err().to_string();
        assert!(
            error.contains("ca.key") && error.contains("made together"),
            "{error}"
        );
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
        let findings = noted(&config);
        assert!(findings[1].detail.contains("1 tokens"), "{findings:?}");
        assert_eq!(findings[2].verdict, Verdict::Limited);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(noted(&config).len(), 2);
    }
}
