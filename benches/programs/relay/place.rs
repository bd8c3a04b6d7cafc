//! The folder of a measurement, with certificates and configurations.

use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use alumet_plugin_relay_client::{Config, Servers, TlsConfig};
use alumet_relay_protocol::certs;
use tempfile::TempDir;

use crate::process::Kind;

/// A folder that is removed at the end.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// With an authority and the certificate of a server on this machine.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Self { folder };
        certs::init(&place.path("certs"), &["127.0.0.1".to_owned()], false).expect("certificates");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    /// A folder in it, for a program.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// The configuration of a server, which knows clients by their certificates if it speaks TLS.
    pub(crate) fn server_config(&self, address: SocketAddr, kind: Kind, has_tls: bool) -> String {
        let mut text = format!("[plugins.relay-server]\naddress = '{address}'\n");
        if matches!(kind, Kind::Null | Kind::Csv) {
            // The speed of the server is what is measured.
            text.push_str("max_samples_per_second = 0\n");
        }
        if has_tls {
            let _ = writeln!(text, "[plugins.relay-server.tls]");
            for (key, file) in [
                ("certificate", "server.pem"),
                ("key", "server.key"),
                ("client_ca", "ca.pem"),
            ] {
                let _ = writeln!(text, "{key} = '{}'", self.path("certs").join(file).display());
            }
        }
        text
    }

    /// The configuration of a client, with a certificate of its own if it speaks TLS.
    pub(crate) fn client_config(&self, server: SocketAddr, node: &str, has_tls: bool) -> Config {
        Config {
            client_name: Some(node.to_owned()),
            relay_server: Servers::One(server.to_string()),
            tls: has_tls.then(|| self.client_tls(node)),
            ..Config::default()
        }
    }

    fn client_tls(&self, node: &str) -> TlsConfig {
        let certs = self.path("certs");
        if !certs.join(format!("{node}.pem")).exists() {
            certs::issue(&certs, node, None, false).expect("a certificate");
        }
        TlsConfig {
            ca: Some(certs.join("ca.pem")),
            certificate: Some(certs.join(format!("{node}.pem"))),
            key: Some(certs.join(format!("{node}.key"))),
            ..TlsConfig::default()
        }
    }
}

/// The configuration of a client, as an agent reads it.
pub(crate) fn client_table(config: &Config) -> String {
    let mut plugins = toml::Table::new();
    let table = toml::Table::try_from(config).expect("a table");
    plugins.insert("relay-client".to_owned(), table.into());
    let mut root = toml::Table::new();
    root.insert("plugins".to_owned(), plugins.into());
    toml::to_string(&root).expect("a text")
}

/// An address on this machine that nobody uses at the moment.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}
