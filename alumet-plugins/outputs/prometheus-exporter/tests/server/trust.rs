use std::fs;

use alumet_core::testkit::Bench;
use alumet_plugin_prometheus_exporter::{Config, PrometheusExporterPlugin};
use alumet_relay_protocol::certs::{init, issue};
use alumet_shared_http_delivery::HttpClient;
use alumet_shared_http_delivery::testkit::local;
use alumet_shared_trust::ServerTlsConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::rig::{Exporter, ask, config};

#[test]
fn who_does_not_know_the_password_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "hunter2\n").unwrap();
    let exporter = Exporter::start(Config {
        user: Some("prometheus".to_owned()),
        password_file: Some(file.clone()),
        ..config()
    });
    let status = |scheme: &str, credentials: &str| {
        let header = format!("Authorization: {scheme} {}\r\n", STANDARD.encode(credentials));
        ask(exporter.port, "GET /metrics", &header).status()
    };
    let stranger = ask(exporter.port, "GET /metrics", "");
    assert_eq!(stranger.status(), 401);
    assert!(stranger.header("www-authenticate").unwrap().starts_with("Basic "));
    assert!(!stranger.text().contains("alumet_"));
    assert_eq!(ask(exporter.port, "GET /", "").status(), 401);
    for wrong in [
        "prometheus:hunter3",
        "prometheus:hunter",
        "prometheus:hunter22",
        "other:hunter2",
        ":",
        "",
    ] {
        assert_eq!(status("Basic", wrong), 401, "{wrong}");
    }
    assert_eq!(status("Bearer", "prometheus:hunter2"), 401);
    assert_eq!(status("basic", "prometheus:hunter2"), 200);
    // It changes while the exporter runs.
    fs::write(&file, "other").unwrap();
    assert_eq!(
        (
            status("Basic", "prometheus:hunter2"),
            status("Basic", "prometheus:other")
        ),
        (401, 200)
    );
    fs::remove_file(&file).unwrap();
    assert_eq!(status("Basic", "prometheus:other"), 503);
    let without = Config {
        user: Some("prometheus".to_owned()),
        password_file: Some(file),
        ..config()
    };
    let error = Bench::start::<PrometheusExporterPlugin>(without, "/")
        .err()
        .unwrap();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[test]
fn with_certificates_only_those_who_have_one_scrape_and_plain_text_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &[], false).unwrap();
    issue(folder.path(), "scraper", None, false).unwrap();
    let path = |name: &str| Some(folder.path().join(name));
    let exporter = Exporter::start(Config {
        tls: ServerTlsConfig {
            certificate: path("server.pem"),
            key: path("server.key"),
            client_ca: path("ca.pem"),
            client_crl: None,
        },
        ..config()
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scrape = |certificate: bool| {
        let mut http = local();
        http.tls.ca = path("ca.pem");
        if certificate {
            (http.tls.certificate, http.tls.key) = (path("scraper.pem"), path("scraper.key"));
        }
        let client = HttpClient::new("host", &format!("https://localhost:{}", exporter.port), &http).unwrap();
        runtime.block_on(client.send(client.get("/metrics")))
    };
    let answer = scrape(true).unwrap();
    assert!(
        String::from_utf8(answer.body.to_vec())
            .unwrap()
            .contains("\nalumet_exporter_series ")
    );
    assert!(scrape(false).is_err());
    let plain = std::panic::catch_unwind(|| ask(exporter.port, "GET /metrics", ""));
    assert!(plain.is_err(), "there is no HTTP answer");
}
