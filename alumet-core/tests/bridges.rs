//! What the crates `metrics` and `tracing` say, as samples.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

use std::sync::Arc;
use std::time::Duration;

use alumet_core::bridge::{MetricsRecorder, SpanDurations};
use alumet_core::instruments::Instruments;
use alumet_core::output::LastValues;
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::testkit::{ManualClock, assert_lines};
use metrics::Label;
use tracing_subscriber::prelude::*;

fn pipeline() -> (Pipeline, Instruments, LastValues) {
    let mut builder = PipelineBuilder::with_clock(Arc::new(ManualClock::new()));
    let instruments = builder.instruments(Duration::from_secs(1));
    let values = LastValues::new();
    builder.output("values", values.clone());
    (builder.start().unwrap(), instruments, values)
}

/// All series with their last values, sorted.
fn lines(pipeline: &Pipeline, values: &LastValues) -> Vec<String> {
    pipeline.control().trigger(&"sources".parse().unwrap()).unwrap();
    pipeline.control().flush().unwrap();
    let line = |total: alumet_core::output::SeriesTotal| {
        let series = &total.series;
        format!("{} {} = {}", series.metric, series.attributes(), total.last)
    };
    let mut lines: Vec<String> = values.all().into_iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn what_the_macros_of_metrics_say_are_samples_with_their_labels_and_units() {
    let (pipeline, instruments, values) = pipeline();
    let recorder = MetricsRecorder::new(instruments).bounds(&[10.0]);
    metrics::with_local_recorder(&recorder, || {
        metrics::describe_counter!("sent", metrics::Unit::Bytes, "What was sent.");
        metrics::describe_histogram!("latency", metrics::Unit::Milliseconds, "Time.");
        for to in ["a", "b", "a"] {
            metrics::counter!("sent", "to" => to).increment(5);
        }
        metrics::counter!("seen").absolute(7);
        metrics::counter!("seen").absolute(3);
        metrics::gauge!("queue.length").increment(4.0);
        metrics::gauge!("queue.length").decrement(1.5);
        metrics::histogram!("latency").record(9);
        metrics::histogram!("latency").record(11);
    });
    assert_lines(
        lines(&pipeline, &values),
        [
            "latency_bucket (counter u64, 1) {le=+Inf} = 2",
            "latency_bucket (counter u64, 1) {le=10} = 1",
            "latency_count (counter u64, 1) {} = 2",
            "latency_sum (counter f64, ms) {} = 20",
            "queue.length (gauge f64, 1) {} = 2.5",
            "seen (counter u64, 1) {} = 7",
            "sent (counter u64, By) {to=a} = 10",
            "sent (counter u64, By) {to=b} = 5",
        ],
    );
    let (_, sent) = pipeline.catalog().find_metric("sent").unwrap();
    assert_eq!(sent.description, "What was sent.");
}

#[test]
fn a_name_with_two_meanings_and_labels_without_end_leave_the_rest_alone() {
    let (pipeline, instruments, values) = pipeline();
    let recorder = MetricsRecorder::new(instruments);
    metrics::with_local_recorder(&recorder, || {
        metrics::counter!("load").increment(1);
        metrics::gauge!("load").set(0.5);
        for user in 0..2 * MetricsRecorder::MOST as u64 {
            metrics::counter!("logins", vec![Label::new("user", user.to_string())]).increment(1);
        }
        metrics::counter!("load").increment(1);
    });
    let lines = lines(&pipeline, &values);
    assert_eq!(lines.len(), MetricsRecorder::MOST);
    assert_eq!(lines[0], "load (counter u64, 1) {} = 2");
}

#[test]
fn each_span_of_the_code_has_a_histogram_of_its_durations() {
    let (pipeline, instruments, values) = pipeline();
    let layer = SpanDurations::new(instruments.clone())
        .unwrap()
        .bounds(&[0.0, 3600.0]);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for request in 0..3 {
            let span = tracing::info_span!("request", request);
            let _inner = tracing::info_span!(target: "db", "query").entered();
            drop(span);
        }
    });
    let target = module_path!();
    let of = |what: &str, others: &str, value: u32| format!("{what} {{{others}}} = {value}");
    let lines = lines(&pipeline, &values);
    let lines = lines
        .into_iter()
        .filter(|line| !line.starts_with("span_duration_sum"));
    let bucket = "span_duration_bucket (counter u64, 1)";
    let count = "span_duration_count (counter u64, 1)";
    assert_lines(
        lines,
        [
            of(bucket, "le=+Inf, span=query, target=db", 3),
            of(bucket, &format!("le=+Inf, span=request, target={target}"), 3),
            of(bucket, "le=0, span=query, target=db", 0),
            of(bucket, &format!("le=0, span=request, target={target}"), 0),
            of(bucket, "le=3600, span=query, target=db", 3),
            of(bucket, &format!("le=3600, span=request, target={target}"), 3),
            of(count, "span=query, target=db", 3),
            of(count, &format!("span=request, target={target}"), 3),
        ],
    );
    let sum = values.get("span_duration_sum", |_| true).unwrap();
    assert!(sum.last.as_f64() > 0.0 && sum.last.as_f64() < 3600.0, "{sum:?}");
}

#[test]
fn a_layer_whose_metric_is_taken_says_so() {
    let (_pipeline, instruments, _values) = pipeline();
    instruments
        .gauge("span_duration_count", alumet_core::Unit::ONE, "Other.")
        .unwrap();
    assert!(SpanDurations::new(instruments).is_err());
}
