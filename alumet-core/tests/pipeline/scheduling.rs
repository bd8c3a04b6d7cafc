//! Which thread polls what and when, and when the samples are handed on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, NullOutput, Output, RecordingOutput};
use alumet_core::pipeline::{Lateness, Pipeline, PipelineBuilder};
use alumet_core::plugin::ElementSpecs;
use alumet_core::source::{Accumulator, NoopSource, Source};
use alumet_core::testkit::ManualClock;
use alumet_core::time::{Alarm, Clock, Moment};
use alumet_core::{Consumer, Resource, Series};
use parking_lot::Mutex;

use crate::elements::{
    COUNT, Counting, PATIENCE, SECOND, Step, assert_balanced, pass, status_of, values, wait_until,
};

fn builder() -> (PipelineBuilder, ManualClock) {
    let clock = ManualClock::new();
    (PipelineBuilder::with_clock(Arc::new(clock.clone())), clock)
}

/// Keeps the sizes of batches.
#[derive(Clone, Default)]
struct Sizes(Arc<Mutex<Vec<usize>>>);

impl Output for Sizes {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        self.0.lock().push(delivery.len());
        Ok(Delivering::done())
    }
}

#[test]
fn samples_of_one_tick_travel_in_one_batch() {
    let (mut builder, clock) = builder();
    for name in ["a", "b", "c"] {
        let source = Counting::new(builder.catalog(), name);
        builder.source(name, source).every(SECOND);
    }
    let sizes = Sizes::default();
    builder.output("sizes", sizes.clone());
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    pass(&pipeline, &clock, 2);
    assert_eq!(*sizes.0.lock(), [3, 3, 3]);
}

fn threads(pipeline: &Pipeline) -> BTreeSet<String> {
    let punctuality = pipeline.control().status().unwrap().punctuality;
    punctuality.into_iter().map(|one| one.thread).collect()
}

#[test]
fn only_short_intervals_and_blocking_sources_get_threads_of_their_own() {
    for (real_time, expected) in [
        (
            true,
            vec![
                "alumet-poll",
                "alumet-rt",
                "sources/embedded/a sensor on a slow bus",
            ],
        ),
        (
            false,
            vec!["alumet-poll", "sources/embedded/a sensor on a slow bus"],
        ),
    ] {
        let (builder, _) = builder();
        let mut builder = builder.real_time_thread(real_time);
        for (name, micros) in [("slow", 1_000_000), ("still slow", 10_000), ("quick", 9_999)] {
            builder
                .source(name, NoopSource)
                .every(Duration::from_micros(micros));
        }
        builder
            .source("a sensor on a slow bus", NoopSource)
            .every(Duration::from_millis(1))
            .blocking();
        builder.source("on request", NoopSource).on_request();
        let pipeline = builder.start().unwrap();
        assert_eq!(
            threads(&pipeline),
            expected.into_iter().map(str::to_owned).collect()
        );
    }
    let (mut without, _) = builder();
    without
        .source("slow", NoopSource)
        .every(Duration::from_millis(10));
    without.source("on request", NoopSource).on_request();
    let pipeline = without.start().unwrap();
    assert_eq!(threads(&pipeline), BTreeSet::from(["alumet-poll".to_owned()]));
}

#[test]
fn the_earliest_of_several_deadlines_wakes_the_thread() {
    let (mut builder, clock) = builder();
    let quick = Counting::new(builder.catalog(), "quick");
    let ticks = quick.ticks();
    builder.source("seldom", NoopSource).every(SECOND * 3600);
    builder.source("quick", quick).every(SECOND);
    builder.source("also seldom", NoopSource).every(SECOND * 60);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    pipeline.control().ping().unwrap();
    for expected in 2..5 {
        // Nobody asks for anything: the timer alone must wake the thread.
        clock.advance(SECOND);
        wait_until("the next tick is polled", || ticks.lock().len() == expected);
    }
    drop(pipeline);
}

/// Counts how often somebody looks at it.
#[derive(Clone)]
struct Watched {
    clock: ManualClock,
    looks: Arc<AtomicUsize>,
}

impl Clock for Watched {
    fn now(&self) -> Moment {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.clock.now()
    }

    fn alarm(&self) -> std::io::Result<Box<dyn Alarm>> {
        self.clock.alarm()
    }
}

#[test]
fn a_thread_without_anything_to_do_sleeps() {
    let looks = Arc::new(AtomicUsize::new(0));
    let clock = Watched {
        clock: ManualClock::new(),
        looks: Arc::clone(&looks),
    };
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock));
    let source = Counting::new(builder.catalog(), "on request");
    builder.source("on request", source).on_request();
    builder.source("resting", NoopSource).every(SECOND).paused();
    builder.source("waiting", NoopSource).every(SECOND);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    pipeline.control().ping().unwrap();
    let before = looks.load(Ordering::Relaxed);
    // No time passes on the clock of the pipeline, however long this takes.
    std::thread::sleep(Duration::from_millis(100));
    let looks = looks.load(Ordering::Relaxed) - before;
    assert!(looks < 20, "the clock was looked at {looks} times");
    drop(pipeline);
}

#[test]
fn one_of_two_sources_rests_while_the_other_goes_on() {
    let (mut builder, clock) = builder();
    let (a, b) = (
        Counting::new(builder.catalog(), "a"),
        Counting::new(builder.catalog(), "b"),
    );
    let (ticks_a, ticks_b, resets) = (a.ticks(), b.ticks(), a.resets());
    builder.source("a", a);
    builder.source("b", b);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let control = pipeline.control();
    control.flush().unwrap();
    control.pause(&"src/*/a".parse().unwrap()).unwrap();
    for expected in 2..5 {
        clock.advance(SECOND);
        wait_until("the other one is polled", || ticks_b.lock().len() == expected);
    }
    assert_eq!((ticks_a.lock().len(), *resets.lock()), (1, 0));
    control.resume(&"src/*/a".parse().unwrap()).unwrap();
    control.ping().unwrap();
    assert_eq!((ticks_a.lock().len(), *resets.lock()), (2, 1), "it starts anew");
    control.resume(&"src/*/a".parse().unwrap()).unwrap();
    control.ping().unwrap();
    assert_eq!(
        (ticks_a.lock().len(), *resets.lock()),
        (2, 1),
        "it was not paused"
    );
    pass(&pipeline, &clock, 1);
    assert_eq!((ticks_a.lock().len(), ticks_b.lock().len()), (3, 5));
}

#[test]
fn the_ticks_of_a_source_that_rests_are_not_missed() {
    let (mut builder, clock) = builder();
    let source = Counting::new(builder.catalog(), "a");
    let ticks = source.ticks();
    builder.source("a", source).every(SECOND * 3);
    builder.source("b", NoopSource).every(SECOND);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let control = pipeline.control();
    control.ping().unwrap();
    control.pause(&"src/*/a".parse().unwrap()).unwrap();
    clock.advance(SECOND * 10);
    control.ping().unwrap();
    let punctuality = &control.status().unwrap().punctuality[0];
    assert_eq!(
        (punctuality.missed_ticks, punctuality.lateness.count()),
        (9, 1),
        "only those of the other"
    );
    assert_eq!(ticks.lock().len(), 1);
}

#[test]
fn a_source_with_another_interval_is_polled_as_soon_as_it_is_added() {
    let (mut builder, clock) = builder();
    let first = Counting::new(builder.catalog(), "first");
    builder.source("first", first).every(SECOND);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    let late = Counting::new(pipeline.catalog(), "late");
    let ticks = late.ticks();
    let mut specs = ElementSpecs::default();
    specs.source("late", late).every(SECOND * 60);
    pipeline.control().add("test", specs).unwrap();
    assert_eq!(ticks.lock().len(), 1);
    pass(&pipeline, &clock, 59);
    assert_eq!(ticks.lock().len(), 1);
    pass(&pipeline, &clock, 1);
    assert_eq!(ticks.lock().len(), 2);
}

#[test]
fn a_source_added_later_does_not_put_off_the_flush_of_those_that_are_there() {
    let (mut builder, clock) = builder();
    let first = Counting::new(builder.catalog(), "first");
    builder
        .source("first", first)
        .every(SECOND)
        .flush_every(SECOND * 3);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let control = pipeline.control();
    control.ping().unwrap();
    let pending = || control.status().unwrap().ledger.pending;
    assert_eq!(pending(), 1, "the first sample waits for the flush interval too");
    for _ in 0..2 {
        clock.advance(SECOND);
        control.ping().unwrap();
    }
    let late = Counting::new(pipeline.catalog(), "late");
    let mut specs = ElementSpecs::default();
    specs.source("late", late).every(SECOND).flush_every(SECOND * 3);
    control.add("test", specs).unwrap();
    assert_eq!(pending(), 4);
    clock.advance(SECOND);
    control.ping().unwrap();
    assert_eq!(pending(), 0);
}

#[test]
fn what_a_source_made_before_it_ended_or_was_stopped_is_handed_on() {
    let (mut builder, clock) = builder();
    let ends = Counting::new(builder.catalog(), "ends")
        .script([Step::Work, Step::Fail(Failure::end("the process has ended"))]);
    builder
        .source("ends", ends)
        .every(SECOND)
        .flush_every(SECOND * 3600);
    let stopped = Counting::new(builder.catalog(), "stopped");
    builder
        .source("stopped", stopped)
        .every(SECOND * 2)
        .flush_every(SECOND * 3600);
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    let control = pipeline.control();
    control.ping().unwrap();
    clock.advance(SECOND);
    control.ping().unwrap();
    assert!(
        recording.wait_for(2, PATIENCE),
        "both samples of the one that ended"
    );
    control.stop(&"src/*/stopped".parse().unwrap()).unwrap();
    assert!(
        recording.wait_for(3, PATIENCE),
        "the sample of the one that was stopped"
    );
    assert_eq!(values(&recording), ["1", "2", "1"]);
    let ledger = control.status().unwrap().ledger;
    assert_eq!(ledger.pending, 0);
    assert_balanced(&ledger);
}

/// Makes many samples per poll.
struct Flood(Series<u64>, usize);

impl Source for Flood {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        for value in 0..self.1 {
            out.push(&self.0, value as u64);
        }
        Ok(())
    }
}

#[test]
fn a_batch_that_grows_large_does_not_wait_for_the_flush_interval() {
    let (mut builder, clock) = builder();
    let metric = builder.catalog().metric(&COUNT).unwrap();
    let series = builder
        .catalog()
        .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
        .register();
    builder
        .source("flood", Flood(series, 15_000))
        .every(SECOND)
        .flush_every(SECOND * 3600);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let control = pipeline.control();
    let mut pending = Vec::new();
    for _ in 0..4 {
        control.ping().unwrap();
        pending.push(control.status().unwrap().ledger.pending);
        clock.advance(SECOND);
    }
    assert_eq!(pending, [15_000, 30_000, 0, 15_000]);
}

#[test]
fn a_triggered_sample_is_handed_on_at_once() {
    let (mut builder, _) = builder();
    let source = Counting::new(builder.catalog(), "a");
    let ticks = source.ticks();
    builder.source("a", source).on_request();
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    pipeline.control().trigger(&"src".parse().unwrap()).unwrap();
    assert!(recording.wait_for(1, PATIENCE));
    pipeline.stop(PATIENCE);
    assert_eq!(
        ticks.lock().len(),
        1,
        "what is polled on request only has no last poll"
    );
}

#[test]
fn a_source_that_makes_nothing_does_not_keep_retired_series_in_memory() {
    let (mut builder, clock) = builder();
    builder.source("silent", NoopSource).every(SECOND);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let catalog = pipeline.catalog();
    let metric = catalog.metric(&COUNT).unwrap();
    for pid in 0..200 {
        let consumer = Consumer::Process { pid };
        drop(
            catalog
                .series(metric, Resource::LocalMachine, consumer)
                .register(),
        );
        clock.advance(SECOND);
        pipeline.control().ping().unwrap();
    }
    assert!(catalog.series_slots() < 20, "{} slots", catalog.series_slots());
}

#[test]
fn a_source_that_keeps_failing_is_polled_when_its_pause_is_over_and_not_before() {
    let (mut builder, clock) = builder();
    let source = Counting::new(builder.catalog(), "a");
    let (ticks, resets) = (source.ticks(), source.resets());
    let source = source.script((0..4).map(|_| Step::Fail(Failure::restart("no device"))));
    builder.source("a", source);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    pass(&pipeline, &clock, 17);
    let seconds: Vec<_> = ticks
        .lock()
        .iter()
        .map(|tick| {
            tick.timestamp
                .checked_since(ManualClock::START)
                .unwrap()
                .as_secs()
        })
        .collect();
    assert_eq!(seconds, [0, 1, 3, 7, 15, 16, 17]);
    assert_eq!(*resets.lock(), 4);
    assert_eq!(status_of(&pipeline, "a").restarts, 4);
}

#[test]
fn lateness_is_told_by_its_ranks() {
    let mut lateness = Lateness::default();
    assert_eq!((lateness.count(), lateness.max()), (0, Duration::ZERO));
    for nanos in [4, 1, 3, 2, 8] {
        lateness.record(Duration::from_nanos(nanos));
    }
    for (share, nanos) in [
        (0.0, 1),
        (0.2, 1),
        (0.3, 2),
        (0.4, 2),
        (0.5, 3),
        (0.8, 4),
        (0.81, 8),
        (1.0, 8),
        (7.0, 8),
    ] {
        assert_eq!(lateness.quantile(share), Duration::from_nanos(nanos), "{share}");
    }
    assert_eq!((lateness.count(), lateness.max()), (5, Duration::from_nanos(8)));
}
