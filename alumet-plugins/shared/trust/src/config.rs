use std::path::PathBuf;

use alumet_core::plugin::Faults;
use rustls::pki_types::ServerName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::server::ServerFiles;

/// The certificates of a server, and whose it trusts. All files are PEM and are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServerTlsConfig {
    /// The certificate that clients are shown, followed by those between it and its authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/server.pem"]))]
    pub certificate: Option<PathBuf>,
    /// The private key of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/server.key"]))]
    pub key: Option<PathBuf>,
    /// The authorities that sign the certificates of clients. With it, a client needs a certificate, or a token where there are
    /// some.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/ca.pem"]))]
    pub client_ca: Option<PathBuf>,
    /// The certificates of clients that are worth nothing any more, as their authorities list them (CRL, several may be in the
    /// file); `alumet-server certs revoke` adds to it. Who is connected stays so until the connection ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/ca.crl"]))]
    pub client_crl: Option<PathBuf>,
}

/// How connections to a server are encrypted, and how both sides prove who they are. The files are read again when they
/// change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TlsConfig {
    /// The file with the certificates (PEM) of those who may sign that of the server. Without it, those that the system
    /// trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/ca.pem"]))]
    pub ca: Option<PathBuf>,
    /// The file with the certificate (PEM) that is shown to the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/node-17.pem"]))]
    pub certificate: Option<PathBuf>,
    /// The file with the private key (PEM) of this certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/node-17.key"]))]
    pub key: Option<PathBuf>,
    /// The name that the certificate of the server must have. Without it, the host in its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["server.example.org"]))]
    pub server_name: Option<String>,
    /// Whether any certificate of the server is taken. Whoever is on the way can then read and change everything: for
    /// trials only.
    pub insecure_skip_verify: bool,
}

impl ServerTlsConfig {
    /// Refuses what types cannot; `path` is the key of this table.
    pub fn check(&self, path: &str, faults: &mut Faults) {
        check_pair(self.certificate.is_some(), self.key.is_some(), path, faults);
        if self.client_ca.is_some() && self.certificate.is_none() && self.key.is_none() {
            let message = "without a certificate, no connection is encrypted";
            faults.add(&format!("{path}.certificate"), message);
        }
        if self.client_crl.is_some() && self.client_ca.is_none() {
            let message = "without it, clients show no certificate that could be revoked";
            faults.add(&format!("{path}.client_ca"), message);
        }
    }

    /// Its files, if there is a certificate to show.
    pub fn files(&self, client_certificate_optional: bool) -> Option<ServerFiles> {
        Some(ServerFiles {
            certificate: self.certificate.clone()?,
            key: self.key.clone()?,
            client_ca: self.client_ca.clone(),
            client_crl: self.client_crl.clone(),
            client_certificate_optional,
        })
    }
}

impl TlsConfig {
    /// Refuses what types cannot; `path` is the key of this table.
    pub fn check(&self, path: &str, faults: &mut Faults) {
        check_pair(self.certificate.is_some(), self.key.is_some(), path, faults);
        let mut add = |key: &str, message: &str| faults.add(&format!("{path}.{key}"), message);
        if self.insecure_skip_verify && self.ca.is_some() {
            let message = "with it, `ca` has no effect; remove one of them";
            add("insecure_skip_verify", message);
        }
        if let Some(name) = &self.server_name
            && ServerName::try_from(name.as_str()).is_err()
        {
            add("server_name", "write a DNS name or an IP address");
        }
    }

    /// All files that it names.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        [&self.ca, &self.certificate, &self.key]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

/// A certificate and its key are of use together only.
fn check_pair(has_certificate: bool, has_key: bool, path: &str, faults: &mut Faults) {
    let mut add = |key: &str, message: &str| faults.add(&format!("{path}.{key}"), message);
    match (has_certificate, has_key) {
        (true, false) => add("key", "the certificate needs its private key"),
        (false, true) => add("certificate", "the private key needs its certificate"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_could_not_encrypt_is_refused_with_the_key_that_it_lacks() {
        let path = || Some(PathBuf::from("f"));
        for (certificate, key, client_ca, client_crl, lacks) in [
            (path(), None, None, None, "tls.key"),
            (None, path(), path(), None, "tls.certificate"),
            (None, None, path(), None, "tls.certificate"),
            (path(), path(), None, path(), "tls.client_ca"),
            (None, None, None, None, ""),
            (path(), path(), None, None, ""),
            (path(), path(), path(), path(), ""),
        ] {
            let config = ServerTlsConfig {
                certificate,
                key,
                client_ca,
                client_crl,
            };
            let mut faults = Faults::default();
            config.check("tls", &mut faults);
            assert_eq!(faults.keys().concat(), lacks, "{config:?}");
        }
    }

    #[test]
    fn halves_and_contradictions_are_refused_with_their_key() {
        let path = |name: &str| Some(PathBuf::from(name));
        let of = |change: fn(&mut TlsConfig, Option<PathBuf>)| {
            let mut config = TlsConfig::default();
            change(&mut config, path("f"));
            let mut faults = Faults::default();
            config.check("tls", &mut faults);
            faults.keys().pop()
        };
        assert_eq!(of(|_, _| {}), None);
        assert_eq!(of(|tls, file| tls.certificate = file).as_deref(), Some("tls.key"));
        assert_eq!(of(|tls, file| tls.key = file).as_deref(), Some("tls.certificate"));
        assert_eq!(
            of(|tls, file| (tls.ca, tls.insecure_skip_verify) = (file, true)).as_deref(),
            Some("tls.insecure_skip_verify")
        );
        assert_eq!(
            of(|tls, _| tls.server_name = Some("a b".to_owned())).as_deref(),
            Some("tls.server_name")
        );
    }
}
