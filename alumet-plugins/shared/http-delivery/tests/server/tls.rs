use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::plugin::{Host, StartContext};
use alumet_core::testkit::ManualClock;
use alumet_relay_protocol::certs::{init, issue};
use alumet_shared_http_delivery::{HttpClient, HttpConfig};
use alumet_shared_trust::{ServerFiles, ServerTls, TlsConfig};
use tempfile::TempDir;

use crate::rig::{Server, client, config, failure, ok};

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &[], false).unwrap();
    issue(folder.path(), "node", None, false).unwrap();
    folder
}

/// A server that wants certificates of the authority in a folder.
async fn server(dir: &Path) -> (Server, String) {
    let files = ServerFiles {
        certificate: dir.join("server.pem"),
        key: dir.join("server.key"),
        client_ca: Some(dir.join("ca.pem")),
        client_crl: None,
        client_certificate_optional: false,
    };
    let tls = ServerTls::new(files, b"http/1.1").unwrap();
    let server = Server::with(Some(Arc::new(tls)), ok()).await;
    let url = format!("https://localhost:{}", server.address.port());
    (server, url)
}

fn with(dir: &Path, change: impl FnOnce(&mut TlsConfig)) -> HttpConfig {
    let mut tls = TlsConfig {
        ca: Some(dir.join("ca.pem")),
        certificate: Some(dir.join("node.pem")),
        key: Some(dir.join("node.key")),
        ..TlsConfig::default()
    };
    change(&mut tls);
    HttpConfig { tls, ..config() }
}

#[tokio::test]
async fn both_sides_prove_who_they_are_or_say_which_file_does_not_fit() {
    let (ours, theirs) = (folder(), folder());
    let (server, url) = server(ours.path()).await;
    let client = client(&url, &with(ours.path(), |_| {}));
    client.send(client.get("/")).await.unwrap();
    assert_eq!(server.seen().len(), 1);

    let foreign = with(ours.path(), |tls| tls.ca = Some(theirs.path().join("ca.pem")));
    let text = failure(&url, &foreign).await.to_string();
    assert!(
        text.contains("not signed by an authority in") && text.contains("ca.pem"),
        "{text}"
    );

    let anonymous = with(ours.path(), |tls| (tls.certificate, tls.key) = (None, None));
    let text = failure(&url, &anonymous).await.to_string();
    assert!(text.contains("set `tls.certificate` and `tls.key`"), "{text}");

    let mixed = with(ours.path(), |tls| tls.key = Some(theirs.path().join("node.key")));
    let text = HttpClient::new("url", &url, &mixed).unwrap_err().to_string();
    assert!(text.contains("is not that of the certificate"), "{text}");
}

#[tokio::test]
async fn plain_text_and_tls_that_meet_name_the_other_scheme() {
    let folder = folder();
    let (tls, _) = server(folder.path()).await;
    let text = failure(&tls.url(), &config()).await.to_string();
    assert!(text.contains("`https://`"), "{text}");

    let plain = Server::start(ok()).await;
    let url = plain.url().replace("http:", "https:");
    let text = failure(&url, &with(folder.path(), |_| {})).await.to_string();
    assert!(
        text.contains("does not speak TLS") && text.contains("`http://`"),
        "{text}"
    );
}

#[tokio::test]
async fn certificates_that_are_exchanged_are_used_without_a_new_start() {
    let folder = folder();
    let (server, url) = server(folder.path()).await;
    let client = client(&url, &with(folder.path(), |_| {}));
    client.send(client.get("/")).await.unwrap();
    // Another authority: who holds on to old files trusts nobody any more.
    init(folder.path(), &[], true).unwrap();
    issue(folder.path(), "node", None, true).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    client.send(client.get("/")).await.unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_certificate_that_is_out_of_date_fails_a_trial_and_keeps_the_samples_otherwise() {
    let folder = folder();
    let (server, url) = server(folder.path()).await;
    let mut params = rcgen::CertificateParams::new(vec!["node".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 2);
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(
        folder.path().join("node.pem"),
        params.self_signed(&key).unwrap().pem(),
    )
    .unwrap();
    fs::write(folder.path().join("node.key"), key.serialize_pem()).unwrap();
    let client = client(&url, &with(folder.path(), |_| {}));
    let text = client.send(client.get("/")).await.unwrap_err().to_string();
    assert!(text.contains("node.pem expired at"), "{text}");
    let host = Host::trial(Arc::new(ManualClock::new()), "/");
    let error = client
        .try_out(client.get("/"), &mut StartContext::new(&host))
        .unwrap_err();
    assert_eq!(error.to_string(), text);

    issue(folder.path(), "node", None, true).unwrap();
    client.send(client.get("/")).await.unwrap();
    assert_eq!(server.seen().len(), 1);
}
