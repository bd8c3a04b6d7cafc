//! Transforms that keep something back until other samples, or the time, have come.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::progress::{Progress, StreamId};
use alumet_core::series::{SeriesHandle, SeriesId};
use alumet_core::source::{Accumulator, NoopSource, Source};
use alumet_core::testkit::ManualClock;
use alumet_core::time::{Clock, Monotonic, SystemClock};
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Batch, Consumer, Resource, Timestamp, Value};
use parking_lot::Mutex;

use crate::elements::{
    COUNT, Counting, PATIENCE, SECOND, assert_balanced, one_source, pass, status_of, values, wait_until,
};

/// Keeps samples back for as long as it is told.
struct Delay {
    by: Duration,
    kept: Vec<(SeriesHandle, Timestamp, Value)>,
    wake_at: Option<Monotonic>,
    fail: Option<Failure>,
}

fn delay(by: Duration) -> Delay {
    Delay {
        by,
        kept: Vec::new(),
        wake_at: None,
        fail: None,
    }
}

impl Delay {
    fn emit(&mut self, out: &mut Batch) {
        for (series, timestamp, value) in self.kept.drain(..) {
            out.push_value(&series, timestamp, value).unwrap();
        }
    }
}

impl Transform for Delay {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        for sample in batch.samples() {
            let handle = context.catalog.keep(sample.series).unwrap();
            self.kept.push((handle, sample.timestamp, sample.value()));
        }
        if !batch.is_empty() {
            self.wake_at.get_or_insert(context.now.monotonic + self.by);
        }
        batch.retain(|_| false);
        Ok(())
    }

    fn wake_at(&self) -> Option<Monotonic> {
        self.wake_at
    }

    fn tick(&mut self, out: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        assert!(self.wake_at.unwrap() <= context.now.monotonic);
        self.fail.take().map_or(Ok(()), Err)?;
        self.wake_at = None;
        self.emit(out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        self.emit(out);
        Ok(())
    }
}

/// Starts the pipeline with a recording; everything that is due at the start is written.
fn start(mut builder: PipelineBuilder) -> (Pipeline, Recording) {
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    (pipeline, recording)
}

#[test]
fn a_transform_is_woken_when_its_time_has_come_and_what_it_emits_passes_those_after_it() {
    let (mut builder, clock) = one_source();
    builder.transform("first", delay(SECOND * 3));
    builder.transform("second", delay(SECOND * 2));
    let (pipeline, recording) = start(builder);
    let mut written = Vec::new();
    for _ in 0..8 {
        pass(&pipeline, &clock, 1);
        written.push(recording.len());
        assert_balanced(&pipeline.control().status().unwrap().ledger);
    }
    // The first emits after 3 s what came at 0, 1 and 2 s, and after 6 s what came since; the second keeps each for 2 s. A
    // sample that comes at the instant of a tick comes after it.
    assert_eq!(written, [0, 0, 0, 0, 3, 3, 3, 6]);
    let report = pipeline.stop(PATIENCE);
    assert_balanced(&report.ledger);
    assert_eq!(
        values(&recording),
        ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]
    );
}

#[test]
fn what_is_kept_back_is_booked_as_removed_and_then_as_added() {
    let (mut builder, clock) = one_source();
    builder.transform("delay", delay(SECOND));
    let (pipeline, _) = start(builder);
    let booked = || {
        let ledger = pipeline.control().status().unwrap().ledger;
        assert_balanced(&ledger);
        (ledger.removed, ledger.added, ledger.routed)
    };
    assert_eq!(booked(), (1, 0, 0));
    pass(&pipeline, &clock, 1);
    assert_eq!(booked(), (2, 1, 1));
}

/// Replaces each sample by itself.
struct Replace;

impl Transform for Replace {
    fn apply(&mut self, batch: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        let samples: Vec<_> = batch.samples().collect();
        batch.retain(|_| false);
        batch.extend(samples);
        Ok(())
    }
}

#[test]
fn samples_that_are_replaced_by_as_many_are_booked_on_both_sides() {
    let (mut builder, clock) = one_source();
    builder.transform("once", Replace);
    builder.transform("twice", Replace);
    let (pipeline, _) = start(builder);
    pass(&pipeline, &clock, 9);
    let ledger = pipeline.control().status().unwrap().ledger;
    assert_balanced(&ledger);
    assert_eq!((ledger.removed, ledger.added, ledger.routed), (20, 20, 10));
}

#[test]
fn a_failure_when_woken_is_one_of_the_transform_and_it_is_woken_again() {
    let (mut builder, clock) = one_source();
    let transform = Delay {
        fail: Some(Failure::retry("not yet")),
        ..delay(SECOND)
    };
    builder.transform("delay", transform);
    let (pipeline, recording) = start(builder);
    pass(&pipeline, &clock, 1);
    assert_eq!(status_of(&pipeline, "delay").failures, 1);
    assert!(recording.is_empty());
    pass(&pipeline, &clock, 1);
    assert_eq!(values(&recording), ["1", "2"]);
}

#[test]
fn a_transform_is_woken_though_no_batch_comes() {
    let mut builder = PipelineBuilder::with_clock(Arc::new(SystemClock));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source).every(SECOND * 3600);
    builder.transform("delay", delay(Duration::from_millis(50)));
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let _pipeline = builder.start().unwrap();
    assert!(recording.wait_for(1, PATIENCE));
}

/// Always wants to be woken.
struct Restless;

impl Transform for Restless {
    fn apply(&mut self, _: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn wake_at(&self) -> Option<Monotonic> {
        Some(Monotonic::default())
    }
}

#[test]
fn a_transform_that_is_never_content_does_not_keep_samples_from_coming() {
    let (mut builder, clock) = one_source();
    builder.transform("restless", Restless);
    let (pipeline, recording) = start(builder);
    pass(&pipeline, &clock, 3);
    assert_eq!(recording.len(), 4);
}

/// Writes down what it is told.
struct Listening {
    waits: bool,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    batches: Vec<(Progress, Vec<Monotonic>)>,
    series: Vec<SeriesId>,
    retired: Vec<SeriesId>,
}

impl Transform for Listening {
    fn apply(&mut self, batch: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        let progress = batch.progress().unwrap();
        let instants = batch.timestamps().iter().map(|time| progress.monotonic_of(*time));
        let mut heard = self.heard.lock();
        heard.batches.push((progress, instants.collect()));
        heard.series.extend(batch.series());
        for series in batch.series() {
            assert!(
                !heard.retired.contains(series),
                "a sample of a series that is gone"
            );
        }
        Ok(())
    }

    fn waits(&self) -> bool {
        self.waits
    }

    fn retired(&mut self, series: SeriesId) {
        self.heard.lock().retired.push(series);
    }
}

/// Registers another series for each sample.
struct Fleeting(u32);

impl Source for Fleeting {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        self.0 += 1;
        let metric = out.catalog().metric(&COUNT)?;
        let process = Consumer::Process { pid: self.0 };
        let series = out
            .catalog()
            .series(metric, Resource::LocalMachine, process)
            .register();
        out.push(&series, 1);
        Ok(())
    }
}

#[test]
fn each_series_that_is_gone_is_said_once_to_those_that_wait() {
    let (mut builder, clock) = one_source();
    builder.source("fleeting", Fleeting(0));
    let [told, spared] = [true, false].map(|waits| {
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let listening = Listening {
            waits,
            heard: Arc::clone(&heard),
        };
        builder.transform(if waits { "told" } else { "spared" }, listening);
        heard
    });
    let (pipeline, _) = start(builder);
    pass(&pipeline, &clock, 20);
    let heard = told.lock();
    let mut retired = heard.retired.clone();
    retired.sort_by_key(|series| format!("{series:?}"));
    retired.dedup();
    assert_eq!(retired.len(), heard.retired.len(), "one was said twice");
    assert!(retired.len() >= 18, "{} of 21 are gone", retired.len());
    assert!(retired.iter().all(|series| heard.series.contains(series)));
    assert!(spared.lock().retired.is_empty());
}

#[test]
fn nothing_is_kept_for_transforms_that_are_not_there_any_more() {
    let (mut builder, clock) = one_source();
    let heard: Arc<Mutex<Heard>> = Arc::default();
    let listening = Listening {
        waits: true,
        heard: Arc::clone(&heard),
    };
    builder.transform("told", listening);
    builder.source("none", NoopSource).every(SECOND * 2);
    let (pipeline, _) = start(builder);
    pipeline
        .control()
        .stop(&"transforms/embedded/told".parse().unwrap())
        .unwrap();
    let before = heard.lock().batches.len();
    pass(&pipeline, &clock, 3);
    assert_eq!(heard.lock().batches.len(), before);
    assert_balanced(&pipeline.control().status().unwrap().ledger);
}

/// What the transform has heard of streams in four seconds: when each was complete.
fn progress_heard(waits: bool) -> Vec<Vec<u64>> {
    let (mut builder, clock) = one_source();
    builder.source("none", NoopSource).every(SECOND * 2);
    let heard: Arc<Mutex<Heard>> = Arc::default();
    let listening = Listening {
        waits,
        heard: Arc::clone(&heard),
    };
    builder.transform("listening", listening);
    let (pipeline, _) = start(builder);
    pass(&pipeline, &clock, 4);
    let mut streams: Vec<(StreamId, Vec<u64>)> = Vec::new();
    for (progress, _) in &heard.lock().batches {
        let seconds = progress
            .until
            .wall
            .checked_since(ManualClock::START)
            .unwrap()
            .as_secs();
        match streams.iter_mut().find(|(stream, _)| *stream == progress.stream) {
            Some((_, until)) => until.push(seconds),
            None => streams.push((progress.stream, vec![seconds])),
        }
    }
    let mut until: Vec<_> = streams.into_iter().map(|(_, until)| until).collect();
    until.sort();
    until
}

#[test]
fn a_stream_without_samples_says_how_far_it_is_to_those_that_wait_only() {
    assert_eq!(progress_heard(true), [vec![0, 1, 2, 3, 4], vec![0, 2, 4]]);
    assert_eq!(progress_heard(false), [[0, 1, 2, 3, 4]]);
}

#[test]
fn a_batch_ends_where_the_wall_clock_steps_so_that_all_its_samples_are_on_one_clock() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source).flush_every(SECOND * 100);
    let heard: Arc<Mutex<Heard>> = Arc::default();
    let listening = Listening {
        waits: false,
        heard: Arc::clone(&heard),
    };
    builder.transform("listening", listening);
    let begin = clock.now().monotonic;
    let (pipeline, _) = start(builder);
    let seconds_pass = |seconds: u32| {
        for _ in 0..seconds {
            clock.advance(SECOND);
            let _ = pipeline.control().resume(&"src".parse().unwrap());
        }
    };
    seconds_pass(3);
    clock.set_wall(clock.now().wall.saturating_sub(SECOND * 3));
    seconds_pass(2);
    clock.set_wall(clock.now().wall.saturating_add(SECOND * 3600));
    seconds_pass(2);
    pipeline.stop(PATIENCE);
    let heard = heard.lock();
    let batches: Vec<_> = heard.batches.iter().map(|(_, instants)| instants.len()).collect();
    // The flush of the start, then up to each step; the last poll is made when the pipeline stops.
    assert_eq!(batches, [1, 3, 2, 3]);
    let instants = heard.batches.iter().flat_map(|(_, instants)| instants);
    let seconds: Vec<_> = instants.map(|instant| instant.since(begin).as_secs()).collect();
    assert_eq!(seconds, [0, 1, 2, 3, 4, 5, 6, 7, 7]);
}

#[test]
fn a_sample_that_is_kept_can_be_described_when_its_series_is_long_gone() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    builder.source("fleeting", Fleeting(0));
    builder.transform("delay", delay(SECOND * 30));
    let (pipeline, recording) = start(builder);
    pass(&pipeline, &clock, 31);
    let consumers: Vec<_> = recording
        .samples()
        .iter()
        .map(|sample| sample.series.consumer().clone())
        .collect();
    let expected: Vec<_> = (1..=30).map(|pid| Consumer::Process { pid }).collect();
    assert_eq!(consumers, expected);
    wait_until("nothing but what is kept now is live", || {
        pipeline.catalog().live_series() <= 2
    });
}
