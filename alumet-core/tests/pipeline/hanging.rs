//! A driver that does not answer delays its own device and nobody else.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{NullOutput, Recording, RecordingOutput};
use alumet_core::pipeline::{ControlError, ElementState, Pattern, Pipeline, PipelineBuilder};
use alumet_core::plugin::ElementSpecs;
use alumet_core::source::{Accumulator, Source};
use alumet_core::testkit::ManualClock;

use crate::elements::{Counting, PATIENCE, SECOND, assert_balanced, status_of, values, wait_until};

/// Is in a poll until the test lets it out, or ends.
struct Driver {
    inner: Counting,
    entered: Sender<()>,
    release: Receiver<()>,
}

impl Source for Driver {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let _ = self.entered.send(());
        let _ = self.release.recv();
        self.inner.poll(out)
    }
}

/// One source that hangs in its first poll and one that does not, on threads of their own.
struct Rig {
    pipeline: Pipeline,
    recording: Recording,
    clock: ManualClock,
    release: Sender<()>,
}

fn rig() -> Rig {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let (entered, is_in) = channel();
    let (release, is_released) = channel();
    let driver = Driver {
        inner: Counting::new(builder.catalog(), "driver"),
        entered,
        release: is_released,
    };
    builder.source("driver", driver).every(SECOND).blocking();
    let sound = Counting::new(builder.catalog(), "sound");
    builder.source("sound", sound).every(SECOND);
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    is_in.recv().unwrap();
    // By now it hangs, and is not just slow, for every request.
    wait_until("the poll has lasted for a second", || {
        status_of(&pipeline, "driver").polling >= Some(SECOND)
    });
    Rig {
        pipeline,
        recording,
        clock,
        release,
    }
}

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

#[track_caller]
fn assert_names_the_driver(result: Result<impl std::fmt::Debug, ControlError>) {
    let error = result.unwrap_err();
    let ControlError::Failed(problems) = &error else {
        panic!("another error: {error}");
    };
    assert_eq!(problems.len(), 1, "{error}");
    assert!(
        error
            .to_string()
            .starts_with("sources/embedded/driver: it has been in a poll for "),
        "{error}"
    );
}

#[test]
fn requests_to_others_are_answered_while_a_source_hangs_and_no_tick_is_missed() {
    let rig = rig();
    let control = rig.pipeline.control();
    let sound = pattern("src/*/sound");
    for second in 1..=3 {
        rig.clock.advance(SECOND);
        control.ping().unwrap();
        assert_eq!(status_of(&rig.pipeline, "sound").calls, 1 + second);
    }
    control.trigger(&sound).unwrap();
    control.pause(&sound).unwrap();
    control.resume(&sound).unwrap();
    control.set_interval(&sound, SECOND * 2).unwrap();
    let late = Counting::new(rig.pipeline.catalog(), "late");
    let ticks = late.ticks();
    let mut specs = ElementSpecs::default();
    specs.source("late", late).every(SECOND);
    control.add("test", specs).unwrap();
    assert_eq!(ticks.lock().len(), 1, "it was polled before the answer");
    rig.clock.advance(SECOND * 2);
    control.ping().unwrap();
    control.stop(&pattern("src/test")).unwrap();
    assert_names_the_driver(control.flush());
    let status = status_of(&rig.pipeline, "sound");
    assert_eq!((status.calls, status.missed_ticks), (7, 0));
    assert_eq!(
        rig.recording.len(),
        9,
        "what others have made is flushed all the same"
    );
    control.stop(&sound).unwrap();
    assert!(
        status_of(&rig.pipeline, "driver").polling >= Some(SECOND),
        "it still hangs"
    );
}

#[test]
fn who_wants_something_of_a_source_that_hangs_learns_its_name_and_others_are_served() {
    let rig = rig();
    let control = rig.pipeline.control();
    let all = pattern("src");
    assert_names_the_driver(control.trigger(&all));
    assert_eq!(status_of(&rig.pipeline, "sound").calls, 2);
    assert_names_the_driver(control.set_interval(&all, SECOND * 5));
    assert_names_the_driver(control.pause(&all));
    assert_eq!(status_of(&rig.pipeline, "sound").state, ElementState::Paused);
    assert_names_the_driver(control.resume(&all));
    // What was asked of it is done when it comes back.
    drop(rig.release);
    wait_until("it has the interval", || {
        status_of(&rig.pipeline, "driver").schedule.unwrap().interval == Some(SECOND * 5)
    });
    control.trigger(&all).unwrap();
    assert!(rig.pipeline.stop(PATIENCE).is_complete());
}

#[test]
fn a_source_that_is_stopped_while_it_hangs_ends_when_it_comes_back() {
    let rig = rig();
    let control = rig.pipeline.control();
    assert_names_the_driver(control.stop(&pattern("src")));
    let left = || control.list(&pattern("src")).unwrap();
    assert_eq!(left().len(), 1);
    assert!(!rig.pipeline.sources_ended().is_cancelled());
    drop(rig.release);
    wait_until("it has ended", || left().is_empty());
    assert!(rig.pipeline.sources_ended().is_cancelled());
    assert!(rig.pipeline.stop(PATIENCE).is_complete());
    assert_eq!(values(&rig.recording).len(), 2, "its last sample counts");
}

#[test]
fn a_source_added_to_a_thread_that_hangs_is_there_and_waits() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock));
    let (entered, is_in) = channel();
    let (release, is_released) = channel();
    let driver = Driver {
        inner: Counting::new(builder.catalog(), "driver"),
        entered,
        release: is_released,
    };
    builder.source("driver", driver).thread("bus");
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    is_in.recv().unwrap();
    let control = pipeline.control();
    let second = Counting::new(pipeline.catalog(), "second");
    let ticks = second.ticks();
    let mut specs = ElementSpecs::default();
    specs.source("second", second).thread("bus");
    control.add(PipelineBuilder::EMBEDDED, specs).unwrap();
    assert_eq!((status_of(&pipeline, "second").calls, ticks.lock().len()), (0, 0));
    drop(release);
    wait_until("it is polled", || !ticks.lock().is_empty());
}

#[test]
fn a_pipeline_with_a_source_that_hangs_stops_and_names_it() {
    let rig = rig();
    let report = rig.pipeline.stop(Duration::from_millis(10));
    assert_eq!(report.stuck, ["sources/embedded/driver"]);
    assert_eq!(
        values(&rig.recording),
        ["1", "2"],
        "all others had their last poll"
    );
    assert_balanced(&report.ledger);
}

#[test]
fn the_source_that_makes_others_miss_their_ticks_is_named() {
    /// Takes 2.5 s for its second poll.
    struct Slow(ManualClock, u64);
    impl Source for Slow {
        fn poll(&mut self, _: &mut Accumulator<'_>) -> Result<(), Failure> {
            self.1 += 1;
            if self.1 == 2 {
                self.0.advance(SECOND * 5 / 2);
            }
            Ok(())
        }
    }
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    builder.source("slow", Slow(clock.clone(), 0)).every(SECOND * 60);
    let victim = Counting::new(builder.catalog(), "victim");
    builder.source("victim", victim).every(SECOND);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let control = pipeline.control();
    control.ping().unwrap();
    control.trigger(&pattern("src/*/slow")).unwrap();
    control.ping().unwrap();
    let (slow, victim) = (status_of(&pipeline, "slow"), status_of(&pipeline, "victim"));
    assert_eq!((slow.overruns, slow.longest), (1, SECOND * 5 / 2));
    assert_eq!((victim.overruns, victim.missed_ticks), (0, 1));
    assert_eq!(slow.polling, None);
}
