//! Counters, gauges and histograms that a program moves, as samples.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

use std::sync::Arc;
use std::time::Duration;

use alumet_core::Unit;
use alumet_core::instruments::Instruments;
use alumet_core::output::{Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::testkit::{ManualClock, assert_lines};

const SECOND: Duration = Duration::from_secs(1);

fn pipeline() -> (Pipeline, Instruments, Recording, ManualClock) {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let instruments = builder.instruments(SECOND);
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    (pipeline, instruments, recording, clock)
}

/// Lets a second pass; gives `seconds metric attributes = value`, in hundredths.
fn second(pipeline: &Pipeline, recording: &Recording, clock: &ManualClock) -> Vec<String> {
    clock.advance(SECOND);
    pipeline.control().flush().unwrap();
    let line = |sample: &alumet_core::output::RecordedSample| {
        let since = sample.timestamp.checked_since(ManualClock::START).unwrap();
        let process = format!("local_machine process:{}", std::process::id());
        let text = sample.to_string();
        assert!(text.contains(&process), "{text}");
        format!(
            "{:.1} {}",
            since.as_secs_f64(),
            text.replace(&format!("{process} "), "")
        )
    };
    recording.take().iter().map(line).collect()
}

#[test]
fn a_counter_begins_with_a_zero_where_it_was_made_and_shows_all_that_was_counted() {
    let (pipeline, instruments, recording, clock) = pipeline();
    clock.advance(SECOND / 2);
    let requests = instruments.counter("requests", Unit::ONE, "Requests.").unwrap();
    requests.add(2);
    requests.clone().add(1);
    clock.advance(SECOND / 2);
    pipeline.control().flush().unwrap();
    let mut lines = second(&pipeline, &recording, &clock);
    assert_lines(lines.split_off(2), ["2.0 requests {} = 3"]);
    assert_lines(lines, ["0.5 requests {} = 0", "1.0 requests {} = 3"]);
    requests.add(4);
    requests.raise_to(5);
    assert_eq!(requests.get(), 7);
    assert_lines(second(&pipeline, &recording, &clock), ["3.0 requests {} = 7"]);
    requests.raise_to(9);
    assert_lines(second(&pipeline, &recording, &clock), ["4.0 requests {} = 9"]);
}

#[test]
fn a_gauge_has_samples_while_it_is_set() {
    let (pipeline, instruments, recording, clock) = pipeline();
    let waiting = instruments.gauge("waiting", Unit::ONE, "What waits.").unwrap();
    assert_eq!(waiting.get(), None);
    assert_lines(second(&pipeline, &recording, &clock), [""; 0]);
    waiting.add(1.5);
    waiting.add(-0.5);
    assert_lines(second(&pipeline, &recording, &clock), ["2.0 waiting {} = 1"]);
    waiting.set(-7.0);
    assert_lines(second(&pipeline, &recording, &clock), ["3.0 waiting {} = -7"]);
    waiting.set(f64::NAN);
    assert_lines(second(&pipeline, &recording, &clock), [""; 0]);
}

#[test]
fn a_histogram_counts_amounts_by_size() {
    let (pipeline, instruments, recording, clock) = pipeline();
    let histogram = |bounds: &[f64]| {
        let reads = instruments.with("direction", "read");
        reads.histogram("latency", Unit::SECOND.milli(), "Time.", bounds)
    };
    let latency = histogram(&[10.0, 0.5, 10.0, f64::INFINITY]).unwrap();
    for amount in [0.0, 0.5, 0.6, 10.0, 11.0, 1000.0] {
        latency.record(amount);
    }
    for no_amount in [-1.0, f64::NAN, f64::INFINITY] {
        latency.record(no_amount);
    }
    // The same one.
    histogram(&[1.0]).unwrap().record(0.25);
    let lines = second(&pipeline, &recording, &clock);
    assert_lines(
        lines.iter().filter(|line| line.starts_with("1.0")),
        [
            "1.0 latency_bucket {direction=read, le=0.5} = 3",
            "1.0 latency_bucket {direction=read, le=10} = 5",
            "1.0 latency_bucket {direction=read, le=+Inf} = 7",
            "1.0 latency_sum {direction=read} = 1022.35",
            "1.0 latency_count {direction=read} = 7",
        ],
    );
    let zeros = lines.iter().filter(|line| line.starts_with("0.0"));
    assert_eq!(zeros.filter(|line| line.ends_with("= 0")).count(), 5, "{lines:?}");
    let metrics = pipeline.catalog().metrics();
    let texts: Vec<_> = metrics.iter().map(|metric| metric.to_string()).collect();
    for metric in [
        "latency_bucket (counter u64, 1)",
        "latency_sum (counter f64, ms)",
        "latency_count (counter u64, 1)",
    ] {
        assert!(texts.iter().any(|text| text == metric), "{texts:?}");
    }
}

#[test]
fn the_same_name_with_other_attributes_is_another_instrument_and_with_another_unit_an_error() {
    let (pipeline, instruments, recording, clock) = pipeline();
    let count = |instruments: &Instruments| instruments.counter("sent", Unit::BYTE, "Sent.");
    let (one, two) = (instruments.with("to", "one"), instruments.with("to", "two"));
    count(&one).unwrap().add(1);
    count(&two).unwrap().add(20);
    count(&one).unwrap().add(300);
    let lines = second(&pipeline, &recording, &clock);
    assert_lines(
        lines.iter().filter(|line| line.starts_with("1.0")),
        ["1.0 sent {to=one} = 301", "1.0 sent {to=two} = 20"],
    );
    let error = instruments.counter("sent", Unit::ONE, "Sent.").unwrap_err();
    assert!(
        error.to_string().contains("`sent` is already registered"),
        "{error}"
    );
    assert!(instruments.gauge("sent", Unit::BYTE, "Sent.").is_err());
}

#[test]
fn what_threads_count_at_the_same_time_is_all_there() {
    let (pipeline, instruments, recording, clock) = pipeline();
    let counter = instruments.counter("events", Unit::ONE, "Events.").unwrap();
    let gauge = instruments.gauge("level", Unit::ONE, "Level.").unwrap();
    let histogram = instruments
        .histogram("size", Unit::BYTE, "Size.", &[1.0])
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    counter.add(1);
                    gauge.add(1.0);
                    histogram.record(2.0);
                }
            });
        }
    });
    let lines = second(&pipeline, &recording, &clock);
    for line in [
        "events {} = 40000",
        "level {} = 40000",
        "size_bucket {le=1} = 0",
        "size_bucket {le=+Inf} = 40000",
        "size_sum {} = 80000",
        "size_count {} = 40000",
    ] {
        assert!(lines.contains(&format!("1.0 {line}")), "{line}: {lines:?}");
    }
}
