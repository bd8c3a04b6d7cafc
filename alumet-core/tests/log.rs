//! What an output that fails says in the log; alone in its program, because it listens to everything.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, Output, Receipt};
use alumet_core::pipeline::PipelineBuilder;
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Resource, Series, Unit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static WARNINGS: AtomicUsize = AtomicUsize::new(0);
static RECOVERIES: AtomicUsize = AtomicUsize::new(0);

/// Counts the lines of the log.
struct Counter;

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn event(&self, event: &Event<'_>) {
        match *event.metadata().level() {
            Level::WARN => WARNINGS.fetch_add(1, Ordering::SeqCst),
            Level::INFO => RECOVERIES.fetch_add(1, Ordering::SeqCst),
            _ => 0,
        };
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

alumet_core::metrics! {
    pub COUNT = Gauge<u64> {
        name: "count", unit: Unit::ONE, description: "Counts polls.",
        resources: ["local_machine"], consumers: ["local_machine"], attributes: [],
    };
}

struct Counting(Series<u64>);

impl Source for Counting {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        out.push(&self.0, 1);
        Ok(())
    }
}

/// Fails at every second attempt, and rejects a sample of each delivery for one of two reasons.
#[derive(Default)]
struct Fickle(usize);

impl Output for Fickle {
    fn deliver(&mut self, _: &Delivery) -> Result<Delivering, Failure> {
        self.0 += 1;
        if self.0.is_multiple_of(2) {
            return Err(Failure::retry("connection reset"));
        }
        let mut receipt = Receipt::all();
        receipt.reject(0, format!("reason {}", self.0 / 2 % 2));
        Ok(Delivering::Done(receipt))
    }
}

#[test]
fn an_output_that_fails_by_turns_says_so_once_and_each_reason_of_a_rejection_once() {
    tracing::subscriber::set_global_default(Counter).unwrap();
    let mut builder = PipelineBuilder::new();
    let metric = builder.catalog().metric(&COUNT).unwrap();
    let series = builder
        .catalog()
        .series(metric, Resource::LocalMachine, Consumer::LocalMachine);
    let series = series.register();
    builder
        .source("count", Counting(series))
        .every(Duration::from_millis(10));
    builder.output("fickle", Fickle::default());
    let pipeline = builder.start().unwrap();
    let failures = || {
        let status = pipeline.control().status().unwrap();
        let output = status
            .elements
            .iter()
            .find(|element| element.key.name == "fickle")
            .unwrap();
        output.failures
    };
    while failures() < 8 {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(
        WARNINGS.load(Ordering::SeqCst),
        1 + 2,
        "one failure and two reasons"
    );
    assert_eq!(RECOVERIES.load(Ordering::SeqCst), 1);
    pipeline.stop(Duration::from_secs(10));
}
