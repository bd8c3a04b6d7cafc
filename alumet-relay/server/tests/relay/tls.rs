//! Certificates: whose, and for how long.

use std::fs;
use std::path::Path;
use std::time::Duration;

use alumet_plugin_relay_server::Config;
use alumet_relay_protocol::certs::{init, issue};
use alumet_shared_trust::{ClientTls, TlsConfig};
use tonic::Code;

use crate::client::{Agent, begin, begin_on, hello, instance, with_tls};
use crate::rig::Rig;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &[], false).unwrap();
    issue(folder.path(), "a", None, false).unwrap();
    folder
}

fn mutual(dir: &Path) -> impl FnOnce(&mut Config) {
    let dir = dir.to_owned();
    move |config| {
        config.tls.certificate = Some(dir.join("server.pem"));
        config.tls.key = Some(dir.join("server.key"));
        config.tls.client_ca = Some(dir.join("ca.pem"));
    }
}

fn client(dir: &Path, node: &str) -> ClientTls {
    let config = TlsConfig {
        certificate: Some(dir.join(format!("{node}.pem"))),
        key: Some(dir.join(format!("{node}.key"))),
        ..only_ca(dir)
    };
    ClientTls::new(&config, Some(b"h2")).unwrap()
}

fn only_ca(dir: &Path) -> TlsConfig {
    TlsConfig {
        ca: Some(dir.join("ca.pem")),
        ..TlsConfig::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_speaks_for_its_node_only() {
    let folder = folder();
    let rig = Rig::with(mutual(folder.path()));
    let channel = with_tls(rig.address, client(folder.path(), "a")).await.unwrap();
    let mut session = begin_on(channel.clone(), hello("a", 1, 1), None).await.unwrap();
    session.send_all(Agent::new().next(1)).await;
    session.acknowledged(1).await;
    let status = begin_on(channel, hello("b", 2, 1), None)
        .await
        .err()
        .expect("a refusal");
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(
        status.message().contains("`b`") && status.message().contains("`a`"),
        "{status}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nodes_share_is_any_of_them_but_no_relay() {
    let folder = folder();
    let rig = Rig::with(|config| {
        mutual(folder.path())(config);
        config.shared_names = vec!["a".to_owned()];
        config.relays = vec!["relay".to_owned()];
    });
    let channel = with_tls(rig.address, client(folder.path(), "a")).await.unwrap();
    for (number, node) in [(1, "b"), (2, "c")] {
        let mut session = begin_on(channel.clone(), hello(node, number, 1), None)
            .await
            .unwrap();
        session.send_all(Agent::new().next(1)).await;
        session.acknowledged(1).await;
    }
    let status = begin_on(channel, hello("relay", 3, 1), None)
        .await
        .err()
        .expect("a refusal");
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_replaced_under_a_connection_that_goes_on() {
    let folder = folder();
    let dir = folder.path();
    let rig = Rig::with(mutual(dir));
    let mut agent = Agent::new();
    let channel = with_tls(rig.address, client(dir, "a")).await.unwrap();
    let mut old = begin_on(channel, hello("a", 1, 1), None).await.unwrap();
    old.send_all(agent.next(1)).await;
    old.acknowledged(1).await;

    // Another authority, another certificate of everybody.
    init(dir, &[], true).unwrap();
    issue(dir, "a", None, true).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let channel = with_tls(rig.address, client(dir, "a")).await.unwrap();
    let mut new = begin_on(channel, hello("a", 2, 1), None).await.unwrap();
    new.send_all(Agent::new().next(1)).await;
    new.acknowledged(1).await;

    old.send_all(agent.next(2)).await;
    old.acknowledged(2).await;
    assert_eq!(rig.spool.sequences(instance(1)), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_plain_text_are_refused_and_counted() {
    let (ours, theirs) = (folder(), folder());
    let rig = Rig::with(mutual(ours.path()));
    // It trusts the server, but was issued by another authority.
    fs::copy(ours.path().join("ca.pem"), theirs.path().join("ca.pem")).unwrap();
    let connected = with_tls(rig.address, client(theirs.path(), "a")).await;
    if let Ok(channel) = connected {
        // In TLS 1.3 a client learns it with the first answer.
        assert!(begin_on(channel, hello("a", 1, 1), None).await.is_err());
    }
    let plain = tokio::time::timeout(crate::rig::PATIENCE, begin_plain(rig.address)).await;
    assert!(plain.expect("an end").is_err());
    // A certificate is not all: the server wants one for the node.
    let anonymous = ClientTls::new(&only_ca(ours.path()), Some(b"h2")).unwrap();
    if let Ok(channel) = with_tls(rig.address, anonymous).await {
        assert!(begin_on(channel, hello("a", 1, 1), None).await.is_err());
    }
    let report = rig.stop();
    let refused = report.iter().rfind(|line| line.contains("reason=tls"));
    let count: u64 = refused
        .and_then(|line| line.rsplit_once("= "))
        .unwrap()
        .1
        .parse()
        .unwrap();
    // A client tries again by itself.
    assert!(count >= 3, "{report:?}");
}

async fn begin_plain(address: std::net::SocketAddr) -> Result<(), ()> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.connect().await.map_err(drop)?;
    begin_on(channel, hello("a", 1, 1), None)
        .await
        .map(drop)
        .map_err(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_stand_for_a_certificate() {
    const TOKEN: &str = "token-of-a-0123456789";
    let folder = folder();
    let change = mutual(folder.path());
    let rig = Rig::with(|config| {
        change(config);
        config.tokens.insert("b".to_owned(), TOKEN.to_owned());
    });
    let anonymous = || ClientTls::new(&only_ca(folder.path()), Some(b"h2")).unwrap();
    let channel = with_tls(rig.address, anonymous()).await.unwrap();
    assert!(
        begin_on(channel.clone(), hello("b", 1, 1), Some(TOKEN))
            .await
            .is_ok()
    );
    let status = begin_on(channel, hello("b", 1, 1), None)
        .await
        .err()
        .expect("a refusal");
    assert_eq!(status.code(), Code::Unauthenticated);
    let channel = with_tls(rig.address, client(folder.path(), "a")).await.unwrap();
    let status = begin_on(channel, hello("b", 1, 1), Some(TOKEN))
        .await
        .err()
        .expect("a refusal");
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_is_not_tls() {
    let folder = folder();
    let rig = Rig::start();
    assert!(with_tls(rig.address, client(folder.path(), "a")).await.is_err());
    assert!(begin(rig.address, hello("a", 1, 1)).await.is_ok());
}
