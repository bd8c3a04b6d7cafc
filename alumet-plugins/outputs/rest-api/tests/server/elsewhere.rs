use std::fs;

use alumet_core::testkit::Bench;
use alumet_plugin_rest_api::{Config, RestApiPlugin};
use alumet_shared_http_delivery::testkit::{TestServer, local};
use alumet_shared_remote_query::{CollectorsConfig, Partial};
use serde_json::json;

use crate::rig::{Server, YEAR_2026, config};

fn collectors(ports: &[u16], token: Option<&str>) -> CollectorsConfig {
    let mut http = local();
    http.token = token.map(|token| alumet_shared_trust::Secret(token.to_owned()));
    CollectorsConfig {
        addresses: ports
            .iter()
            .map(|port| format!("http://127.0.0.1:{port}"))
            .collect(),
        http,
        ..CollectorsConfig::default()
    }
}

#[test]
fn a_gateway_answers_what_its_collectors_have_together() {
    let (one, other) = (Server::with_gpus(config()), Server::start(config()));
    other.push("utilization", "gpu-002", &[("node", "n3")], 0, 5.0);
    // It was delivered twice.
    other.push(
        "temperature",
        "gpu-001",
        &[
            ("node", "n1"),
            ("namespace", "a"),
            ("index", "3"),
            ("model", "H100"),
        ],
        0,
        40.0,
    );
    let gateway = Server::start(Config {
        collectors: Some(collectors(&[one.port, other.port], None)),
        ..config()
    });
    let hosts = gateway.get("/api/v1/hosts").json();
    assert_eq!(hosts["hosts"], json!(["n1", "n2", "n3"]));
    let entries = gateway.get("/api/v1/gpus/gpu-001/telemetry").json();
    assert_eq!(entries, one.get("/api/v1/gpus/gpu-001/telemetry").json());
    let away = other.port;
    drop(other);
    let answer = gateway.get("/api/v1/hosts");
    assert_eq!(answer.status(), 502);
    assert!(answer.message().contains(&away.to_string()), "{answer:?}");
}

#[test]
fn an_answer_says_what_it_lacks_in_a_header_and_where_there_is_room_for_it() {
    let (one, other) = (Server::with_gpus(config()), Server::start(config()));
    let away = other.port;
    drop(other);
    let gateway_of = |ports: &[u16], partial| {
        Server::start(Config {
            collectors: Some(CollectorsConfig {
                partial,
                ..collectors(ports, None)
            }),
            ..config()
        })
    };
    let gateway = gateway_of(&[one.port, away], Partial::Allow);
    // One that asks the other gateway knows as much.
    for gateway in [&gateway, &gateway_of(&[gateway.port], Partial::Allow)] {
        let nodes = gateway.get("/api/v1/nodes?from=0");
        let missing = nodes.json()["missing"].clone();
        let text = missing[0].as_str().unwrap();
        assert!(
            text.contains(&format!("127.0.0.1:{away} does not answer: ")),
            "{text}"
        );
        assert_eq!(nodes.header("x-missing"), Some(text));
        assert_eq!(nodes.json()["nodes"].as_array().map(Vec::len), Some(2));
        let hosts = gateway.get("/api/v1/hosts");
        assert_eq!(hosts.header("x-missing"), Some(text));
        assert_eq!(hosts.json().get("missing"), None);
        for path in [
            "query?query=up&time=0",
            "query_range?query=up&start=0&end=1&step=1",
            "labels",
            "metadata",
        ] {
            let labels = gateway.get(&format!("/prometheus/api/v1/{path}")).json();
            assert_eq!(labels["warnings"], missing, "{path}");
        }
    }
    assert_eq!(
        gateway_of(&[gateway.port], Partial::Refuse)
            .get("/api/v1/nodes")
            .status(),
        502
    );
    let complete = one.get("/api/v1/nodes?from=0");
    assert_eq!(
        (complete.header("x-missing"), complete.json().get("missing")),
        (None, None)
    );
}

#[test]
fn a_gateway_sees_no_more_than_its_token_may() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    fs::write(&file, "gateway gateway-0123456789 namespace=a\n").unwrap();
    let collector = Server::with_gpus(Config {
        tokens_file: Some(file),
        ..config()
    });
    let with = |token| {
        Server::start(Config {
            collectors: Some(collectors(&[collector.port], token)),
            ..config()
        })
    };
    let gpus = with(Some("gateway-0123456789")).get("/api/v1/gpus").json();
    assert_eq!(gpus["gpus"], json!(["gpu-001"]));
    assert_eq!(with(None).get("/api/v1/gpus").status(), 502);
}

#[test]
fn what_is_no_question_of_a_gateway_is_refused() {
    let server = Server::with_gpus(config());
    let answer = server.ask("POST /api/v1/internal/backend", "Content-Length: 0\r\n");
    assert_eq!(answer.status(), 400);
    assert!(answer.message().contains("no question of a gateway"));
}

#[test]
fn dashboards_of_prometheus_ask_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    fs::write(
        &file,
        "all all-0123456789abcdef\nteam team-0123456789abcdef namespace=a\n",
    )
    .unwrap();
    let server = Server::with_gpus(Config {
        tokens_file: Some(file),
        ..config()
    });
    let ask = |path: &str, token: &str| {
        server.ask(
            &format!("GET /prometheus/api/v1/{path}"),
            &format!("Authorization: Bearer {token}\r\n"),
        )
    };
    let nodes = |token: &str| {
        let expression = format!(
            "query?query=sum+by(node)(utilization_alumet)&time={}",
            YEAR_2026 + 9
        );
        let answer = ask(&expression, token).json();
        let rows = answer["data"]["result"].as_array().unwrap().clone();
        rows.iter()
            .map(|row| row["metric"]["node"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(nodes("all-0123456789abcdef"), ["n1", "n2"]);
    assert_eq!(nodes("team-0123456789abcdef"), ["n1"]);
    let labels = ask("label/node/values?start=0", "team-0123456789abcdef").json();
    assert_eq!(labels["data"], json!(["n1"]));
    assert_eq!(server.get("/prometheus/api/v1/labels").status(), 401);
    let wrong = ask("query?query=(", "all-0123456789abcdef");
    assert_eq!(
        (wrong.status(), &wrong.json()["errorType"]),
        (400, &json!("bad_data"))
    );
}

#[test]
fn the_file_of_an_earlier_api_tells_which_influxdb_is_asked() {
    let influxdb = TestServer::answering(|_| ("200 OK", String::new())).unwrap();
    let (host, port) = influxdb
        .url()
        .rsplit_once(':')
        .map(|(host, port)| (host.to_owned(), port.to_owned()))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let input =
        json!({ "bucket": "b", "host": host, "org": "o", "port": port, "token": "t0ken", "name": "n" });
    let old = json!({
        "inputs": { "influxdb_v2": [input] }, "log": { "level": "info", "output": "stdout" }, "outputs": {}, "parameters": {},
    });
    fs::write(&file, old.to_string()).unwrap();
    let with = || Config {
        old_config: Some(file.clone()),
        ..config()
    };
    let server = Server::start(with());
    assert_eq!(server.get("/api/v1/metrics").status(), 200);
    let asked = influxdb.received();
    assert_eq!(asked[0].header("authorization"), Some("Token t0ken"));

    // A file that everybody may read has the name of the variable with the token.
    let with_token = |token: &str| fs::write(&file, old.to_string().replace("t0ken", token)).unwrap();
    with_token("${CARGO_PKG_NAME}");
    let server = Server::start(with());
    assert_eq!(server.get("/api/v1/metrics").status(), 200);
    let expected = format!("Token {}", env!("CARGO_PKG_NAME"));
    assert_eq!(
        influxdb.received()[1].header("authorization"),
        Some(expected.as_str())
    );

    with_token("${NO_SUCH_VARIABLE}");
    let refused = || {
        let bench = Bench::start::<RestApiPlugin>(with(), "/");
        bench.err().unwrap().to_string()
    };
    assert!(refused().contains("NO_SUCH_VARIABLE"), "{}", refused());
    fs::write(&file, "{}").unwrap();
    assert!(refused().contains("config.json cannot be used"), "{}", refused());
}
