//! What programs send that measure themselves.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::Catalog;
use alumet_core::output::{Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::spool::{InstanceId, Spool, SpoolSlot};
use alumet_plugin_rest_api::{Config, RestApiPlugin};
use alumet_shared_output_testkit::{LONG, until};
use alumet_shared_spool::{DiskSpool, SpoolConfig};
use tempfile::TempDir;

use crate::rig::{Answer, Server, config};

const JSON: &str = "Content-Type: application/json; charset=utf-8\r\n";
const GOOD: &str = r#"{"gpu_id":"gpu-001","hostname":"n1","metrics":{"utilization":85.5,"memory_used":4096},
                       "timestamp":"2026-01-01T00:00:00Z"}"#;

/// A pipeline that takes telemetry, and keeps what comes of it in memory, too.
struct Taking {
    pipeline: Pipeline,
    recording: Recording,
    spool: SpoolSlot,
    port: u16,
    _folder: TempDir,
}

impl Taking {
    fn start(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.db");
        let spool = SpoolSlot::new(move |catalog: &Catalog| -> Arc<dyn Spool> {
            let config = SpoolConfig {
                path: Some(path.clone()),
                // Long enough to see whether it is waited for.
                commit_interval: Duration::from_millis(300),
                ..SpoolConfig::default()
            };
            DiskSpool::open(config, catalog.clone())
        });
        let mut builder = PipelineBuilder::new().spool(spool.clone());
        let output = RecordingOutput::new();
        let recording = output.recording();
        builder.output("recording", output);
        let port = config.address.port();
        let config = Config {
            publish: true,
            ..config
        };
        builder.plugin::<RestApiPlugin>(config).unwrap();
        Self {
            pipeline: builder.start().unwrap(),
            recording,
            spool,
            port,
            _folder: folder,
        }
    }

    /// The samples so far: GPU, node, metric and value.
    fn samples(&self) -> Vec<(String, String, String, f64)> {
        let samples = self.recording.samples().into_iter();
        let samples = samples.map(|sample| {
            let node = sample.series.attributes().get("node").map(ToString::to_string);
            (
                sample.series.resource().id().into_owned(),
                node.unwrap_or_default(),
                sample.series.metric.name.to_string(),
                sample.value.as_f64(),
            )
        });
        samples.collect()
    }
}

fn post(port: u16, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    write!(
        stream,
        "POST /publish/gpu-telemetry HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    Answer::read(&mut stream)
}

/// Whose batch it was, and which.
fn parts(message_id: &str) -> (InstanceId, u64) {
    let (instance, sequence) = message_id.split_once('-').unwrap();
    let byte = |at: usize| u8::from_str_radix(&instance[2 * at..2 * at + 2], 16).unwrap();
    (InstanceId(std::array::from_fn(byte)), sequence.parse().unwrap())
}

#[test]
fn what_is_answered_is_on_disk_and_becomes_samples() {
    let taking = Taking::start(config());
    let list = format!(r#"[{GOOD}, {}]"#, GOOD.replace("gpu-001", "gpu-002"));
    for (number, body) in [(1, GOOD), (2, &list)] {
        let answer = post(taking.port, JSON, body);
        assert_eq!(answer.status(), 200, "{answer:?}");
        let answer = answer.json();
        assert_eq!(answer["status"], "published");
        assert_eq!(answer["topic"], "gpu-telemetry");
        let (instance, sequence) = parts(answer["message_id"].as_str().unwrap());
        let committed = taking.spool.opened().unwrap().committed(instance).unwrap();
        assert_eq!(committed, Some((sequence, 0)));
        assert_eq!(sequence, number);
    }
    until("all are written", || taking.samples().len() >= 6);
    let sample = |gpu: &str, metric: &str, value| (gpu.to_owned(), "n1".to_owned(), metric.to_owned(), value);
    let of = |gpu| {
        [
            sample(gpu, "memory_used", 4096.0),
            sample(gpu, "utilization", 85.5),
        ]
    };
    assert_eq!(
        taking.samples(),
        [of("gpu-001"), of("gpu-001"), of("gpu-002")].concat()
    );
    taking.pipeline.stop(LONG);
}

#[test]
fn of_what_is_wrong_nothing_is_taken_and_its_place_is_told() {
    let taking = Taking::start(config());
    let late = GOOD.replace("2026-01-01T00:00:00Z", "tomorrow");
    let text = GOOD.replace("85.5", "\"many\"");
    let nobody = GOOD.replace("gpu-001", "");
    for (body, phrases) in [
        ("", ["no telemetry record", "line 1"]),
        ("[]", ["no value", "metrics"]),
        (r#"{"gpu_id":"a","metrics":{}}"#, ["timestamp", "line 1"]),
        (&format!("[{GOOD},{late}]"), ["record 2 of 2", "tomorrow"]),
        (&format!("[{text},{GOOD}]"), ["record 1 of 2", "utilization"]),
        (&nobody, ["record 1 of 1", "gpu_id"]),
    ] {
        let answer = post(taking.port, JSON, body);
        assert_eq!(answer.status(), 400, "{body}: {answer:?}");
        let message = answer.message();
        assert!(
            phrases.iter().all(|phrase| message.contains(phrase)),
            "{body}: {message}"
        );
    }
    // A page of another server could make a browser send these.
    for headers in ["", "Content-Type: text/plain\r\n"] {
        assert_eq!(post(taking.port, headers, GOOD).status(), 415);
    }
    assert_eq!(post(taking.port, JSON, GOOD).status(), 200);
    until("the good one is written", || taking.samples().len() >= 2);
    assert_eq!(taking.samples().len(), 2);
    taking.pipeline.stop(LONG);
}

#[test]
fn only_who_may_see_everything_may_send() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let (all, team) = ("all-0123456789abcdef", "team-0123456789abcdef");
    fs::write(&file, format!("ops {all}\nteam {team} namespace=a\n")).unwrap();
    let taking = Taking::start(Config {
        tokens_file: Some(file),
        ..config()
    });
    for (headers, status) in [
        (JSON.to_owned(), 401),
        (format!("{JSON}Authorization: Bearer {team}\r\n"), 403),
        (format!("{JSON}Authorization: Bearer {all}\r\n"), 200),
    ] {
        assert_eq!(post(taking.port, &headers, GOOD).status(), status, "{headers}");
    }
    taking.pipeline.stop(LONG);
}

#[test]
fn nothing_is_taken_unless_the_configuration_says_so() {
    let server = Server::start(config());
    let answer = post(server.port, JSON, GOOD);
    assert_eq!(answer.status(), 404);
    assert!(answer.message().contains("publish = true"), "{answer:?}");
}
