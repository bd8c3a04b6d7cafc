//! Sources that are polled because something has happened, threads that sources share, and the time of a reading.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{NullOutput, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::source::{Accumulator, NoopSource, Source};
use alumet_core::testkit::ManualClock;
use alumet_core::{Consumer, Resource, Series};
use parking_lot::Mutex;

use crate::elements::{COUNT, Counting, SECOND, pass, wait_until};

fn builder() -> (PipelineBuilder, ManualClock) {
    let clock = ManualClock::new();
    (PipelineBuilder::with_clock(Arc::new(clock.clone())), clock)
}

#[test]
fn a_source_that_is_woken_is_polled_without_a_tick() {
    let (mut builder, clock) = builder();
    let on_request = Counting::new(builder.catalog(), "on request");
    let ticks = on_request.ticks();
    let waker = builder.source("on request", on_request).on_request().waker();
    let ticking = Counting::new(builder.catalog(), "ticking");
    let other_ticks = ticking.ticks();
    let other_waker = builder.source("ticking", ticking).every(SECOND * 60).waker();
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    pipeline.control().ping().unwrap();
    assert_eq!((ticks.lock().len(), other_ticks.lock().len()), (0, 1));
    let thread = std::thread::spawn(move || {
        waker.wake();
        other_waker.wake();
    });
    wait_until("both are polled", || {
        ticks.lock().len() == 1 && other_ticks.lock().len() == 2
    });
    thread.join().unwrap();
    // The ticks stay where they are.
    pass(&pipeline, &clock, 60);
    assert_eq!((ticks.lock().len(), other_ticks.lock().len()), (1, 3));
}

#[test]
fn what_wakes_a_source_before_the_start_is_not_lost_and_many_times_are_one_poll() {
    let (mut builder, _) = builder();
    let source = Counting::new(builder.catalog(), "a");
    let ticks = source.ticks();
    let waker = builder.source("a", source).on_request().waker();
    builder.output("null", NullOutput);
    for _ in 0..100 {
        waker.clone().wake();
    }
    let pipeline = builder.start().unwrap();
    pipeline.control().ping().unwrap();
    assert_eq!(ticks.lock().len(), 1);
}

#[test]
fn a_source_that_is_woken_while_it_rests_is_polled_when_it_is_resumed() {
    let (mut builder, _) = builder();
    let source = Counting::new(builder.catalog(), "a");
    let ticks = source.ticks();
    let waker = builder.source("a", source).on_request().paused().waker();
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    waker.wake();
    pipeline.control().ping().unwrap();
    assert_eq!(ticks.lock().len(), 0);
    pipeline.control().resume(&"src".parse().unwrap()).unwrap();
    wait_until("it is polled", || ticks.lock().len() == 1);
}

#[test]
fn a_source_that_has_changed_its_thread_can_still_be_woken() {
    let (mut builder, _) = builder();
    let source = Counting::new(builder.catalog(), "a");
    let ticks = source.ticks();
    let waker = builder.source("a", source).waker();
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let quick = Duration::from_millis(5);
    pipeline
        .control()
        .set_interval(&"src".parse().unwrap(), quick)
        .unwrap();
    assert_eq!(ticks.lock().len(), 1);
    waker.wake();
    wait_until("it is polled", || ticks.lock().len() == 2);
}

/// Notes the thread that polls it.
struct Here(&'static str, Arc<Mutex<Vec<(&'static str, String)>>>);

impl Source for Here {
    fn poll(&mut self, _: &mut Accumulator<'_>) -> Result<(), Failure> {
        let thread = std::thread::current();
        self.1.lock().push((self.0, thread.name().unwrap().to_owned()));
        Ok(())
    }
}

#[test]
fn sources_that_name_the_same_thread_share_it_and_are_polled_back_to_back() {
    let (mut builder, _) = builder();
    let polls = Arc::new(Mutex::new(Vec::new()));
    for name in ["energy", "clocks"] {
        builder
            .source(name, Here(name, Arc::clone(&polls)))
            .thread("nvml");
    }
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    assert_eq!(
        *polls.lock(),
        [
            ("energy", "poll-nvml".to_owned()),
            ("clocks", "poll-nvml".to_owned())
        ]
    );
    assert_eq!(names(&pipeline), ["threads/embedded/nvml"]);
}

fn names(pipeline: &Pipeline) -> Vec<String> {
    let punctuality = pipeline.control().status().unwrap().punctuality;
    punctuality.into_iter().map(|one| one.thread).collect()
}

#[test]
fn threads_whose_names_begin_alike_can_be_told_apart() {
    let (mut builder, _) = builder();
    let polls = Arc::new(Mutex::new(Vec::new()));
    let gpus = ["gpu-0000:01:00.0", "gpu-0000:02:00.0", "gpu-0000:03:00.0"];
    for name in gpus {
        builder.source(name, Here(name, Arc::clone(&polls))).blocking();
    }
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    assert_eq!(
        names(&pipeline),
        gpus.map(|name| format!("sources/embedded/{name}"))
    );
    let kernel: BTreeSet<_> = polls.lock().iter().map(|(_, thread)| thread.clone()).collect();
    assert_eq!(kernel.len(), 3, "{kernel:?}");
    assert!(
        kernel
            .iter()
            .all(|name| name.len() <= 15 && name.starts_with("poll-gpu-")),
        "{kernel:?}"
    );
}

#[test]
fn a_name_that_no_thread_can_have_is_made_one() {
    let (mut builder, _) = builder();
    for name in ["a\0b", "über", ""] {
        builder.source(name, NoopSource).blocking();
    }
    assert_eq!(names(&builder.start().unwrap()).len(), 3);
}

/// Needs 20 ms to read two values.
struct SlowBus(ManualClock, Series<u64>);

impl Source for SlowBus {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        for value in 1..=2 {
            self.0.advance(Duration::from_millis(10));
            out.push_now(&self.1, value);
        }
        assert_eq!(
            out.now().monotonic.since(out.tick().monotonic),
            Duration::from_millis(20)
        );
        out.push(&self.1, 3);
        Ok(())
    }
}

#[test]
fn a_source_may_say_when_a_value_was_read() {
    let (mut builder, clock) = builder();
    let metric = builder.catalog().metric(&COUNT).unwrap();
    let series = builder
        .catalog()
        .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
        .register();
    builder.source("bus", SlowBus(clock, series));
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    let millis: Vec<_> = recording
        .samples()
        .iter()
        .map(|sample| {
            let since = sample.timestamp.checked_since(ManualClock::START);
            since.unwrap().as_millis()
        })
        .collect();
    assert_eq!(millis, [10, 20, 0]);
}
