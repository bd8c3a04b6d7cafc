//! How fast, how often, and with which times.

use std::collections::BTreeSet;
use std::time::Duration;

use alumet_core::testkit::ManualClock;
use alumet_plugin_csv_replay::{TimestampMode, WorkerMode};

use super::*;

/// Milliseconds after the start of the clock.
fn millis(samples: &[RecordedSample]) -> Vec<i64> {
    let since = |sample: &RecordedSample| sample.timestamp.as_nanos() - ManualClock::START.as_nanos();
    samples.iter().map(|sample| since(sample) / 1_000_000).collect()
}

#[test]
fn two_workers_with_ten_rows_a_second_send_two_hundred_in_ten_seconds() {
    let mut replayed = Replayed::start(numbered(0..1000), |config| {
        (config.workers, config.rate) = (2, 10.0);
    });
    let mut samples = Vec::new();
    // However irregular the polls are.
    for passed in [1, 730, 9, 2600, 60, 4000, 2600] {
        replayed.bench.advance(Duration::from_millis(passed));
        samples.extend(replayed.bench.poll(NAME).unwrap());
    }
    assert_eq!(values(&samples), (0..200).map(f64::from).collect::<Vec<_>>());
    let every_50_ms: Vec<_> = (1..=200).map(|row| row * 50).collect();
    assert_eq!(millis(&samples), every_50_ms);
}

#[test]
fn workers_that_replicate_send_each_row_at_times_of_their_own() {
    let mut replayed = Replayed::start(numbered(0..9), |config| {
        config.workers = 2;
        config.worker_mode = WorkerMode::Replicate;
    });
    let samples = replayed.seconds(3);
    assert_eq!(values(&samples), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
    assert_eq!(millis(&samples), [500, 1000, 1500, 2000, 2500, 3000]);
}

#[test]
fn what_is_too_much_for_one_poll_comes_with_the_next() {
    let mut replayed = Replayed::start(numbered(0..9), |config| {
        config.workers = 200_000;
        config.worker_mode = WorkerMode::Replicate;
    });
    replayed.bench.advance(Duration::from_secs(1));
    let polls = [0; 3].map(|_| replayed.bench.poll_batch(NAME).unwrap().len());
    assert_eq!(polls, [131_072, 68_928, 0]);
}

#[test]
fn a_file_begins_again_after_its_end_or_the_source_ends() {
    let mut looped = Replayed::start(numbered(0..2), |_| {});
    assert_eq!(values(&looped.seconds(5)), [0.0, 1.0, 0.0, 1.0, 0.0]);
    let mut once = Replayed::start(numbered(0..2), |config| config.repeat = false);
    assert_eq!(values(&once.seconds(3)), [0.0, 1.0]);
    assert!(once.end().contains("2 rows"), "{}", once.end());
}

#[test]
fn after_its_duration_the_source_ends_with_the_last_row_of_it() {
    let mut replayed = Replayed::start(numbered(0..100), |config| {
        config.duration = Some("2500ms".parse().unwrap());
        config.rate = 2.0;
    });
    replayed.bench.advance(Duration::from_secs(60));
    let samples = replayed.bench.poll(NAME).unwrap();
    assert_eq!(values(&samples), [0.0, 1.0, 2.0, 3.0, 4.0]);
    assert_eq!(millis(&samples), [500, 1000, 1500, 2000, 2500]);
    assert!(replayed.end().contains("`duration`"));
}

#[test]
fn after_a_pause_nothing_is_made_up_for() {
    let mut replayed = Replayed::start(numbered(0..100), |_| {});
    assert_eq!(values(&replayed.seconds(2)), [0.0, 1.0]);
    replayed.bench.advance(Duration::from_secs(3600));
    replayed.bench.reset(NAME);
    assert_eq!(replayed.bench.poll(NAME).unwrap(), []);
    assert_eq!(values(&replayed.seconds(2)), [2.0, 3.0]);
}

const TIMED: &str = "timestamp,gpu_id,n\n\
                     2025-07-18T20:42:34Z,1,0\n\
                     2025-07-18T22:42:44.5+02:00,1,1\n";

#[test]
fn rows_can_keep_their_own_times() {
    let mut replayed = Replayed::start(TIMED, |config| {
        (config.timestamp, config.repeat) = (TimestampMode::Original, false);
    });
    let samples = replayed.seconds(2);
    let times: Vec<_> = samples
        .iter()
        .map(|sample| sample.timestamp.to_string())
        .collect();
    assert_eq!(
        times,
        ["2025-07-18T20:42:34.000000000Z", "2025-07-18T20:42:44.500000000Z"]
    );
}

#[test]
fn times_that_are_shifted_keep_their_spacing_in_each_pass() {
    let mut replayed = Replayed::start(TIMED, |config| config.timestamp = TimestampMode::Shift);
    let samples = replayed.seconds(4);
    assert_eq!(millis(&samples), [1000, 11_500, 11_500, 22_000]);
    let distinct: BTreeSet<_> = samples.iter().map(|sample| sample.timestamp).collect();
    assert_eq!(distinct.len(), 4, "a pass begins behind the one before");
}
