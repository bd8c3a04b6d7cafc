//! Servers that encrypt and let not everybody in.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use alumet_plugin_nats::{Config, NatsPlugin};
use alumet_relay_protocol::certs::{init, issue};
use alumet_shared_output_testkit::{Nats, delivered, has_said, run, until};
use alumet_shared_trust::{Secret, TlsConfig};

use crate::rig::config;

/// Whether this configuration delivers, and if not, whether it says all of this.
fn check(config: Config, words: Option<&[&str]>) {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = run::<NatsPlugin>(folder.path(), config, 0);
    match words {
        None => until("it delivers", || delivered(&pipeline) > 50),
        Some(words) => until(&words.join(" … "), || has_said(&pipeline, words)),
    }
}

#[test]
fn both_sides_prove_who_they_are_or_it_is_said_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    init(folder.path(), &[], false).unwrap();
    issue(folder.path(), "node", None, false).unwrap();
    let lines = format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}\n\
         authorization {{ users: [ {{ user: alumet, password: pw }} ] }}",
        at("server.pem"),
        at("server.key"),
        at("ca.pem")
    );
    let Some(server) = Nats::start(&lines) else { return };
    let password = at("password");
    fs::write(&password, "pw\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let right = TlsConfig {
        ca: Some(at("ca.pem")),
        certificate: Some(at("node.pem")),
        key: Some(at("node.key")),
        ..TlsConfig::default()
    };
    let with = |tls: Option<&TlsConfig>, password: Option<&str>| {
        let mut config = config(&server);
        config.connection.tls = tls.cloned();
        config.connection.username = Some("alumet".to_owned());
        config.connection.password = password.map(|password| Secret(password.to_owned()));
        config.connection.password_file = password.is_none().then(|| at("password"));
        config
    };
    check(with(Some(&right), None), None);
    check(
        with(Some(&right), Some("wrong")),
        Some(&["does not let this program in", "`password_file`"]),
    );
    let no_certificate = TlsConfig {
        ca: right.ca.clone(),
        ..TlsConfig::default()
    };
    check(
        with(Some(&no_certificate), None),
        Some(&["set `tls.certificate` and `tls.key`"]),
    );
    check(
        with(Some(&TlsConfig::default()), None),
        Some(&["name the certificate of its authority in `tls.ca`"]),
    );
}

#[test]
fn a_token_or_a_key_in_a_file_lets_in() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let Some(server) = Nats::start("authorization { token: \"a token\" }") else {
        return;
    };
    let mut config = config(&server);
    config.connection.token_file = Some(write("token", "a token\n"));
    check(config, None);

    // The pair that the manual of NATS shows.
    let Some(server) = Nats::start(
        "authorization { users: [ { nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 } ] }",
    ) else {
        return;
    };
    let mut config = crate::rig::config(&server);
    config.connection.nkey_file = Some(write(
        "key",
        "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n",
    ));
    check(config.clone(), None);
    config.connection.nkey_file = Some(write("other", "SUnothing\n"));
    check(config, Some(&["`nkey_file`", "begins with `SU`"]));
}
