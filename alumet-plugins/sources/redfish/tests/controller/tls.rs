//! Connections are encrypted, and only with whom they should be.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;

use alumet_plugin_redfish::Config;
use alumet_shared_http_delivery::testkit::local;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::rig::Run;

/// A controller with a certificate that it has signed itself; gives its address and the certificate.
fn controller() -> (String, String) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let tls = Arc::new(tls);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(StreamOwned::new(connection, stream));
                let mut line = String::new();
                let mut path = None;
                while stream.read_line(&mut line).is_ok_and(|length| length > 0) {
                    path = path.or_else(|| line.split(' ').nth(1).map(str::to_owned));
                    if line == "\r\n" {
                        let body = match path.take().unwrap_or_default().as_str() {
                            "/redfish/v1/" => r#"{"RedfishVersion":"1.6.0","Chassis":{"@odata.id":"/C"}}"#,
                            "/C" => r#"{"Members":[{"@odata.id":"/1"}]}"#,
                            "/1" => r#"{"Id":"1","Power":{"@odata.id":"/P"}}"#,
                            _ => r#"{"PowerControl":[{"Name":"all","PowerConsumedWatts":5}]}"#,
                        };
                        let length = body.len();
                        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                        let _ = stream.get_mut().write_all(answer.as_bytes());
                    }
                    line.clear();
                }
            });
        }
    });
    (url, own.cert.pem())
}

fn config(url: &str) -> Config {
    Config {
        url: Some(url.to_owned()),
        poll_interval: "100ms".parse().unwrap(),
        http: local(),
        ..Config::default()
    }
}

#[test]
fn the_certificate_of_the_controller_is_trusted_when_a_file_says_so_and_not_before() {
    let (url, pem) = controller();
    let run = Run::start(config(&url));
    run.until_it_says("no trusted connection");
    run.stop();

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let mut trusting = config(&url);
    trusting.http.tls.ca = Some(file.path().to_owned());
    let run = Run::start(trusting);
    run.until("redfish_power {chassis=1, sensor=all} = 5");
    run.stop();

    let mut blind = config(&url);
    blind.http.tls.insecure_skip_verify = true;
    let run = Run::start(blind);
    run.until("redfish_power {chassis=1, sensor=all} = 5");
    run.stop();
}
