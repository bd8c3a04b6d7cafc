//! Who trusts whom, and what is said when they do not.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::plugin::{Host, Plugin, StartContext};
use alumet_core::testkit::ManualClock;
use alumet_plugin_relay_client::{Config, RelayClientPlugin, Secret, TlsConfig};
use alumet_relay_protocol::certs;
use alumet_shared_trust::{ServerFiles, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tonic::Status;

use crate::rig::{Running, config_of, until};
use crate::server::{Behaviour, Server, Store};
use crate::spool::FakeSpool;

const TOKEN: &str = "0123456789abcdef";

fn authority() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    certs::init(folder.path(), &["127.0.0.1".to_owned()], false).unwrap();
    certs::issue(folder.path(), "node", None, false).unwrap();
    folder
}

/// A server that shows the certificate in a folder and wants one that the same authority signed.
async fn server(folder: &Path, store: &Store) -> Server {
    let files = ServerFiles {
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
        client_ca: Some(folder.join("ca.pem")),
        client_crl: None,
        client_certificate_optional: false,
    };
    let tls = Arc::new(ServerTls::new(files, b"h2").unwrap());
    Server::start_tls(Behaviour::default(), store.clone(), tls).await
}

fn tls(folder: &Path) -> TlsConfig {
    TlsConfig {
        ca: Some(folder.join("ca.pem")),
        certificate: Some(folder.join("node.pem")),
        key: Some(folder.join("node.key")),
        ..TlsConfig::default()
    }
}

/// The first failure with a configuration.
async fn failure(config: &Config) -> String {
    let spool = FakeSpool::new(1);
    spool.append(1, 100);
    let running = Running::start(config, &spool);
    until("it fails", || !spool.failures().is_empty()).await;
    running.kill().await;
    assert_eq!(spool.acknowledged(), 0);
    spool.failures().remove(0)
}

#[tokio::test]
async fn with_the_right_certificates_everything_arrives() {
    let (folder, store, spool) = (authority(), Store::default(), FakeSpool::new(1));
    let server = server(folder.path(), &store).await;
    let mut config = config_of(server.address);
    config.tls = Some(tls(folder.path()));
    spool.append(20, 1000);
    Running::start(&config, &spool).ended().await;
    assert_eq!(store.sequences().len(), 20);
}

#[tokio::test]
async fn each_fault_of_a_certificate_is_named_with_its_file() {
    let (folder, other, store) = (authority(), authority(), Store::default());
    let server = server(folder.path(), &store).await;
    let config = config_of(server.address);
    let with = |tls| Config {
        tls: Some(tls),
        ..config.clone()
    };

    let wrong_authority = TlsConfig {
        ca: Some(other.path().join("ca.pem")),
        ..tls(folder.path())
    };
    let text = failure(&with(wrong_authority)).await;
    assert!(
        text.contains("not signed by an authority in") && text.contains("ca.pem"),
        "{text}"
    );

    let wrong_name = TlsConfig {
        server_name: Some("elsewhere.example".to_owned()),
        ..tls(folder.path())
    };
    let text = failure(&with(wrong_name)).await;
    assert!(text.contains("tls.server_name"), "{text}");

    let without_own = TlsConfig {
        certificate: None,
        key: None,
        ..tls(folder.path())
    };
    let text = failure(&with(without_own)).await;
    assert!(text.contains("the server wants a certificate"), "{text}");

    let foreign_own = TlsConfig {
        certificate: Some(other.path().join("node.pem")),
        key: Some(other.path().join("node.key")),
        ..tls(folder.path())
    };
    let text = failure(&with(foreign_own)).await;
    assert!(
        text.contains("does not take the certificate in") && text.contains("node.pem"),
        "{text}"
    );

    // Without TLS at a port with TLS.
    let text = failure(&config).await;
    assert!(text.contains(&server.address.to_string()), "{text}");
    assert_eq!(store.sequences(), [0; 0]);
}

#[tokio::test]
async fn tls_at_a_port_without_it_is_named() {
    let (folder, store) = (authority(), Store::default());
    let server = Server::start(Behaviour::default(), store).await;
    let mut config = config_of(server.address);
    config.tls = Some(tls(folder.path()));
    let text = failure(&config).await;
    assert!(
        text.starts_with("no trusted connection to") && text.contains("TLS"),
        "{text}"
    );
}

/// Replaces the certificate of the node by one of the same authority that ended long ago.
fn expire(folder: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(ca, &key);
    let own = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["node".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 2);
    fs::write(
        folder.join("node.pem"),
        params.signed_by(&own, &issuer).unwrap().pem(),
    )
    .unwrap();
    fs::write(folder.join("node.key"), own.serialize_pem()).unwrap();
}

#[tokio::test]
async fn an_expired_certificate_keeps_the_samples_until_it_is_replaced() {
    let (folder, store, spool) = (authority(), Store::default(), FakeSpool::new(1));
    let server = server(folder.path(), &store).await;
    expire(folder.path());
    let mut config = config_of(server.address);
    config.tls = Some(tls(folder.path()));
    spool.append(3, 100);
    let running = Running::start(&config, &spool);
    until("it fails", || !spool.failures().is_empty()).await;
    let failure = spool.failures().remove(0);
    assert!(failure.contains("node.pem expired at"), "{failure}");

    certs::issue(folder.path(), "node", None, true).unwrap();
    until("it is stored", || spool.acknowledged() == 3).await;
    running.kill().await;
}

#[test]
fn files_that_are_missing_are_told_at_the_start() {
    let mut config = config_of("127.0.0.1:1");
    config.tls = Some(tls(Path::new("/nowhere")));
    let host = Host::trial(Arc::new(ManualClock::new()), "/");
    let started = RelayClientPlugin::start(config, &mut StartContext::new(&host));
    let error = started.unwrap_err().to_string();
    assert!(error.contains("/nowhere/ca.pem"), "{error}");
}

#[tokio::test]
async fn a_token_opens_the_door_and_is_read_again_when_it_was_wrong() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let guarded = Behaviour {
        token: Some(TOKEN.to_owned()),
        ..Behaviour::default()
    };
    let server = Server::start(guarded, store.clone()).await;
    let config = config_of(server.address);
    let text = failure(&config).await;
    assert!(
        text.contains("the token is not known; set `token` or `token_file`"),
        "{text}"
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "another-token-of-another-node").unwrap();
    let from_file = Config {
        token_file: Some(path.clone()),
        ..config.clone()
    };
    spool.append(1, 100);
    let running = Running::start(&from_file, &spool);
    until("it fails", || !spool.failures().is_empty()).await;
    fs::write(&path, format!("{TOKEN}\n")).unwrap();
    until("it is stored", || spool.acknowledged() == 1).await;
    running.kill().await;

    let literal = Config {
        token: Some(Secret(TOKEN.to_owned())),
        ..config
    };
    let spool = FakeSpool::new(2);
    spool.append(1, 100);
    Running::start(&literal, &spool).ended().await;
    assert_eq!(store.sequences().len(), 2);
}

#[tokio::test]
async fn a_refusal_that_only_people_can_mend_is_not_tried_often() {
    for (status, word) in [
        (
            Status::permission_denied("the certificate is of node b"),
            "client_name",
        ),
        (Status::failed_precondition("update the client"), "versions"),
    ] {
        let refusing = Behaviour {
            refusal: Some(status),
            ..Behaviour::default()
        };
        let server = Server::start(refusing, Store::default()).await;
        let mut config = config_of(server.address);
        config.retry.max_delay = alumet_core::duration::HumanDuration::from_secs(600);
        let spool = FakeSpool::new(1);
        spool.append(1, 100);
        let running = Running::start(&config, &spool);
        until("it fails", || !spool.failures().is_empty()).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        running.kill().await;
        let failures = spool.failures();
        assert!(failures.len() == 1 && failures[0].contains(word), "{failures:?}");
    }
}
