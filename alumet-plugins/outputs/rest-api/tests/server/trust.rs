use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;

use alumet_core::testkit::{Bench, ManualClock};
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Resource};
use alumet_plugin_rest_api::{Config, RestApiPlugin};
use alumet_relay_protocol::certs::init;
use alumet_shared_http_delivery::HttpClient;
use alumet_shared_http_delivery::testkit::local;
use alumet_shared_trust::ServerTlsConfig;

use crate::rig::{Server, config, documented};

alumet_core::metrics! {
    LEVEL = Gauge<u64> {
        name: "level",
        unit: Unit::ONE,
        description: "For this test.",
    };
}

const ALL: &str = "all-0123456789abcdef";
const TEAM: &str = "team-0123456789abcdef";

fn with_tokens(folder: &tempfile::TempDir) -> (Server, PathBuf) {
    let file = folder.path().join("tokens");
    fs::write(&file, format!("ops {ALL}\nteam {TEAM} namespace=a\n")).unwrap();
    let server = Server::with_gpus(Config {
        tokens_file: Some(file.clone()),
        ..config()
    });
    (server, file)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn who_has_no_token_gets_nothing_but_health_and_the_document() {
    let folder = tempfile::tempdir().unwrap();
    let (server, file) = with_tokens(&folder);
    for headers in [
        String::new(),
        bearer("all-0123456789abcdeF"),
        bearer(""),
        format!("Authorization: Basic {ALL}\r\n"),
        format!("Authorization: {ALL}\r\n"),
    ] {
        for path in ["/api/v1/gpus", "/api/v1/gpus/gpu-001/telemetry", "/stats"] {
            let answer = server.ask(&format!("GET {path}"), &headers);
            assert_eq!(answer.status(), 401, "{path} {headers}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"alumet\""));
            assert!(answer.message().contains("Authorization: Bearer"));
        }
    }
    for path in ["/health", "/livez", "/openapi.json", "/swagger/"] {
        assert_eq!(server.get(path).status(), 200, "{path}");
    }
    assert_eq!(server.ask("GET /api/v1/gpus", &bearer(ALL)).status(), 200);
    // A token that is taken away is worth nothing any more.
    fs::write(&file, format!("team {TEAM} namespace=a\n")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(server.ask("GET /api/v1/gpus", &bearer(ALL)).status(), 401);
}

#[test]
fn a_token_for_some_series_shows_nothing_of_others_wherever_one_asks() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = with_tokens(&folder);
    for (path, _) in documented(&server) {
        for (id, host) in [
            ("gpu-001", "n1"),
            ("n2%2F0000:03:00.0", "n2"),
            ("GPU-5%2F6%2520x", "n2"),
        ] {
            let path = path.replace("{id}", id).replace("{hostname}", host);
            for view in [
                "",
                "?view=full",
                "?match=node%3Dn2",
                "?node=n2",
                "?from=0&by=node",
                "?from=0&format=csv",
            ] {
                let answer = server.ask(&format!("GET {path}{view}"), &bearer(TEAM));
                let text = String::from_utf8(answer.body.clone()).unwrap();
                // What was asked for may be said again.
                if answer.status() == 200 {
                    for secret in ["n2", "GPU-5", "0000:65", "0000:03"] {
                        assert!(!text.contains(secret), "{path}{view}: {text}");
                    }
                } else {
                    assert!(
                        [400, 403, 404, 503].contains(&answer.status()),
                        "{path}{view}: {text}"
                    );
                }
            }
        }
    }
    let gpus = server.ask("GET /api/v1/gpus", &bearer(TEAM)).json();
    assert_eq!(gpus["gpus"], serde_json::json!(["gpu-001"]));
    let entries = server
        .ask("GET /api/v1/gpus/gpu-001/telemetry", &bearer(TEAM))
        .json();
    assert_eq!(entries["total"], 10);
    assert_eq!(server.ask("GET /api/v1/status", &bearer(TEAM)).status(), 403);
    let others = server.ask("GET /api/v1/gpus/GPU-5%2F6%2520x", &bearer(TEAM));
    assert_eq!(others.status(), 404);
}

#[test]
fn a_token_for_some_series_hears_nothing_of_others_live() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = with_tokens(&folder);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).unwrap();
    write!(
        stream,
        "GET /api/v1/live HTTP/1.1\r\nHost: a\r\n{}\r\n",
        bearer(TEAM)
    )
    .unwrap();
    let mut heard = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(heard.any(|line| line == "content-type: text/event-stream"));
    let mut bench = server.bench.lock();
    let mut batch = bench.catalog().batch();
    let metric = bench.catalog().metric(&LEVEL).unwrap();
    for namespace in ["b", "a"] {
        let series = bench
            .catalog()
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine);
        let series = series.attribute("namespace", namespace).register();
        batch.push(&series, ManualClock::START, 7);
    }
    bench.deliver(0, batch).unwrap();
    let named = heard.find(|line| line.starts_with("data: ")).unwrap();
    assert!(
        named.contains("\"namespace\":\"a\"") && !named.contains("\"b\""),
        "{named}"
    );
    let values = heard.find(|line| line.starts_with("data: ")).unwrap();
    assert_eq!(values.matches("\"value\":7").count(), 1, "{values}");
}

#[test]
fn what_was_sent_to_one_token_is_not_taken_for_what_another_may_see() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = with_tokens(&folder);
    let path = "GET /api/v1/gpus?end_time=1";
    let tag = server.ask(path, &bearer(ALL)).header("etag").unwrap().to_owned();
    let known = format!("{}If-None-Match: {tag}\r\n", bearer(TEAM));
    assert_eq!(server.ask(path, &known).status(), 200);
    let known = format!("{}If-None-Match: {tag}\r\n", bearer(ALL));
    assert_eq!(server.ask(path, &known).status(), 304);
    assert_eq!(
        server.ask(path, &format!("If-None-Match: {tag}\r\n")).status(),
        401
    );
}

#[test]
fn who_asks_too_often_waits_and_takes_nothing_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    fs::write(&file, format!("ops {ALL}\nteam {TEAM}\n")).unwrap();
    let server = Server::with_gpus(Config {
        tokens_file: Some(file),
        requests_per_second: Some(3),
        ..config()
    });
    let ask = |headers: &str| server.ask("GET /api/v1/gpus", headers);
    let answers: Vec<_> = (0..20).map(|_| ask(&bearer(ALL))).collect();
    let refused = answers.iter().find(|answer| answer.status() == 429).unwrap();
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.message().contains("requests_per_second"));
    assert_eq!(ask(&bearer(TEAM)).status(), 200);
    // Who guesses is counted by address.
    let guesses: Vec<_> = (0..20).map(|_| ask(&bearer("x")).status()).collect();
    assert!(guesses.contains(&401) && guesses.contains(&429), "{guesses:?}");
    assert_eq!(server.get("/health").status(), 200);
}

#[test]
fn a_file_with_tokens_that_cannot_be_read_keeps_the_plugin_from_starting() {
    let config = Config {
        tokens_file: Some("/nowhere/tokens".into()),
        ..config()
    };
    let error = Bench::start::<RestApiPlugin>(config, "/").err().unwrap();
    assert!(
        error.to_string().contains("/nowhere/tokens cannot be read"),
        "{error}"
    );
}

#[test]
fn with_a_certificate_all_is_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &[], false).unwrap();
    let path = |name: &str| Some(folder.path().join(name));
    let server = Server::with_gpus(Config {
        tls: ServerTlsConfig {
            certificate: path("server.pem"),
            key: path("server.key"),
            client_ca: None,
            client_crl: None,
        },
        ..config()
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut http = local();
    http.tls.ca = path("ca.pem");
    let client = HttpClient::new("host", &format!("https://localhost:{}", server.port), &http).unwrap();
    for _ in 0..3 {
        let answer = runtime.block_on(client.send(client.get("/api/v1/gpus"))).unwrap();
        assert!(String::from_utf8_lossy(&answer.body).contains("gpu-001"));
    }
    let plain = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.get("/api/v1/gpus")));
    assert!(plain.is_err(), "there is no HTTP answer");
}

#[test]
fn a_page_from_elsewhere_whose_name_means_this_machine_is_not_answered() {
    let ask = |server: &Server, host: &str| {
        let answer = server.ask("GET /api/v1/gpus", &format!("Host: {host}\r\n"));
        answer.status()
    };
    let server = Server::with_gpus(config());
    for host in [
        "localhost",
        "LOCALHOST:8081",
        "127.0.0.1:1",
        "127.1.2.3",
        "[::1]:8081",
    ] {
        assert_eq!(ask(&server, host), 200, "{host}");
    }
    for host in ["rebound.example:8081", "localhost.example", "10.0.0.1", "a b", ""] {
        assert_eq!(ask(&server, host), 421, "{host}");
    }
    let behind_a_proxy = Server::with_gpus(Config {
        insecure: true,
        ..config()
    });
    assert_eq!(ask(&behind_a_proxy, "alumet.example"), 200);
}
