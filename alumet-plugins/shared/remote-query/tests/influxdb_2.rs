//! What is asked of a server of version 2, and what is read of its answers: those of the documentation's form, to questions that
//! are told apart by what is in them.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use alumet_core::time::Timestamp;
use alumet_core::value::Value;
use alumet_shared_http_delivery::testkit::{Received, TestServer, local};
use alumet_shared_query::{Backend, Bucket, Budget, Limits, Range, Selector, Steps};
use alumet_shared_remote_query::{InfluxdbBackend, InfluxdbConfig};
use alumet_shared_trust::Secret;

const SECOND: i64 = 1_000_000_000;

/// The Flux in a request.
fn flux(request: &Received) -> String {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["dialect"]["annotations"].as_array().unwrap().len(), 3);
    body["query"].as_str().unwrap().to_owned()
}

/// The values of one column.
fn column(values: &[&str]) -> String {
    let mut csv = "#datatype,string,long,string\r\n#group,false,false,false\r\n#default,_result,,\r\n,result,table,_value\r\n".to_owned();
    for value in values {
        csv.push_str(&format!(",,0,{value}\r\n"));
    }
    csv
}

/// A result with tables of one series, whose rows are `table,start,stop,time,value`.
fn tables(result: &str, value_type: &str, measurement: &str, kind: &str, rows: &[&str]) -> String {
    let mut csv = format!(
        "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,{value_type},string,string,string,string,string\r\n\
         #group,false,false,true,true,false,false,true,true,true,true,true\r\n\
         #default,{result},,,,,,,,,,\r\n\
         ,result,table,_start,_stop,_time,_value,_field,_measurement,metric_kind,metric_unit,resource_kind\r\n"
    );
    for row in rows {
        csv.push_str(&format!(",,{row},value,{measurement},{kind},J,gpu\r\n"));
    }
    csv.push_str("\r\n");
    csv
}

fn backend(server: &TestServer) -> InfluxdbBackend {
    let mut http = local();
    http.token = Some(Secret("t".to_owned()));
    let config = InfluxdbConfig {
        host: server.url(),
        org: "o r".to_owned(),
        bucket: "b".to_owned(),
        http,
        ..InfluxdbConfig::default()
    };
    InfluxdbBackend::new(&config).unwrap()
}

fn budget() -> Budget {
    Budget::new(Limits::default())
}

#[tokio::test]
async fn a_server_sums_up_deltas_and_gives_the_samples_of_counters() {
    let server = TestServer::answering(|request| {
        let flux = flux(request);
        let first = "0,1970-01-01T00:00:00Z,1970-01-01T00:00:20Z,1970-01-01T00:00:05.000000001Z";
        let last = "0,1970-01-01T00:00:00Z,1970-01-01T00:00:20Z,1970-01-01T00:00:15Z";
        let windows = [
            "0,1970-01-01T00:00:00Z,1970-01-01T00:00:10Z",
            "1,1970-01-01T00:00:10Z,1970-01-01T00:00:20Z",
        ];
        let answer = if flux.contains("distinct(column: \"_measurement\")") {
            column(&["energy", "count", "other"])
        } else if flux.contains("distinct(column: \"_field\")") {
            column(&["value"])
        } else if flux.contains("window(every: 10000000000ns, offset: 0ns)") {
            assert!(
                flux.contains("r[\"_measurement\"] == \"energy\")") && flux.contains("\"delta\""),
                "{flux}"
            );
            let of = |result: &str, times: [&str; 2], values: [&str; 2]| {
                let rows =
                    [0, 1].map(|number| format!("{},{},{}", windows[number], times[number], values[number]));
                tables(
                    result,
                    "long",
                    "energy",
                    "delta",
                    &rows.each_ref().map(String::as_str),
                )
            };
            let at = ["1970-01-01T00:00:05.000000001Z", "1970-01-01T00:00:15Z"];
            [
                of("count", ["", ""], ["1", "1"]),
                of("sum", ["", ""], ["7", "8"]),
                of("min", at, ["7", "8"]),
                of("max", at, ["7", "8"]),
                of("first", at, ["7", "8"]),
                of("last", at, ["7", "8"]),
            ]
            .concat()
        } else if flux.contains("first()") {
            [
                tables("first", "long", "energy", "delta", &[&format!("{first},7")]),
                tables("first", "double", "count", "counter", &[&format!("{first},1.5")]),
                tables("last", "long", "energy", "delta", &[&format!("{last},8")]),
                tables("last", "double", "count", "counter", &[&format!("{last},0.5")]),
            ]
            .concat()
        } else {
            assert!(flux.contains("r[\"metric_kind\"] == \"counter\""), "{flux}");
            let rows = [format!("{first},1.5"), format!("{last},0.5")];
            tables(
                "_result",
                "double",
                "count",
                "counter",
                &rows.each_ref().map(String::as_str),
            )
        };
        ("200 OK", answer)
    })
    .unwrap();
    let backend = backend(&server);
    let selector = Selector::default().with("resource_kind", "gpu");
    let steps = Steps {
        start: 0,
        step: 10 * SECOND,
        count: 2,
    };
    let mut found = backend.buckets(&selector, steps, &budget()).await.unwrap();
    found.sort_by_key(|found| found.series.to_string());
    let names: Vec<_> = found.iter().map(|found| &*found.series.metric.name).collect();
    assert_eq!(names, ["count", "energy"]);
    let one = |start, value, at| Bucket {
        start,
        count: 1,
        sum: value,
        min: value,
        max: value,
        first: value,
        last: value,
        first_at: at,
        last_at: at,
        rise: 0.0,
    };
    let (first, last) = (5 * SECOND + 1, 15 * SECOND);
    assert_eq!(
        found[0].buckets,
        [one(0, 1.5, first), one(10 * SECOND, 0.5, last)]
    );
    assert_eq!(
        found[1].buckets,
        [one(0, 7.0, first), one(10 * SECOND, 8.0, last)]
    );

    for request in server.received() {
        assert_eq!(request.line, "POST /api/v2/query?org=o+r HTTP/1.1");
        assert_eq!(request.header("authorization"), Some("Token t"));
    }
    let asked = flux(&server.received()[2]);
    assert!(
        asked.contains("(r) => r[\"resource_kind\"] == \"gpu\")"),
        "{asked}"
    );
}

#[tokio::test]
async fn attributes_in_fields_tell_series_apart() {
    let server = TestServer::answering(|request| {
        let flux = flux(request);
        let answer = match flux.contains("distinct") {
            true => column(&["domain", "value"]),
            false => {
                assert!(!flux.contains("\"package\"") && !flux.contains("_field"), "{flux}");
                let head = ",result,table,_time,_value,_field,_measurement,resource_kind\n";
                let rows = |value_type: &str, field: &str, values: [&str; 2]| {
                    let [a, b] = values;
                    format!(
                        "#datatype,string,long,dateTime:RFC3339Nano,{value_type},string,string,string\n#default,_result,,,,,,\n{head}\
                         ,,0,1970-01-01T00:00:01Z,{a},{field},energy,gpu\n,,0,1970-01-01T00:00:02Z,{b},{field},energy,gpu\n\n"
                    )
                };
                rows("string", "domain", ["package", "dram"]) + &rows("unsignedLong", "value", ["1", "2"])
            }
        };
        ("200 OK", answer)
    })
    .unwrap();
    let selector = Selector::default()
        .with("metric", "energy")
        .with("domain", "package");
    let found = backend(&server)
        .samples(&selector, Range::ALL, None, &budget())
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    let samples: Vec<_> = found[0].iter().collect();
    assert_eq!(samples, [(Timestamp::from_nanos(SECOND), Value::U64(1))]);
    let received = server.received();
    assert!(flux(&received[0]).contains("start: time(v: -9223372036854775806)"));
}

#[tokio::test]
async fn what_the_server_says_is_told() {
    let server = TestServer::answering(|_| {
        let body = r#"{"code":"not found","message":"failed to initialize execute state: could not find bucket \"b\""}"#;
        ("404 Not Found", body.to_owned())
    })
    .unwrap();
    let problems = backend(&server).status().await.problems;
    assert!(problems[0].contains("could not find bucket"), "{problems:?}");
}

#[tokio::test]
async fn a_line_without_end_is_refused() {
    let server = TestServer::answering(|_| ("200 OK", "x".repeat(17 << 20))).unwrap();
    let problems = backend(&server).status().await.problems;
    assert!(problems[0].ends_with("a line without end"), "{problems:?}");
}
