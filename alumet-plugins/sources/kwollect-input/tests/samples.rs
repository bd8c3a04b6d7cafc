//! What becomes of values that a server has.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::output::{RecordedSample, Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::plugin::{Finding, Verdict};
use alumet_core::testkit::{self, ManualClock, assert_lines};
use alumet_plugin_kwollect_input::{Config, KwollectInputPlugin, Names};
use alumet_shared_http_delivery::testkit::{TestServer, local};
use parking_lot::Mutex;

/// What the server has: metric, origin, seconds after the start of the clock, and value; or nothing while it is broken.
type Values = Arc<Mutex<Option<Vec<(&'static str, &'static str, i64, f64)>>>>;

const WATT: &str = "wattmetre_power_watt";
const CELSIUS: &str = "bmc_cpu_temp_celsius";

/// A server that gives what was asked for, and what it has.
fn server() -> (TestServer, Values) {
    let values = Values::new(Mutex::new(Some(Vec::new())));
    let has = Arc::clone(&values);
    let server = TestServer::answering(move |request| {
        let number = |key: &str| -> i64 {
            let (_, rest) = request.line.split_once(key).unwrap();
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap();
            digits.parse().unwrap()
        };
        if !request.line.contains("start_time") {
            return ("200 OK", "[]".to_owned());
        }
        let (from, to) = (number("start_time="), number("end_time="));
        let zero = ManualClock::START.as_nanos() / 1_000_000_000;
        let has = has.lock();
        let Some(has) = &*has else {
            return ("200 OK", r#"{"error":"maintenance"}"#.to_owned());
        };
        let within = has
            .iter()
            .filter(|(_, _, second, _)| (from..=to).contains(&(zero + second)));
        let objects: Vec<_> = within
            .map(|(metric, origin, second, value)| {
                let time = format!("2026-01-01T01:{:02}:{:02}.5+01:00", second / 60, second % 60);
                format!(
                    r#"{{"timestamp":"{time}","device_id":"taurus-7","metric_id":"{metric}","value":{value},"labels":{{"_device_orig":["{origin}"]}}}}"#
                )
            })
            .collect();
        ("200 OK", format!("[{}]", objects.join(",")))
    });
    (server.unwrap(), values)
}

fn have(values: &Values, more: &[(&'static str, &'static str, i64, f64)]) {
    values.lock().get_or_insert_default().extend_from_slice(more);
}

fn config(server: &TestServer) -> Config {
    Config {
        url: server.url(),
        hostname: Some("taurus-7".to_owned()),
        metrics: Names::More(vec![WATT.to_owned(), CELSIUS.to_owned()]),
        poll_interval: "100ms".parse().unwrap(),
        http: local(),
        ..Config::default()
    }
}

fn start(config: Config) -> (Pipeline, ManualClock, Recording) {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    builder.plugin::<KwollectInputPlugin>(config).unwrap();
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    (builder.start().unwrap(), clock, recording)
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let late = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < late, "not so after a minute: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn line(metric: &str, origin: &str, value: f64) -> String {
    format!("{metric} device_id:taurus-7 device_origin:{origin} {{metric_id={metric}}} = {value}")
}

#[test]
fn each_value_is_one_sample_of_its_own_metric_at_its_own_time() {
    let (server, values) = server();
    let (pipeline, clock, recording) = start(config(&server));
    until("it is asked", || !server.received().is_empty());
    let asked = server.received()[0].line.clone();
    let start =
        "GET /?nodes=taurus-7&metrics=wattmetre_power_watt,bmc_cpu_temp_celsius&start_time=1767225600&";
    assert!(asked.starts_with(start), "{asked}");

    have(
        &values,
        &[
            // From before the start.
            (WATT, "w-port6", -3, 1.0),
            (WATT, "w-port6", 1, 120.0),
            (CELSIUS, "bmc", 1, 41.0),
            // Not asked for.
            ("network_ifacein_bytes_total", "eth0", 1, 7.0),
        ],
    );
    clock.advance(Duration::from_secs(2));
    until("the first values", || recording.len() >= 2);
    have(
        &values,
        &[(WATT, "w-port6", 2, 121.0), (WATT, "w-port7", 2, 60.0)],
    );
    clock.advance(Duration::from_secs(2));
    until("the next values", || recording.len() >= 4);
    let questions = server.received().len();
    until("it is asked in vain", || server.received().len() > questions + 3);
    let report = pipeline.stop(Duration::from_secs(60));
    assert!(report.ledger.is_balanced(), "{:?}", report.ledger);

    let samples = recording.samples();
    assert_lines(
        samples.clone(),
        [
            line(WATT, "w-port6", 120.0),
            line(CELSIUS, "bmc", 41.0),
            line(WATT, "w-port6", 121.0),
            line(WATT, "w-port7", 60.0),
        ],
    );
    let after: Vec<_> = samples
        .iter()
        .map(|sample: &RecordedSample| sample.timestamp.checked_since(ManualClock::START).unwrap())
        .collect();
    assert_eq!(
        after.iter().map(Duration::as_millis).collect::<Vec<_>>(),
        [1500, 1500, 2500, 2500]
    );
    assert_eq!(samples[0].series.metric.unit.code(), "W");
}

#[test]
fn a_metric_that_is_behind_the_others_is_waited_for() {
    let (server, values) = server();
    let (pipeline, clock, recording) = start(config(&server));
    until("it is asked", || !server.received().is_empty());
    clock.advance(Duration::from_secs(300));
    have(&values, &[(WATT, "w", 290, 120.0)]);
    until("the first value", || recording.len() == 1);
    have(&values, &[(CELSIUS, "bmc", 1, 41.0)]);
    until("the late one", || recording.len() == 2);
    have(&values, &[(WATT, "w", 291, 121.0)]);
    until("the next one", || recording.len() == 3);
    have(&values, &[(CELSIUS, "bmc", 2, 42.0)]);
    until("the next late one", || recording.len() == 4);
    pipeline.stop(Duration::from_secs(60));
}

#[test]
fn what_came_since_the_last_question_comes_with_the_end() {
    let (server, values) = server();
    let mut config = config(&server);
    config.poll_interval = "1h".parse().unwrap();
    let (pipeline, _, recording) = start(config);
    until("it is asked", || !server.received().is_empty());
    have(&values, &[(WATT, "w", 0, 120.0)]);
    let report = pipeline.stop(Duration::from_secs(60));
    assert!(report.ledger.is_balanced(), "{:?}", report.ledger);
    assert_lines(recording.samples(), [line(WATT, "w", 120.0)]);
}

#[test]
fn what_was_missed_while_the_server_answered_nonsense_comes_later() {
    let (server, values) = server();
    let (pipeline, clock, recording) = start(config(&server));
    have(&values, &[(WATT, "w", 0, 1.0)]);
    until("the first value", || recording.len() == 1);
    let before = values.lock().take();
    clock.advance(Duration::from_secs(3600));
    let has_said = || {
        let status = pipeline.control().status().unwrap();
        let mut errors = status
            .elements
            .iter()
            .filter_map(|element| element.last_error.clone());
        errors.any(|error| error.contains("maintenance") && error.contains("no list of values"))
    };
    until("it is told", has_said);
    *values.lock() = before;
    have(&values, &[(WATT, "w", 1, 2.0)]);
    until("the missed value", || recording.len() == 2);
    let report = pipeline.stop(Duration::from_secs(60));
    assert!(report.ledger.is_balanced(), "{:?}", report.ledger);
}

#[test]
fn a_trial_says_which_metrics_have_no_values() {
    let findings = |config: Config| -> Vec<Finding> { testkit::findings::<KwollectInputPlugin>(config, "/") };
    let (server, values) = server();
    have(&values, &[(WATT, "w", 0, 1.0)]);
    let found = findings(config(&server));
    assert_eq!(found[1].verdict, Verdict::Limited);
    assert!(
        found[1].detail.contains(CELSIUS) && !found[1].detail.contains(WATT),
        "{found:?}"
    );
    have(&values, &[(CELSIUS, "bmc", 0, 1.0)]);
    assert_eq!(findings(config(&server))[1].verdict, Verdict::Works);
}
