//! What real scrapers make of the expositions.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use alumet_core::metric::MetricKind;
use alumet_core::pipeline::PipelineBuilder;
use alumet_core::series::{Series, SeriesInfo};
use alumet_core::source::{Accumulator, Source};
use alumet_core::unit::Unit;
use alumet_core::value::Value;
use alumet_core::{Consumer, Failure, Resource};
use alumet_plugin_prometheus_exporter::{Config, PrometheusExporterPlugin};
use alumet_shared_http_delivery::HttpClient;
use alumet_shared_http_delivery::testkit::local;
use alumet_shared_output_testkit::{LONG, Program, find, free_port, samples_of_every_sort, until};
use serde_json::Value as Json;

use crate::rig::{Exporter, ask, config};

/// Name and labels of a series.
type Key = (String, BTreeMap<String, String>);

/// What the README says that the samples of every sort become, with the plain names that the default has.
fn expected(exporter: &Exporter) -> BTreeMap<Key, f64> {
    let mut all = BTreeMap::new();
    let samples = samples_of_every_sort(exporter.bench.catalog(), alumet_core::testkit::ManualClock::START);
    for sample in samples.samples() {
        let info = exporter.bench.catalog().describe(sample.series).unwrap();
        let value = sample.value();
        let is_counter = info.metric.kind != MetricKind::Gauge;
        if is_counter && !(value.as_f64() >= 0.0 && value.as_f64().is_finite()) {
            continue;
        }
        all.insert(key(&info), in_base_unit(&info.metric.unit, value));
    }
    all
}

fn key(info: &SeriesInfo) -> Key {
    let mut name = format!("{}_alumet", info.metric.name);
    name.push_str(match &*info.metric.unit.code() {
        "J" | "mJ" | "W.h" => "_joules",
        "ns" => "_seconds",
        "KiBy" => "_bytes",
        "%" => "_ratio",
        "Cel" => "_celsius",
        "g{CO2eq}" => "_g_CO2eq",
        _ => "",
    });
    if info.metric.kind != MetricKind::Gauge {
        name.push_str("_total");
    }
    let mut labels = BTreeMap::from([
        ("resource_kind".to_owned(), info.resource().kind().to_owned()),
        ("resource_id".to_owned(), info.resource().id().into_owned()),
        (
            "resource_consumer_kind".to_owned(),
            info.consumer().kind().to_owned(),
        ),
        (
            "resource_consumer_id".to_owned(),
            info.consumer().id().into_owned(),
        ),
    ]);
    for (key, value) in info.attributes().iter() {
        let mut label: String = key
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if label.starts_with(|c: char| c.is_ascii_digit()) {
            label.insert(0, '_');
        }
        if labels.contains_key(&label) || label.starts_with("__") {
            label = format!("alumet_attribute__{label}");
        }
        labels.insert(label, value.to_string());
    }
    labels.retain(|_, value| !value.is_empty());
    (name, labels)
}

fn in_base_unit(unit: &Unit, value: Value) -> f64 {
    match &*unit.code() {
        "mJ" => value.as_f64() / 1000.0,
        "W.h" => value.as_f64() * 3600.0,
        "ns" => value.as_f64() / 1e9,
        "KiBy" => value.as_f64() * 1024.0,
        "%" => value.as_f64() / 100.0,
        _ => value.as_f64(),
    }
}

fn assert_same(found: &BTreeMap<Key, f64>, expected: &BTreeMap<Key, f64>) {
    for (key, value) in expected {
        let other = found.get(key);
        let is_same = other.is_some_and(|other| other == value || other.is_nan() && value.is_nan());
        assert!(
            is_same,
            "{key:?} is {other:?} and not {value}; there are {found:#?}"
        );
    }
    assert_eq!(found.len(), expected.len());
}

/// Number of the text in JSON, where NaN and infinities are words.
fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

/// A Prometheus that scrapes a port.
struct Prometheus {
    _program: Program,
    client: HttpClient,
    runtime: tokio::runtime::Runtime,
}

impl Prometheus {
    fn start(scraped: u16) -> Option<Self> {
        let program = find("prometheus", "apt-get install prometheus")?;
        let port = free_port();
        let program = Program::start(port, |folder| {
            let config = format!(
                "global: {{ scrape_interval: 200ms }}\n\
                 scrape_configs:\n- job_name: alumet\n  honor_labels: true\n  \
                 static_configs: [{{ targets: ['127.0.0.1:{scraped}'] }}]\n"
            );
            fs::write(folder.join("prometheus.yml"), config).unwrap();
            let mut command = Command::new(program);
            command
                .arg(format!(
                    "--config.file={}",
                    folder.join("prometheus.yml").display()
                ))
                .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"));
            command
        });
        Some(Self {
            _program: program,
            client: HttpClient::new("host", &format!("http://127.0.0.1:{port}"), &local()).unwrap(),
            runtime: tokio::runtime::Runtime::new().unwrap(),
        })
    }

    fn get(&self, path: &str) -> Json {
        let request = self.client.get(path);
        // Until it has read what it has on disk, it says that it is not ready.
        match self.runtime.block_on(self.client.send(request)) {
            Ok(answer) => serde_json::from_slice(&answer.body).unwrap(),
            Err(_) => Json::Null,
        }
    }

    /// The series of a query with their present values.
    fn query(&self, query: &str) -> BTreeMap<Key, f64> {
        let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.get(&format!("/api/v1/query?query={query}"));
        let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let read = |series: &Json| {
            let labels = series["metric"].as_object().unwrap().iter();
            let mut labels: BTreeMap<String, String> = labels
                .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
                .collect();
            let name = labels.remove("__name__").unwrap_or_default();
            // What the scraper adds.
            labels.retain(|key, value| {
                !(key == "job" && value == "alumet" || key == "instance" && value.starts_with("127."))
            });
            ((name, labels), number(series["value"][1].as_str().unwrap()))
        };
        series.iter().map(read).collect()
    }

    /// The sum of a query.
    fn sum(&self, query: &str) -> f64 {
        self.query(query).values().sum()
    }
}

#[test]
fn prometheus_reads_every_sort_of_sample_back_as_it_was() {
    // It stores the created times as series.
    let exporter = Exporter::start(Config {
        created_timestamps: false,
        ..config()
    });
    let Some(prometheus) = Prometheus::start(exporter.port) else {
        return;
    };
    const OURS: &str = "{__name__=~\".*_alumet.*\"}";
    until("it has scraped", || !prometheus.query(OURS).is_empty());
    assert_same(&prometheus.query(OURS), &expected(&exporter));
    let metadata = prometheus.get("/api/v1/metadata");
    for (name, kind) in [("delta_u64_alumet", "counter"), ("gauge_u64_alumet", "gauge")] {
        let found = &metadata["data"][name][0];
        assert_eq!(
            (&found["type"], &found["help"]),
            (&kind.into(), &"For tests: \"quotes\" and \\ and\na line.".into())
        );
    }
    assert!(!exporter.series.is_empty());
}

/// What a strict parser reads.
const PARSE: &str = r#"
import json, sys
if sys.argv[1] == "open":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
else:
    from prometheus_client.parser import text_string_to_metric_families
text = sys.stdin.buffer.read().decode("utf-8")
for family in text_string_to_metric_families(text):
    for sample in family.samples:
        print(json.dumps([family.type, family.unit, sample.name, sample.labels, str(float(sample.value))]))
"#;

/// Gives a text to a program; its output, if it takes the text.
fn give(command: &mut Command, text: &[u8]) -> (Option<i32>, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_vec();
    // A program that has seen enough does not read on.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&text)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn parsed(python: &Path, format: &str, text: &[u8]) -> Vec<Json> {
    let mut command = Command::new(python);
    let (status, said) = give(command.args(["-c", PARSE, format]), text);
    assert_eq!(status, Some(0), "{said}");
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn python() -> Option<std::path::PathBuf> {
    const INSTALL: &str = "pip install prometheus_client";
    let python = find("python3", INSTALL)?;
    let has_module = Command::new(&python)
        .args(["-c", "import prometheus_client.openmetrics.parser"])
        .output();
    if !has_module.unwrap().status.success() {
        return find("the Python module prometheus_client", INSTALL);
    }
    Some(python)
}

const OPEN: &str = "Accept: application/openmetrics-text; version=1.0.0; escaping=allow-utf-8\r\n";
const TEXT: &str = "Accept: text/plain; version=1.0.0; escaping=allow-utf-8\r\n";

#[test]
fn a_strict_parser_reads_both_formats_and_odd_texts_as_they_were() {
    let Some(python) = python() else { return };
    let exporter = Exporter::start(config());
    for (format, accept) in [("open", OPEN), ("text", TEXT)] {
        let text = ask(exporter.port, "GET /metrics", accept).body;
        let mut found = BTreeMap::new();
        for row in parsed(&python, format, &text) {
            let name = row[2].as_str().unwrap().to_owned();
            if name.starts_with("alumet_exporter") || name.ends_with("_created") {
                continue;
            }
            let (kind, unit) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
            assert_eq!(
                kind,
                if name.ends_with("_total") {
                    "counter"
                } else {
                    "gauge"
                },
                "{name}"
            );
            let is_last_word = name
                .strip_suffix(unit)
                .is_some_and(|rest| unit.is_empty() || rest.ends_with('_'));
            assert!(format == "text" || is_last_word, "{name} {unit}");
            let labels = row[3].as_object().unwrap().iter();
            let labels = labels.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()));
            let before = found.insert((name, labels.collect()), number(row[4].as_str().unwrap()));
            assert_eq!(before, None, "{row} is there twice");
        }
        assert_same(&found, &expected(&exporter));
    }
}

#[test]
fn a_strict_parser_reads_names_in_utf_8_as_they_were() {
    let Some(python) = python() else { return };
    let exporter = Exporter::start(Config {
        utf8_names: true,
        ..config()
    });
    let mut keys = BTreeMap::new();
    let samples = samples_of_every_sort(exporter.bench.catalog(), alumet_core::testkit::ManualClock::START);
    for series in samples.series() {
        let info = exporter.bench.catalog().describe(*series).unwrap();
        for (key, value) in info.attributes().iter() {
            keys.insert(key.to_string(), value.to_string());
        }
    }
    keys.retain(|key, _| !key.starts_with("resource_"));
    for (format, accept) in [("open", OPEN), ("text", TEXT)] {
        let text = ask(exporter.port, "GET /metrics", accept).body;
        let rows = parsed(&python, format, &text);
        let has = |key: &String, value: &String| rows.iter().any(|row| row[3][key] == **value);
        for (key, value) in keys.iter().filter(|(_, value)| !value.is_empty()) {
            assert!(has(key, value), "{key:?} = {value:?}");
        }
    }
}

#[test]
fn promtool_takes_both_formats_and_finds_no_fault_with_ordinary_metrics() {
    let Some(promtool) = find("promtool", "apt-get install prometheus") else {
        return;
    };
    let check = |text: &[u8]| give(Command::new(&promtool).args(["check", "metrics"]), text);
    let exporter = Exporter::start(config());
    let (status, said) = check(&ask(exporter.port, "GET /metrics", "").body);
    // 3 is a matter of taste.
    assert!(matches!(status, Some(0 | 3)), "{said}");
    assert!(!said.contains("error while linting"), "{said}");
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let config = Config { port, ..config() };
    let pipeline = alumet_shared_output_testkit::run::<PrometheusExporterPlugin>(folder.path(), config, 0);
    until("there are samples", || {
        ask(port, "GET /metrics", "").text().contains("number_alumet{")
    });
    let (status, said) = check(&ask(port, "GET /metrics", TEXT).body);
    assert_eq!((status, said.as_str()), (Some(0), ""));
    // It takes OpenMetrics for text with comments, in which it misses the names of counters.
    let (status, said) = check(&ask(port, "GET /metrics", OPEN).body);
    assert!(
        matches!(status, Some(0 | 3)) && !said.contains("error while linting"),
        "{said}"
    );
    pipeline.stop(LONG);
}

alumet_core::metrics! {
    WORK = Delta<u64> {
        name: "work",
        unit: Unit::JOULE.micro(),
        description: "One joule each second.",
    };
}

/// A power of 1 W, however late it is polled.
struct Work {
    series: Series<u64>,
    start: Option<Instant>,
    told: u64,
}

impl Source for Work {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let start = *self.start.get_or_insert_with(Instant::now);
        let all = start.elapsed().as_micros() as u64;
        out.push(&self.series, all - self.told);
        self.told = all;
        Ok(())
    }
}

#[test]
fn the_rate_of_an_energy_is_a_power_and_nothing_between_two_scrapes_is_lost() {
    let (port, scraped) = (free_port(), all().len());
    let Some(prometheus) = Prometheus::start(port) else {
        return;
    };
    let mut builder = PipelineBuilder::new();
    let metric = builder.catalog().metric(&WORK).unwrap();
    let series = builder
        .catalog()
        .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
        .register();
    let work = Work {
        series: series.clone(),
        start: None,
        told: 0,
    };
    builder
        .source("work", work)
        .every(std::time::Duration::from_millis(20));
    builder
        .plugin::<PrometheusExporterPlugin>(Config { port, ..config() })
        .unwrap();
    let pipeline = builder.start().unwrap();
    until("it has scraped for longer than three seconds", || {
        prometheus.sum("count_over_time(work_alumet_joules_total[1m])") >= 20.0
    });
    let rate = prometheus.sum("rate(work_alumet_joules_total[3s])");
    assert!((0.7..1.3).contains(&rate), "{rate} W");
    assert_eq!(prometheus.sum("up"), scraped as f64);
    drop(series);
    pipeline.stop(LONG);
    until("the exporter is gone", || prometheus.sum("up") == 0.0);
}
