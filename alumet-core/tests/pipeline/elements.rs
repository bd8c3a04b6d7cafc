//! Elements that the tests put together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, Output, RecordedSample, Recording, RecordingOutput};
use alumet_core::pipeline::{ElementStatus, Ledger, Pipeline, PipelineBuilder};
use alumet_core::source::{Accumulator, Source, Tick};
use alumet_core::testkit::ManualClock;
use alumet_core::unit::Unit;
use alumet_core::{Catalog, Consumer, Resource, Series};
use parking_lot::Mutex;

alumet_core::metrics! {
    pub COUNT = Gauge<u64> {
        name: "count", unit: Unit::ONE, description: "Counts polls.",
        resources: ["local_machine"], consumers: ["local_machine"], attributes: ["source"],
    };
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Pushes 1, 2, 3, … and keeps the ticks.
pub(crate) struct Counting {
    series: Series<u64>,
    value: u64,
    ticks: Arc<Mutex<Vec<Tick>>>,
    resets: Arc<Mutex<u32>>,
    script: VecDeque<Step>,
}

/// What a [`Counting`] source does at a poll, after it has pushed.
pub(crate) enum Step {
    Work,
    Fail(Failure),
    Panic,
}

impl Counting {
    pub(crate) fn new(catalog: &Catalog, name: &'static str) -> Self {
        let metric = catalog.metric(&COUNT).unwrap();
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .attribute("source", name);
        Self {
            series: series.register(),
            value: 0,
            ticks: Arc::default(),
            resets: Arc::default(),
            script: VecDeque::new(),
        }
    }

    pub(crate) fn script(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.script.extend(steps);
        self
    }

    pub(crate) fn ticks(&self) -> Arc<Mutex<Vec<Tick>>> {
        Arc::clone(&self.ticks)
    }

    pub(crate) fn resets(&self) -> Arc<Mutex<u32>> {
        Arc::clone(&self.resets)
    }
}

impl Source for Counting {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        self.value += 1;
        self.ticks.lock().push(out.tick());
        out.push(&self.series, self.value);
        match self.script.pop_front() {
            None | Some(Step::Work) => Ok(()),
            Some(Step::Fail(failure)) => Err(failure),
            Some(Step::Panic) => panic!("the script says so"),
        }
    }

    fn reset(&mut self) {
        *self.resets.lock() += 1;
    }
}

/// Fails as often as the script says, then records.
#[derive(Default)]
pub(crate) struct Unreliable {
    inner: RecordingOutput,
    pub(crate) script: Arc<Mutex<VecDeque<Failure>>>,
    pub(crate) always: Arc<Mutex<Option<&'static str>>>,
    pub(crate) resets: Arc<Mutex<u32>>,
}

impl Unreliable {
    pub(crate) fn recording(&self) -> Recording {
        self.inner.recording()
    }
}

impl Output for Unreliable {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        if let Some(failure) = self.script.lock().pop_front() {
            return Err(failure);
        }
        if let Some(error) = *self.always.lock() {
            return Err(Failure::retry(error));
        }
        self.inner.deliver(delivery)
    }

    fn reset(&mut self) {
        *self.resets.lock() += 1;
    }
}

/// A pipeline to be with one counting source every second, and a clock to move.
pub(crate) fn one_source() -> (PipelineBuilder, ManualClock) {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    (builder, clock)
}

/// A pipeline with one counting source every second, a recording, and a clock to move.
pub(crate) fn counting_pipeline() -> (Pipeline, Recording, ManualClock) {
    let (mut builder, clock) = one_source();
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    // The first poll belongs to the start, not to the first second.
    pipeline.control().flush().unwrap();
    (pipeline, recording, clock)
}

/// Lets `seconds` pass one by one; afterwards everything polled is written.
pub(crate) fn pass(pipeline: &Pipeline, clock: &ManualClock, seconds: u32) {
    for _ in 0..seconds {
        clock.advance(SECOND);
        pipeline.control().flush().unwrap();
    }
}

/// Waits for what threads do in their own time.
#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn values(recording: &Recording) -> Vec<String> {
    recording
        .samples()
        .iter()
        .map(|sample| sample.value.to_string())
        .collect()
}

pub(crate) fn lines(recording: &Recording) -> Vec<String> {
    recording
        .samples()
        .iter()
        .map(RecordedSample::to_string)
        .collect()
}

#[track_caller]
pub(crate) fn assert_balanced(ledger: &Ledger) {
    assert!(ledger.is_balanced(), "the ledger is not balanced: {ledger:#?}");
}

pub(crate) fn status_of(pipeline: &Pipeline, name: &str) -> ElementStatus {
    let elements = pipeline.control().status().unwrap().elements;
    elements
        .into_iter()
        .find(|element| element.key.name == name)
        .unwrap()
}
