use serde_json::json;

use crate::rig::{Server, config};

#[test]
fn gpus_are_listed_in_one_order_page_by_page() {
    let server = Server::with_gpus(config());
    let all = ["GPU-5/6%20x", "gpu-001", "n2/0000:03:00.0"];
    let page = |limit: usize, offset: usize, has_next: bool, gpus: &[&str]| {
        let answer = server.get(&format!("/api/v1/gpus?limit={limit}&offset={offset}"));
        let pagination = json!({ "limit": limit, "offset": offset, "has_next": has_next });
        let wanted = json!({ "gpus": gpus, "total": 3, "pagination": pagination });
        assert_eq!(answer.json(), wanted);
    };
    page(100, 0, false, &all);
    page(2, 0, true, &all[..2]);
    page(2, 2, false, &all[2..]);
    page(2, 7, false, &[]);
}

#[test]
fn a_limit_that_cannot_be_is_taken_for_100_and_the_answer_says_so() {
    let server = Server::with_gpus(config());
    for (query, clamped) in [
        ("limit=0", Some("100")),
        ("limit=1001&offset=-3", Some("100")),
        ("limit=1000", None),
        ("", None),
    ] {
        let answer = server.get(&format!("/api/v1/gpus?{query}"));
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.header("x-limit-clamped"), clamped, "{query}");
        assert_eq!(answer.json()["pagination"]["offset"], 0);
    }
    for wrong in ["limit=x", "offset=1.5", "view=all"] {
        let answer = server.get(&format!("/api/v1/gpus?{wrong}"));
        assert_eq!(answer.status(), 400, "{wrong}");
        assert!(!answer.message().is_empty());
    }
}

#[test]
fn what_is_known_of_a_gpu_is_told_whichever_way_its_id_is_written() {
    let server = Server::with_gpus(config());
    let replayed = json!({
        "gpu_id": "gpu-001", "uuid": "", "gpu_index": 3, "device_id": "gpu-001", "hostname": "n1",
        "model_name": "H100", "container": "", "pod": "", "namespace": "a",
    });
    assert_eq!(server.get("/api/v1/gpus/gpu-001").json(), replayed);
    assert_eq!(server.get("/api/v1/gpus?view=full").json()["gpus"][1], replayed);
    for id in ["GPU-5%2F6%2520x", "n2%2F0000:65:00.0", "0000:65:00.0"] {
        let answer = server.get(&format!("/api/v1/gpus/{id}"));
        assert_eq!(answer.json()["gpu_id"], "GPU-5/6%20x", "{id}");
    }
    // Another node has one at the same place.
    server.push("utilization", "0000:03:00.0", &[("node", "n1")], 0, 1.0);
    let ambiguous = server.get("/api/v1/gpus/0000:03:00.0");
    assert_eq!(ambiguous.status(), 400);
    assert!(ambiguous.message().contains("several nodes"));
    assert_eq!(server.get("/api/v1/gpus/n1%2F0000:03:00.0").status(), 200);
}

#[test]
fn what_is_not_there_is_404_with_a_body() {
    let server = Server::with_gpus(config());
    for path in [
        "/api/v1/gpus/other",
        "/api/v1/gpus/other/telemetry",
        "/api/v1/hosts/n9/gpus",
        "/api/v1/nothing",
        "/nothing",
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status(), 404, "{path}");
        assert!(answer.message().contains("there is no"), "{answer:?}");
    }
}

#[test]
fn an_entry_is_all_of_an_instant_and_both_ends_of_a_range_belong_to_it() {
    let server = Server::with_gpus(config());
    let answer = server.get(
        "/api/v1/gpus/gpu-001/telemetry?start_time=2026-01-01T00:00:02Z&end_time=2026-01-01T00:00:04Z&limit=2",
    );
    let entry = |second: u32| {
        json!({
            "gpu_id": "gpu-001", "hostname": "n1", "timestamp": format!("2026-01-01T00:00:0{second}.000000000Z"),
            "metrics": { "utilization": f64::from(second), "temperature": 40.0 },
        })
    };
    let pagination = json!({ "limit": 2, "offset": 0, "has_next": true });
    assert_eq!(
        answer.json(),
        json!({ "data": [entry(2), entry(3)], "total": 3, "pagination": pagination })
    );
    let newest = server
        .get("/api/v1/gpus/gpu-001/telemetry?order=desc&limit=1")
        .json();
    assert_eq!(
        (&newest["total"], &newest["data"]),
        (&json!(10), &json!([entry(9)]))
    );
    let recent = server
        .get("/api/v1/gpus/gpu-001/telemetry?start_time=now-5m")
        .json();
    assert_eq!((&recent["total"], &recent["data"]), (&json!(0), &json!([])));
    for wrong in ["start_time=yesterday", "end_time=now%2B1", "order=up", "limit=x"] {
        let answer = server.get(&format!("/api/v1/gpus/gpu-001/telemetry?{wrong}"));
        assert_eq!(answer.status(), 400, "{wrong}");
        assert!(answer.message().contains("write it as") || answer.message().contains('`'));
    }
}

#[test]
fn series_of_one_metric_are_told_apart_and_what_is_no_number_is_null() {
    let server = Server::with_gpus(config());
    let answer = server.get("/api/v1/gpus/n2%2F0000:03:00.0/telemetry").json();
    let metrics = json!({ "energy{domain=\"card\"}": null, "energy{domain=\"package\"}": null });
    assert_eq!(answer["data"][0]["metrics"], metrics);
}

#[test]
fn hosts_are_those_with_gpus_and_this_machine_has_its_name() {
    let server = Server::with_gpus(config());
    server.push("utilization", "gpu-9", &[], 0, 1.0);
    let hosts = server.get("/api/v1/hosts").json();
    assert_eq!(
        (&hosts["hosts"], &hosts["total"]),
        (&json!(["here", "n1", "n2"]), &json!(3))
    );
    let here = json!({ "hostname": "here", "gpus": ["gpu-9"], "total": 1 });
    assert_eq!(server.get("/api/v1/hosts/here/gpus").json(), here);
    let two = server.get("/api/v1/hosts/n2/gpus").json();
    assert_eq!(two["gpus"], json!(["GPU-5/6%20x", "n2/0000:03:00.0"]));
}

#[test]
fn the_collector_tells_what_it_has() {
    let server = Server::with_gpus(config());
    let counts = json!({ "gpu-001": 10, "GPU-5/6%20x": 10, "n2/0000:03:00.0": 0 });
    assert_eq!(
        server.get("/stats").json(),
        json!({ "total_entries": 20, "total_gpus": 3, "max_entries_per_gpu": 10_000, "gpu_entry_counts": counts })
    );
    let health = server.get("/health").json();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["service"], "telemetry-api");
    assert_eq!(health["collector"]["memory_stats"]["series"], 6);
    assert_eq!(server.get("/livez").status(), 200);
    // Nothing is measured here.
    for path in ["/ready", "/readyz"] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status(), answer.message()),
            (503, "the pipeline is not running".to_owned())
        );
    }
}

#[test]
fn without_its_store_the_server_says_what_is_missing() {
    let server = Server::start(alumet_plugin_rest_api::Config {
        backend: "other".to_owned(),
        ..config()
    });
    let answer = server.get("/api/v1/gpus");
    assert_eq!(answer.status(), 503);
    assert!(answer.message().contains("the plugin `other`"));
    let health = server.get("/health");
    assert_eq!(
        (health.status(), &health.json()["status"]),
        (200, &json!("degraded"))
    );
}
