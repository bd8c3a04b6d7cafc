//! The endpoints about series, asked over their routes.

use std::sync::Arc;

use alumet_core::unit::Unit;
use alumet_core::{Timestamp, Value};
use alumet_shared_query::Limits;
use axum::http::header::CONTENT_TYPE;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tokio::time::timeout;
use tokio_stream::StreamExt;

use crate::live::LiveSample;

use super::bench::{Bench, PATIENCE, Series, constant};

const ENDPOINTS: [&str; 8] = [
    "metrics",
    "nodes",
    "resources",
    "consumers",
    "series",
    "query",
    "energy",
    "top",
];

/// Two nodes, of which one is this machine.
fn two_nodes() -> Bench {
    let bench = Bench::new();
    Series::of("energy").has(&bench, constant(2.0));
    let there = |id| {
        Series::of("energy")
            .attribute("node", "there")
            .consumer("cgroup", id)
            .attribute("name", "a,\"b\"")
    };
    there("/a")
        .attribute("container", "x")
        .has(&bench, [(100, 1.0), (200, 3.0)]);
    there("/a")
        .attribute("container", "y")
        .has(&bench, [(100, 1.0), (200, 3.0)]);
    Series::of("power")
        .watts()
        .has(&bench, [(3000, 10.0), (3001, f64::NAN)]);
    bench
}

#[tokio::test]
async fn metrics_are_listed_with_what_they_are() {
    let found = two_nodes().json("/metrics?metric=energy").await;
    let metric = json!({"name": "energy", "kind": "delta", "type": "f64", "unit": "J", "quality": "measured",
        "description": "What it is.", "series": 3});
    assert_eq!(found, json!({ "metrics": [metric] }));
}

#[tokio::test]
async fn a_node_without_a_name_is_this_machine_and_one_without_samples_is_silent() {
    let found = two_nodes().json("/nodes").await;
    let here =
        json!({"node": "here", "first_at": 3_000_000, "last_at": 3_599_000, "series": 2, "state": "live"});
    let there =
        json!({"node": "there", "first_at": 100_000, "last_at": 200_000, "series": 2, "state": "silent"});
    assert_eq!(found, json!({ "nodes": [here, there] }));
    let found = two_nodes().json("/nodes?node=here").await;
    assert_eq!(found["nodes"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn consumers_are_listed_with_what_their_series_have_in_common() {
    let found = two_nodes().json("/consumers?limit=1&offset=1").await;
    let consumer = json!({"node": "there", "kind": "cgroup", "id": "/a", "series": 2, "last_at": 200_000,
        "labels": {"node": "there", "name": "a,\"b\""}});
    assert_eq!(
        found,
        json!({"consumers": [consumer], "total": 2, "pagination": {"limit": 1, "offset": 1, "has_next": false}})
    );
    let found = two_nodes().json("/resources?limit=1").await;
    assert_eq!(
        (&found["total"], &found["pagination"]["has_next"]),
        (&json!(2), &json!(true))
    );
}

#[tokio::test]
async fn series_are_listed_in_order_with_all_labels() {
    let found = two_nodes().json("/series?match=container%3D~x%7Cy&limit=1").await;
    let labels = json!({"metric": "energy", "unit": "J", "quality": "measured", "resource_kind": "local_machine",
        "resource_id": "", "consumer_kind": "cgroup", "consumer_id": "/a", "node": "there", "name": "a,\"b\"", "container": "x"});
    assert_eq!(
        found["series"],
        json!([{"labels": labels, "first_at": 100_000, "last_at": 200_000}])
    );
    assert_eq!(found["total"], 2);
}

#[tokio::test]
async fn samples_are_given_as_they_are_and_the_newest_if_there_are_too_many() {
    let bench = two_nodes();
    let exact = Series::of("count").unit(Unit::ONE).identity();
    bench
        .listed
        .push(&exact, Timestamp::from_nanos(1_500_000), u64::MAX);
    let found = bench.json("/query?metric=count").await;
    assert_eq!(found["rows"][0]["points"], json!([[1, u64::MAX]]));
    let found = bench.json("/query?metric=power").await;
    assert_eq!(
        found["rows"][0]["points"],
        json!([[3_000_000, 10.0], [3_001_000, null]])
    );
    assert_eq!(
        (&found["step_ms"], &found["limited"]),
        (&Json::Null, &json!(false))
    );
    let found = bench.json("/query?metric=power&limit=1").await;
    assert_eq!(found["rows"][0]["points"], json!([[3_001_000, null]]));
    assert_eq!(found["limited"], true);
}

#[tokio::test]
async fn the_last_value_comes_with_its_time() {
    let found = two_nodes()
        .json("/query?aggregate=last&node=here&metric=energy")
        .await;
    let row = &found["rows"][0];
    assert_eq!(row["points"], json!([[3_599_000, 2.0]]));
    assert_eq!(
        (&row["series"], &row["unit"], &found["limited"]),
        (&json!(1), &json!("J"), &json!(false))
    );
}

#[tokio::test]
async fn an_aggregate_is_computed_by_interval_and_group() {
    let bench = two_nodes();
    let found = bench
        .json("/query?metric=energy&aggregate=sum&by=node&from=0")
        .await;
    let rows = found["rows"].as_array().unwrap();
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (&row["labels"], &row["series"], &row["points"]))
        .collect();
    assert_eq!(
        shown,
        [
            (&json!({"node": "here"}), &json!(1), &json!([[0, 120.0]])),
            (&json!({"node": "there"}), &json!(2), &json!([[0, 8.0]])),
        ]
    );
    let found = bench
        .json("/query?metric=energy&aggregate=rate&step=100&by=&node=there&combine=max")
        .await;
    // What the second sample tells arose since the first.
    assert_eq!(found["rows"][0]["points"], json!([[100_000, 0.04]]));
    assert_eq!(
        (&found["rows"][0]["unit"], &found["step_ms"]),
        (&json!("W"), &json!(100_000))
    );
    let found = bench
        .json("/query?metric=energy&aggregate=p50&node=there&by=consumer")
        .await;
    assert_eq!(
        found["rows"][0]["labels"],
        json!({"node": "there", "consumer_kind": "cgroup", "consumer_id": "/a"})
    );
    assert_eq!(found["rows"][0]["points"], json!([[0, 4.0]]));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_remedy() {
    let bench = two_nodes();
    for (uri, part) in [
        ("/query?aggregate=median", "`aggregate` is one of sum"),
        ("/query?aggregate=p101", "`aggregate` is one of sum"),
        ("/query?step=1m", "say what with `aggregate`"),
        ("/query?aggregate=sum&limit=5", "leave one out"),
        ("/query?aggregate=sum&metric=power", "ask for its mean"),
        ("/query?limit=many", "`limit` is a whole number"),
        ("/energy?step=x", "`x` is no duration"),
        ("/top?n=-1", "`n` is a whole number"),
        ("/series?format=xml", "there is no format `xml`, but json, csv"),
        ("/live?match=x", "compares nothing"),
        ("/status?verbose=1", "there is no parameter `verbose`"),
    ] {
        let message = bench.refusal(uri, 400).await;
        assert!(message.contains(part), "{uri}: {message}");
    }
    bench.refusal("/status", 503).await;
}

#[tokio::test]
async fn an_answer_is_never_beyond_its_limits() {
    let limits = Limits {
        series: 1,
        points: 10,
        ..Limits::default()
    };
    let bench = Bench::within(limits);
    for node in ["a", "b"] {
        Series::of("rapl_consumed_energy")
            .attribute("node", node)
            .attribute("domain", "package")
            .has(&bench, constant(1.0));
    }
    for uri in ["/metrics", "/nodes", "/series", "/query", "/energy", "/top"] {
        let message = bench.refusal(uri, 422).await;
        assert!(message.contains("more than 1 series"), "{uri}: {message}");
    }
    for uri in [
        "/query?node=a",
        "/query?node=a&aggregate=sum&step=1",
        "/energy?node=a&step=1",
    ] {
        let message = bench.refusal(uri, 422).await;
        assert!(message.contains("more than 10 values"), "{uri}: {message}");
    }
}

#[tokio::test]
async fn a_table_is_quoted_and_has_a_column_for_each_label() {
    let bench = two_nodes();
    let found = bench.text("/query?metric=power", "text/csv").await;
    assert_eq!(
        found,
        "consumer_id,consumer_kind,metric,quality,resource_id,resource_kind,unit,time,value\n\
         ,local_machine,power,measured,,local_machine,W,1970-01-01T00:50:00.000000000Z,10\n\
         ,local_machine,power,measured,,local_machine,W,1970-01-01T00:50:01.000000000Z,\n"
    );
    let found = bench.text("/consumers?format=csv", "application/json").await;
    assert_eq!(
        found,
        "id,kind,name,node,series,last_at\n\
         ,local_machine,,here,2,1970-01-01T00:59:59.000000000Z\n\
         /a,cgroup,\"a,\"\"b\"\"\",there,2,1970-01-01T00:03:20.000000000Z\n"
    );
    let found = bench
        .text(
            "/query?metric=energy&aggregate=sum&by=node&step=3600&format=csv",
            "*/*",
        )
        .await;
    assert_eq!(
        found,
        "node,unit,quality,time,value\n\
         here,J,measured,1970-01-01T00:00:00.000000000Z,120\n\
         there,J,measured,1970-01-01T00:00:00.000000000Z,8\n"
    );
    for uri in [
        "/metrics",
        "/nodes",
        "/resources",
        "/series",
        "/energy",
        "/energy?step=1m",
        "/top",
    ] {
        let found = bench.text(uri, "text/csv").await;
        let mut reader = csv::Reader::from_reader(found.as_bytes());
        assert!(
            reader.records().all(|record| record.is_ok()) && found.lines().count() > 1,
            "{uri}: {found}"
        );
    }
}

#[tokio::test]
async fn the_header_says_which_format_is_preferred() {
    let bench = two_nodes();
    for (accept, format) in [
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/html, */*", "application/json"),
        ("text/csv;q=0.5, application/json", "application/json"),
        (
            "application/json;q=0.5,text/csv; q=0.9",
            "text/csv; charset=utf-8",
        ),
        ("text/csv;q=0", "application/json"),
    ] {
        let response = bench.ask("/metrics", accept).await;
        assert_eq!(response.headers()[CONTENT_TYPE], format, "{accept}");
    }
}

#[tokio::test]
async fn live_samples_come_after_the_name_of_their_series() {
    let bench = Bench::new();
    let response = bench.ask("/live?metric=energy", "*/*").await;
    assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
    let mut events = response.into_body().into_data_stream();
    let mut next = async || {
        let text = timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    };
    let (energy, other) = (
        Arc::new(Series::of("energy").attribute("node", "n").identity()),
        Arc::new(Series::of("power").identity()),
    );
    let sample = |series: &Arc<_>, at, value| LiveSample {
        series: Arc::clone(series),
        at: Timestamp::from_nanos(at),
        value: Value::F64(value),
    };
    bench.live.send([sample(&other, 1, 1.0)].into());
    let batch = [
        sample(&energy, 1_000_000, 2.5),
        sample(&other, 1_000_000, 1.0),
        sample(&energy, 2_000_000, f64::NAN),
    ];
    bench.live.send(batch.clone().into());
    // The timer of the pulse starts with one.
    let mut found = String::new();
    while !found.contains("null") {
        found.push_str(&next().await);
    }
    let named = found
        .find(
            r#"event: series
data: {"series":[{"series":0,"labels":{"metric":"energy","#,
        )
        .unwrap();
    let samples = found
        .find("event: samples\ndata: {\"at\":1,\"values\":[{\"series\":0,\"value\":2.5}]}\n\nevent: samples\ndata: {\"at\":2,\"values\":[{\"series\":0,\"value\":null}]}\n\n")
        .unwrap();
    assert!(named < samples && !found.contains("power"), "{found}");
    bench.live.send(batch.into());
    let again = next().await;
    assert!(
        !again.contains("event: series") && again.contains("2.5"),
        "{again}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_asked_nothing_breaks(
        endpoint in prop::sample::select(&ENDPOINTS),
        parameters in prop::collection::vec((
            prop::sample::select(vec![
                "metric", "node", "match", "from", "to", "start_time", "step", "by", "aggregate", "combine", "limit", "offset",
                "n", "format", "quality", "x",
            ]),
            prop_oneof![
                ".{0,12}",
                "(now-)?[0-9]{1,20}(ms|s|m|h|d|w)?",
                prop::sample::select(vec!["node,consumer", "sum", "p99", "last", "a=~(", "a=~.*", "csv", "1e18", "-1", "0"])
                    .prop_map(str::to_owned),
            ],
        ), 0..5),
    ) {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let response = runtime.block_on(two_nodes().ask(&format!("/{endpoint}?{query}"), "*/*"));
        prop_assert!(!response.status().is_server_error(), "{} {}", query, response.status());
    }
}
