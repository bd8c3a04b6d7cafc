//! The program's own traces and metrics, as a collector gets them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;

use alumet_shared_http_delivery::testkit::TestServer;
use alumet_shared_output_testkit::{free_port, rotel};
use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

use crate::metrics::parse;
use crate::program::{Folder, load, wait_until};

/// A collector that keeps what it takes, over HTTP.
struct Collector(TestServer);

/// What it is told of a span.
#[derive(Debug)]
struct Span {
    name: String,
    attributes: BTreeMap<String, String>,
    /// Why it has failed.
    error: Option<String>,
    trace: Vec<u8>,
}

impl Collector {
    fn start() -> Self {
        Self(TestServer::answering(|_| ("200 OK", String::new())).unwrap())
    }

    /// The table that sends everything there.
    fn table(&self) -> String {
        format!(
            "[telemetry]\nendpoint = '{}'\nprotocol = 'http'\nproxy = 'none'\n",
            self.0.url()
        )
    }

    /// What came to a path.
    fn taken<M: Message + Default>(&self, path: &str) -> Vec<M> {
        let line = format!("POST {path} HTTP/1.1");
        let received = self.0.received().into_iter();
        received
            .filter(|request| request.line == line)
            .map(|request| M::decode(&*request.body).unwrap())
            .collect()
    }

    fn spans(&self) -> Vec<Span> {
        let requests: Vec<ExportTraceServiceRequest> = self.taken("/v1/traces");
        let of_resources = requests.into_iter().flat_map(|request| request.resource_spans);
        let of_scopes = of_resources.flat_map(|of_resource| of_resource.scope_spans);
        of_scopes
            .flat_map(|of_scope| of_scope.spans)
            .map(|span| Span {
                name: span.name,
                attributes: attributes(&span.attributes),
                error: span
                    .status
                    .filter(|status| status.code() == StatusCode::Error)
                    .map(|status| status.message),
                trace: span.trace_id,
            })
            .collect()
    }

    /// The newest numbers, named as in `/metrics`, and what the resource says.
    fn numbers(&self) -> Option<(BTreeMap<String, f64>, BTreeMap<String, String>)> {
        let requests: Vec<ExportMetricsServiceRequest> = self.taken("/v1/metrics");
        let of_resource = requests.into_iter().next_back()?.resource_metrics.pop()?;
        let metrics = of_resource
            .scope_metrics
            .into_iter()
            .flat_map(|scope| scope.metrics);
        let mut numbers = BTreeMap::new();
        for metric in metrics {
            let points = match metric.data.unwrap() {
                Data::Gauge(gauge) => gauge.data_points,
                Data::Sum(sum) if sum.is_monotonic => sum.data_points,
                other => panic!("{}: {other:?}", metric.name),
            };
            assert_eq!(
                metric.unit == "s",
                metric.name.contains("_seconds"),
                "{}",
                metric.name
            );
            for point in points {
                let labels = attributes(&point.attributes);
                let labels: Vec<String> = labels
                    .iter()
                    .map(|(key, value)| format!("{key}=\"{value}\""))
                    .collect();
                let name = match labels.as_slice() {
                    [] => metric.name.clone(),
                    labels => format!("{}{{{}}}", metric.name, labels.join(",")),
                };
                let Some(Number::AsDouble(number)) = point.value else {
                    panic!("{name}: {:?}", point.value);
                };
                numbers.insert(name, number);
            }
        }
        Some((numbers, attributes(&of_resource.resource?.attributes)))
    }
}

/// Attributes as texts.
fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    };
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), text(pair).unwrap()))
        .collect()
}

/// A name with its labels in the order of the alphabet.
fn sorted(name: &str) -> String {
    let mut parts: Vec<&str> = name.split(['{', ',', '}']).collect();
    parts[1..].sort_unstable();
    parts.join(",")
}

#[test]
fn a_collector_gets_the_numbers_of_the_health_endpoint_and_those_of_the_end() {
    let (folder, collector) = (Folder::new(), Collector::start());
    let table = collector.table();
    folder.write(
        "alumet-config.toml",
        format!("{}{table}interval = '200ms'\n", load()),
    );
    let mut agent = folder.start(&[]);
    wait_until("metrics", || collector.numbers());
    let names = |metrics: &BTreeMap<String, f64>| {
        let names = metrics.keys().map(|name| sorted(name));
        names.collect::<BTreeSet<_>>()
    };
    wait_until("the same metrics", || {
        let mut asked = parse(&agent.get("/metrics").body);
        // A collector knows of the resource what its labels say.
        asked.retain(|name, _| !name.starts_with("alumet_build_info"));
        let (told, _) = collector.numbers()?;
        (names(&told) == names(&asked)).then_some(())
    });
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0);

    let (last, resource) = collector.numbers().unwrap();
    assert_eq!(resource["service.name"], "alumet-agent");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(resource["service.instance.id"].len(), 36, "{resource:?}");
    assert_eq!(resource.len(), 4, "{resource:?}");

    let accounts = ended.accounts();
    assert_eq!(last["alumet_samples_produced_total"], accounts.produced as f64);
    let delivered = "alumet_samples_delivered_total{element=\"outputs/csv/file\"}";
    assert_eq!(last[delivered], accounts.delivered as f64);
    assert!(last["process_cpu_seconds_total"] > 0.0 && last["process_cpu_seconds_total"] < 1e4);
}

#[test]
fn spans_say_what_was_done_and_why_it_failed_and_no_line_of_the_log_shows_them() {
    let (folder, collector) = (Folder::new(), Collector::start());
    let config = format!(
        "{}{}headers = {{ X-Key = 'hunter2' }}\n",
        load(),
        collector.table()
    );
    let of_plugins = "[plugins.relay-client]\non_error = 'disable'\nrelay_server = 'https://127.0.0.1:1'\ntls = { ca = 'none.pem' }\n";
    folder.write("alumet-config.toml", format!("{config}{of_plugins}"));
    let mut command = folder.command(&[]);
    // Nothing of it counts.
    command.envs([
        ("RUST_LOG", "debug"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-other=1"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ]);
    let mut agent = folder.start_command(command);
    agent.wait_until_measuring();
    folder.write(
        "alumet-config.toml",
        format!("{config}[plugins.socket-control]\nsocket_path = 'control.sock'\n"),
    );
    agent.signal(Signal::SIGHUP);
    agent.wait_for_log("was read again");
    wait_until("samples", || {
        (folder.read("out.csv").lines().count() > 10).then_some(())
    });
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0);

    let spans = collector.spans();
    let named = |name: &str, key: &str, value: &str| {
        let is_it =
            |span: &&Span| span.name == name && span.attributes.get(key).is_some_and(|found| found == value);
        spans
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("no {name} of {value} in {spans:#?}"))
    };
    assert_eq!(named("start plugin", "plugin", "csv").error, None);
    let failed = named("start plugin", "plugin", "relay-client").error.as_deref();
    assert!(
        failed.is_some_and(|error| error.contains("none.pem")),
        "{failed:?}"
    );
    let deliveries = spans.iter().filter(|span| span.name == "deliver");
    let samples = deliveries.map(|span| span.attributes["samples"].parse::<u64>().unwrap());
    assert_eq!(samples.sum::<u64>(), ended.accounts().delivered);
    assert_eq!(named("deliver", "element", "outputs/csv/file").error, None);
    let reload = spans.iter().find(|span| span.name == "reload").unwrap();
    assert_eq!(
        named("start plugin", "plugin", "socket-control").trace,
        reload.trace
    );

    let received = collector.0.received();
    let request = received
        .iter()
        .find(|request| request.line.contains("/v1/traces"))
        .unwrap();
    assert_eq!(
        (request.header("x-key"), request.header("x-other")),
        (Some("hunter2"), None)
    );
    for shown in ["deliver{", " reload:", "start plugin{", "hunter2"] {
        assert!(!ended.stderr.contains(shown), "{}", ended.stderr);
    }
}

#[test]
fn a_start_that_fails_is_told_before_the_program_ends() {
    let (folder, collector) = (Folder::new(), Collector::start());
    folder.write("file", "");
    folder.write(
        "alumet-config.toml",
        format!(
            "{}interval = '0s'\n[plugins.csv]\noutput_path = 'file/out.csv'\n",
            collector.table()
        ),
    );
    folder.run(&["exec", "true"]).expect_code(125);
    let spans = collector.spans();
    let [span] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert!(
        span.error
            .as_ref()
            .is_some_and(|error| error.contains("not a directory")),
        "{span:?}"
    );
    assert!(collector.numbers().is_none(), "switched off");
}

#[test]
fn deliveries_that_fail_are_errors() {
    let (folder, collector) = (Folder::new(), Collector::start());
    let config = "pipeline.shutdown_timeout = '200ms'\n".to_owned() + &load().replace("out.csv", "/dev/full");
    folder.write("alumet-config.toml", format!("{config}{}", collector.table()));
    let mut agent = folder.start(&[]);
    agent.wait_for_log("No space left on device");
    agent.stop(Signal::SIGTERM).expect_code(1);
    let spans = collector.spans();
    let failed = |span: &Span| {
        let error = span.error.as_deref().unwrap_or_default();
        span.name == "deliver" && error.contains("No space left on device")
    };
    assert!(spans.iter().any(failed), "{spans:#?}");
}

#[test]
fn a_real_collector_takes_spans_and_numbers_over_grpc() {
    let detailed = ["--debug-log", "traces", "--debug-log-verbosity", "detailed"];
    let Some((rotel, _)) = rotel(&detailed) else {
        return;
    };
    let port = rotel.port();
    let folder = Folder::new();
    let table = format!("[telemetry]\nendpoint = 'http://127.0.0.1:{port}'\nproxy = 'none'\n");
    folder.write("alumet-config.toml", format!("{}{table}", load()));
    folder.run(&["config", "check", "--connect"]).expect_code(0);
    assert!(!rotel.log().contains("alumet"), "{}", rotel.log());
    let ended = folder.run(&["exec", "sleep", "0.5"]);
    ended.expect_code(0);
    for words in ["Name           : deliver", "Name: alumet_samples_delivered_total"] {
        wait_until(words, || rotel.log().contains(words).then_some(()));
    }
}

#[test]
fn a_collector_that_is_away_is_named_once_and_found_by_trials() {
    let folder = Folder::new();
    let table = format!(
        "[telemetry]\nendpoint = 'http://127.0.0.1:{}'\nproxy = 'none'\n",
        free_port()
    );
    folder.write(
        "alumet-config.toml",
        format!("{}{table}interval = '50ms'\n", load()),
    );
    let checked = folder.run(&["config", "check", "--connect"]);
    checked.expect_code(1);
    checked.expect_stderr(&[
        "error: traces to http://127.0.0.1",
        "error: metrics to",
        "cannot connect",
    ]);
    let doctor = folder.run(&["doctor"]).stdout;
    assert!(doctor.contains("traces to http://127.0.0.1"), "{doctor}");

    let ended = folder.run(&["exec", "sleep", "0.5"]);
    ended.expect_code(0);
    assert_eq!(
        ended
            .stderr
            .matches("does not take the program's own metrics")
            .count(),
        1,
        "{}",
        ended.stderr
    );
    assert_eq!(
        ended
            .stderr
            .matches("does not take the program's own traces")
            .count(),
        1,
        "{}",
        ended.stderr
    );
}

#[test]
fn a_collector_that_does_not_answer_holds_up_nothing() {
    let folder = Folder::new();
    // It is connected to, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let table = format!(
        "[telemetry]\nendpoint = 'http://{}'\nproxy = 'none'\ninterval = '50ms'\ntimeout = '1h'\n",
        silent.local_addr().unwrap()
    );
    folder.write("alumet-config.toml", format!("{}{table}", load()));
    let ended = folder.run(&["exec", "--only", "program,machine,others", "sleep", "0.5"]);
    ended.expect_code(0);
    ended.expect_stderr(&["the collector has not taken the last traces and metrics in time"]);
    assert!(ended.accounts().delivered > 0);
}

#[test]
fn what_is_wrong_in_the_table_is_said_with_its_place_and_secrets_are_not_shown() {
    let folder = Folder::new();
    let rest = "token = 'hunter2'\nheaders = { X-Key = 'hunter2' }\n[plugins.csv]\n";
    for (lines, words) in [
        ("", "the key `telemetry.endpoint` is missing"),
        (
            "endpont = 'http://a'\n",
            "alumet-config.toml:2:1\n  |\n2 | endpont = ***\n  | ^^^^^^^\n  = help: did you mean `endpoint`?",
        ),
        (
            "endpoint = 'a:4317'\n",
            "an address begins with `http://` or `https://`",
        ),
        (
            "endpoint = 'http://a'\nsampling = 1.5\n",
            "alumet-config.toml:3:12",
        ),
        ("endpoint = 'http://a'\nuser = 'a'\n", "alumet-config.toml:3:8"),
        ("endpoint = 'http://a'\nprotocol = 'tcp'\n", "telemetry.protocol"),
    ] {
        folder.write("alumet-config.toml", format!("[telemetry]\n{lines}{rest}"));
        let ended = folder.run(&["config", "check"]);
        ended.expect_code(2).expect_stderr(&[words]);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
    folder.write(
        "alumet-config.toml",
        format!("[telemetry]\nendpoint = 'http://a'\n{rest}"),
    );
    let shown = folder.run(&["config", "show"]).stdout;
    assert!(
        shown.contains("interval = \"1m\"") && !shown.contains("hunter2"),
        "{shown}"
    );
}
