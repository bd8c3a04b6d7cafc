use std::fs;

use alumet_plugin_rest_api::{Config, Cors};
use serde_json::Value;

use crate::rig::{Server, YEAR_2026, config, documented};

#[test]
fn pages_of_other_servers_may_ask_as_far_as_the_configuration_says() {
    let with = |origins: Option<&[&str]>| {
        Server::with_gpus(Config {
            cors: origins.map(|origins| Cors {
                allowed_origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
                ..Cors::default()
            }),
            ..config()
        })
    };
    let allowed = |server: &Server, origin: &str| {
        let answer = server.ask("GET /api/v1/gpus", &format!("Origin: {origin}\r\n"));
        assert_eq!(answer.status(), 200);
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    assert_eq!(allowed(&with(None), "http://x"), None);
    let any = with(Some(&["*"]));
    assert_eq!(allowed(&any, "http://x").as_deref(), Some("*"));
    let listed = with(Some(&["http://x", "http://y"]));
    assert_eq!(allowed(&listed, "http://y").as_deref(), Some("http://y"));
    assert_eq!(allowed(&listed, "http://z"), None);
    let preflight = any.ask(
        "OPTIONS /api/v1/gpus",
        "Origin: http://x\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n",
    );
    assert_eq!(preflight.status(), 200);
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("GET,POST,OPTIONS")
    );
    let headers = preflight.header("access-control-allow-headers");
    assert_eq!(headers, Some("content-type,authorization,x-requested-with"));
    let exposed = any.ask("GET /api/v1/gpus", "Origin: http://x\r\n");
    assert!(
        exposed
            .header("access-control-expose-headers")
            .unwrap()
            .contains("x-limit-clamped")
    );
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let server = Server::with_gpus(config());
    let path = format!("/api/v1/gpus/gpu-001/telemetry?end_time={}", YEAR_2026 + 5);
    let ask = |path: &str, headers: &str| server.ask(&format!("GET {path}"), headers);
    let tag = |headers: &str| ask(&path, headers).header("etag").unwrap().to_owned();
    let first = tag("");
    let again = ask(&path, &format!("If-None-Match: \"other\", {first}\r\n"));
    assert_eq!((again.status(), again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), Some(first.as_str()));
    assert_ne!(tag("Accept: text/csv\r\n"), first);
    let other = ask(&format!("{path}&limit=1"), &format!("If-None-Match: {first}\r\n"));
    assert_eq!(other.status(), 200);
    server.push("utilization", "gpu-001", &[("node", "n1")], 3, 1.0);
    assert_eq!(ask(&path, &format!("If-None-Match: {first}\r\n")).status(), 200);
    // An error is none of what a tag stands for.
    assert_eq!(ask("/api/v1/gpus/other", "").header("etag"), None);
}

#[test]
fn the_tag_of_a_range_that_moves_with_the_time_does_not_stay() {
    let server = Server::with_gpus(config());
    let tag = |query: &str| {
        let answer = server.get(&format!("/api/v1/gpus/gpu-001/telemetry?{query}"));
        answer.header("etag").unwrap().to_owned()
    };
    let (fixed, moving) = (format!("end_time={YEAR_2026}"), "end_time=now");
    let before = (tag(&fixed), tag(moving));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(tag(&fixed), before.0);
    assert_ne!(tag(moving), before.1);
}

#[test]
fn answers_are_compressed_for_those_who_like_that() {
    let server = Server::with_gpus(config());
    for (accepted, coding) in [("gzip", Some("gzip")), ("zstd", Some("zstd")), ("br", None)] {
        let answer = server.ask(
            "GET /api/v1/gpus/gpu-001/telemetry",
            &format!("Accept-Encoding: {accepted}\r\n"),
        );
        assert_eq!(answer.header("content-encoding"), coding);
        assert!(answer.header("vary").unwrap().contains("accept-encoding"));
    }
}

#[test]
fn browsers_are_told_what_they_must_not_do() {
    let server = Server::with_gpus(config());
    for path in ["/api/v1/gpus", "/nothing", "/swagger/", "/health"] {
        let answer = server.get(path);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe-inline"), "{path}");
    }
}

#[test]
fn the_document_and_what_shows_it_are_there_and_load_nothing_from_elsewhere() {
    let server = Server::start(config());
    let committed = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).unwrap();
    for path in ["/openapi.json", "/swagger.json", "/swagger/doc.json"] {
        let answer = server.get(path);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.body == committed, "{path}");
    }
    let start = server.get("/swagger/swagger-initializer.js");
    let start = String::from_utf8(start.body).unwrap();
    assert!(start.contains("\"validatorUrl\": \"none\""), "{start}");
    assert!(
        start.contains("/openapi.json") && !start.contains("petstore"),
        "{start}"
    );
    assert_eq!(server.get("/swagger").header("location"), Some("/swagger/"));
    assert_eq!(server.get("/swagger/").status(), 200);
}

#[test]
fn every_path_of_the_document_answers() {
    let server = Server::with_gpus(config());
    let document = server.get("/openapi.json").json();
    // Samples of a whole year, so that no list is empty.
    let range = format!("from={YEAR_2026}&to={}", YEAR_2026 + 3600);
    for (path, parameters) in documented(&server) {
        let filled = path.replace("{id}", "gpu-001").replace("{hostname}", "n1");
        let with_range = parameters.iter().any(|name| name == "from");
        let filled = if with_range {
            format!("{filled}?{range}")
        } else {
            filled
        };
        let answer = server.get(&filled);
        assert_eq!(answer.status(), 200, "{path}: {answer:?}");
        let faults = faults(&document, &path, "200", &answer.json());
        assert!(faults.is_empty(), "{path}: {faults:?} in {}", answer.json());
    }
    let absent = server.get("/api/v1/gpus/none");
    let faults = faults(&document, "/api/v1/gpus/{id}", "404", &absent.json());
    assert!(
        absent.status() == 404 && faults.is_empty(),
        "{faults:?} in {absent:?}"
    );
    for path in ["/api/v1/status", "/ready", "/readyz"] {
        assert_eq!(
            server.get(path).message(),
            "the pipeline is not running",
            "{path}"
        );
    }
}

/// In what an answer is not as the document says.
fn faults(document: &Value, path: &str, status: &str, body: &Value) -> Vec<String> {
    let schema =
        &document["paths"][path]["get"]["responses"][status]["content"]["application/json"]["schema"];
    let mut whole = schema
        .as_object()
        .unwrap_or_else(|| panic!("{path} has no schema for {status}"))
        .clone();
    // What it refers to is beside it.
    whole.insert("components".to_owned(), document["components"].clone());
    let validator = jsonschema::validator_for(&Value::Object(whole)).unwrap();
    let errors = validator.iter_errors(body);
    errors
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect()
}
