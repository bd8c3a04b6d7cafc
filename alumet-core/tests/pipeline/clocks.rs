use std::sync::Arc;
use std::time::Duration;

use alumet_core::Timestamp;
use alumet_core::failure::Failure;
use alumet_core::output::{NullOutput, RecordingOutput};
use alumet_core::pipeline::PipelineBuilder;
use alumet_core::source::{Accumulator, Source};
use alumet_core::testkit::ManualClock;
use alumet_core::time::SystemClock;

use crate::elements::{Counting, PATIENCE, SECOND, counting_pipeline, pass, status_of, values};

#[test]
fn sources_with_the_same_interval_share_their_timestamps() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let (a, b) = (
        Counting::new(builder.catalog(), "a"),
        Counting::new(builder.catalog(), "b"),
    );
    let (ticks_a, ticks_b) = (a.ticks(), b.ticks());
    builder.source("a", a).every(SECOND);
    builder.source("b", b).every(SECOND);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    pass(&pipeline, &clock, 3);
    assert_eq!(ticks_a.lock().len(), 4, "one at the start and one each second");
    assert_eq!(*ticks_a.lock(), *ticks_b.lock());
}

#[test]
fn a_source_added_later_joins_the_same_ticks() {
    let (pipeline, _, clock) = counting_pipeline();
    clock.advance(Duration::from_millis(300));
    let late = Counting::new(pipeline.catalog(), "late");
    let ticks = late.ticks();
    let mut specs = alumet_core::plugin::ElementSpecs::default();
    specs.source("late", late).every(SECOND);
    pipeline.control().add("test", specs).unwrap();
    pipeline.control().flush().unwrap();
    clock.advance(Duration::from_millis(700));
    pipeline.control().flush().unwrap();
    let offsets: Vec<_> = ticks
        .lock()
        .iter()
        .map(|tick| tick.timestamp.checked_since(ManualClock::START).unwrap())
        .collect();
    assert_eq!(offsets, [Duration::from_millis(300), SECOND]);
}

#[test]
fn missed_ticks_are_counted_exactly_and_shift_nothing() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let source = Counting::new(builder.catalog(), "a");
    let ticks = source.ticks();
    builder.source("a", source).every(SECOND);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    clock.advance(Duration::from_millis(4500));
    pipeline.control().flush().unwrap();
    pass(&pipeline, &clock, 1);
    let missed: Vec<_> = ticks.lock().iter().map(|tick| tick.missed).collect();
    assert_eq!(missed, [0, 3, 0]);
    let status = pipeline.control().status().unwrap();
    assert_eq!(status_of(&pipeline, "a").missed_ticks, 3);
    assert_eq!(status.punctuality[0].missed_ticks, 3);
    assert!(status.punctuality[0].lateness.max() >= Duration::from_millis(3500));
}

#[test]
fn a_wall_clock_set_back_by_an_hour_does_not_disturb_the_ticks() {
    let (pipeline, recording, clock) = counting_pipeline();
    pass(&pipeline, &clock, 2);
    clock.set_wall(ManualClock::START.saturating_sub(Duration::from_secs(3600)));
    pass(&pipeline, &clock, 2);
    assert_eq!(values(&recording), ["1", "2", "3", "4", "5"]);
    let last = recording.samples().last().unwrap().timestamp;
    assert!(last < ManualClock::START, "timestamps follow the wall clock");
    assert_eq!(status_of(&pipeline, "a").missed_ticks, 0);
}

#[test]
fn samples_wait_for_the_flush_interval() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source).every(SECOND).flush_every(SECOND * 3);
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    let control = pipeline.control();
    control.flush().unwrap();
    for expected_pending in [1, 2, 0, 1, 2, 0] {
        clock.advance(SECOND);
        // A list goes through no thread; pausing nothing but asking every thread waits for the tick.
        let _ = control.resume(&"sources/embedded/a".parse().unwrap());
        assert_eq!(control.status().unwrap().ledger.pending, expected_pending);
    }
    assert!(recording.wait_for(7, PATIENCE));
    assert_eq!(values(&recording), ["1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn every_tick_of_a_1_khz_source_is_polled_or_counted_as_missed() {
    let mut builder = PipelineBuilder::with_clock(Arc::new(SystemClock));
    let source = Counting::new(builder.catalog(), "fast");
    let ticks = source.ticks();
    builder
        .source("fast", source)
        .every(Duration::from_millis(1))
        .flush_every(Duration::from_millis(100));
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    pipeline.stop(PATIENCE);
    let ticks = ticks.lock();
    // The first poll is the start and the last one the stop; all between lie on the grid.
    let on_grid = &ticks[1..ticks.len() - 1];
    let counted: u64 = on_grid[1..].iter().map(|tick| 1 + tick.missed).sum();
    let span = on_grid
        .last()
        .unwrap()
        .monotonic
        .since(on_grid[0].monotonic)
        .as_millis() as u64;
    // A tick is polled less than one interval late, or it would have been missed.
    assert!(
        counted.abs_diff(span) <= 1,
        "{counted} ticks polled or missed in {span} ms"
    );
    assert!(
        on_grid.len() > 50,
        "only {} polls in half a second",
        on_grid.len()
    );
}

#[test]
fn a_blocking_source_does_not_delay_the_others() {
    let mut builder = PipelineBuilder::with_clock(Arc::new(SystemClock));
    struct Slow;
    impl Source for Slow {
        fn poll(&mut self, _: &mut Accumulator<'_>) -> Result<(), Failure> {
            std::thread::sleep(Duration::from_millis(300));
            Ok(())
        }
    }
    let quick = Counting::new(builder.catalog(), "quick");
    let ticks = quick.ticks();
    builder
        .source("slow", Slow)
        .every(Duration::from_millis(20))
        .blocking();
    builder.source("quick", quick).every(Duration::from_millis(20));
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    std::thread::sleep(Duration::from_millis(250));
    let polls = ticks.lock().len();
    pipeline.stop(PATIENCE);
    assert!(
        polls >= 6,
        "{polls} polls while the slow source was in its first one"
    );
}

#[test]
fn timestamps_are_those_of_the_clock() {
    let (pipeline, recording, clock) = counting_pipeline();
    pass(&pipeline, &clock, 1);
    let stamps: Vec<Timestamp> = recording
        .samples()
        .iter()
        .map(|sample| sample.timestamp)
        .collect();
    assert_eq!(
        stamps,
        [ManualClock::START, ManualClock::START.saturating_add(SECOND)]
    );
}

/// Takes its time.
struct Slow(ManualClock);

impl Source for Slow {
    fn poll(&mut self, _: &mut Accumulator<'_>) -> Result<(), Failure> {
        self.0.advance(Duration::from_millis(30));
        Ok(())
    }
}

#[test]
fn a_source_is_charged_for_its_own_time_and_not_for_that_of_its_neighbours() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    builder.source("a", Slow(clock.clone())).every(SECOND);
    let quick = Counting::new(builder.catalog(), "b");
    builder.source("b", quick).every(SECOND);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    assert_eq!(status_of(&pipeline, "a").busy, Duration::from_millis(30));
    assert_eq!(status_of(&pipeline, "b").busy, Duration::ZERO);
}
