//! What a pipeline measures of a piece of work, and what is left of that afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alumet_core::catalog::MetricHandle;
use alumet_core::failure::Failure;
use alumet_core::metric::MetricDef;
use alumet_core::output::{NullOutput, QueuePolicy, SeriesTotal};
use alumet_core::pipeline::{MeasuredWork, Pattern, Pipeline, PipelineBuilder};
use alumet_core::source::{Accumulator, Source};
use alumet_core::testkit::ManualClock;
use alumet_core::unit::Unit;
use alumet_core::{Catalog, Consumer, Resource, Series, Value};

use crate::elements::{Counting, SECOND, Step, assert_balanced};

alumet_core::metrics! {
    pub ENERGY = Delta<u64> {
        name: "energy", unit: Unit::JOULE.milli(), description: "For tests.",
    };
    pub COUNTED = Counter<u64> { name: "counted", unit: Unit::ONE, description: "For tests.", };
    pub LEVEL = Gauge<u64> { name: "level", unit: Unit::ONE, description: "For tests.", };
}

/// Reads a number in three ways: what came since the last poll, all, and as a state.
struct Meter {
    used: Arc<AtomicU64>,
    before: u64,
    energy: Series<u64>,
    counted: Series<u64>,
    level: Series<u64>,
}

impl Source for Meter {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let used = self.used.load(Ordering::Relaxed);
        out.push(&self.energy, used - self.before);
        out.push(&self.counted, used);
        out.push(&self.level, used);
        self.before = used;
        Ok(())
    }
}

fn series(catalog: &Catalog, metric: &MetricDef<u64>) -> Series<u64> {
    let metric = catalog.metric(metric).unwrap();
    let series = catalog.series(metric, Resource::LocalMachine, Consumer::LocalMachine);
    series.register()
}

/// A pipeline to be with a [`Meter`] and an output, and what the meter reads.
fn with_meter() -> (PipelineBuilder, Arc<AtomicU64>, ManualClock) {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let used = Arc::new(AtomicU64::new(0));
    let catalog = builder.catalog();
    let meter = Meter {
        used: Arc::clone(&used),
        before: 0,
        energy: series(catalog, &ENERGY),
        counted: series(catalog, &COUNTED),
        level: series(catalog, &LEVEL),
    };
    builder.source("meter", meter);
    builder.output("null", NullOutput);
    (builder, used, clock)
}

fn total<'a, T>(measured: &'a MeasuredWork<T>, metric: &str) -> &'a SeriesTotal {
    let mut series = measured.series.iter();
    let found = series.find(|total| total.series.metric.name == metric);
    found.unwrap()
}

/// The names of the outputs that exist.
fn outputs(pipeline: &Pipeline) -> Vec<String> {
    let outputs = pipeline.control().list(&"outputs".parse::<Pattern>().unwrap());
    outputs
        .unwrap()
        .iter()
        .map(|output| output.key.to_string())
        .collect()
}

#[test]
fn work_is_told_what_was_used_from_its_beginning_to_its_end_and_nothing_else() {
    let (builder, used, clock) = with_meter();
    let pipeline = builder.start().unwrap();
    used.fetch_add(5000, Ordering::Relaxed);
    for round in 1..=2 {
        clock.advance(SECOND / 2);
        used.fetch_add(300, Ordering::Relaxed);
        let measured = pipeline.measure(|| {
            for _ in 0..3 {
                used.fetch_add(1000, Ordering::Relaxed);
                clock.advance(SECOND);
            }
            used.fetch_add(7, Ordering::Relaxed);
            clock.advance(SECOND / 4);
            round
        });
        assert_eq!(measured.value, round);
        assert!(measured.problem.is_none(), "{:?}", measured.problem);
        let (energy, counted) = (total(&measured, "energy"), total(&measured, "counted"));
        assert_eq!((energy.sum, counted.sum), (3007.0, 3007.0));
        assert_eq!(counted.last, Value::U64(5000 + round * 3307));
        let level = total(&measured, "level");
        assert!(level.samples > 0 && level.last == counted.last);
        let joules: Vec<_> = measured
            .energy()
            .map(|(total, joules)| (total.series.metric.name.to_string(), joules))
            .collect();
        assert_eq!(joules, [("energy".to_owned(), 3.007)]);
    }
}

#[test]
fn works_in_works_and_beside_each_other_are_told_everything_and_leave_nothing_behind() {
    let (builder, used, clock) = with_meter();
    let pipeline = builder.start().unwrap();
    let use_some = |amount| {
        used.fetch_add(amount, Ordering::Relaxed);
        clock.advance(SECOND);
    };
    let outer = pipeline.measure(|| {
        use_some(1);
        let inner = pipeline.measure(|| {
            assert_eq!(
                outputs(&pipeline),
                [
                    "outputs/embedded/null",
                    "outputs/alumet/measure-0",
                    "outputs/alumet/measure-1"
                ]
            );
            use_some(20);
        });
        use_some(300);
        inner
    });
    assert_eq!(total(&outer.value, "energy").sum, 20.0);
    assert_eq!(total(&outer, "energy").sum, 321.0);
    for _ in 0..10 {
        pipeline.measure(|| use_some(1));
    }
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pipeline.measure(|| panic!("the work fails"));
    }));
    assert!(panicked.is_err());
    assert_eq!(outputs(&pipeline), ["outputs/embedded/null"]);
    let ledger = pipeline.control().status().unwrap().ledger;
    assert_balanced(&ledger);
    let accounts: Vec<_> = ledger.outputs.keys().map(ToString::to_string).collect();
    assert_eq!(
        accounts,
        [
            "outputs/alumet/measure-0",
            "outputs/alumet/measure-1",
            "outputs/embedded/null"
        ]
    );
    assert!(!pipeline.outputs_ended().is_cancelled());
}

#[test]
fn work_is_done_and_told_what_else_is_known_when_a_source_fails_or_the_pipeline_has_stopped() {
    let (mut builder, used, clock) = with_meter();
    let broken = Counting::new(builder.catalog(), "broken");
    let fail = || Step::Fail(Failure::retry("the sensor is gone"));
    builder
        .source("broken", broken.script(std::iter::repeat_with(fail).take(100)))
        .every(SECOND);
    let pipeline = builder.start().unwrap();
    let work = || {
        clock.advance(SECOND);
        used.fetch_add(9, Ordering::Relaxed)
    };
    let measured = pipeline.measure(work);
    assert_eq!(total(&measured, "energy").sum, 9.0);
    let problem = measured.problem.unwrap().to_string();
    assert!(problem.contains("the sensor is gone"), "{problem}");

    pipeline.stop(SECOND);
    let measured = pipeline.measure(work);
    assert_eq!(measured.value, 9);
    assert!(measured.series.is_empty());
    let problem = measured.problem.unwrap().to_string();
    assert_eq!(problem, "the pipeline is not running");
}

#[test]
fn a_pipeline_without_sources_measures_the_process() {
    let pipeline = PipelineBuilder::new().start().unwrap();
    let measured = pipeline.measure(|| 7);
    assert_eq!(measured.value, 7);
    assert!(measured.problem.is_none(), "{:?}", measured.problem);
    assert!(measured.series.is_empty());
}

/// Has a new process at each poll.
struct Newborns {
    pid: u32,
    metric: MetricHandle<u64>,
}

impl Source for Newborns {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        self.pid += 1;
        let process = Consumer::Process { pid: self.pid };
        let series = out.catalog().series(self.metric, Resource::LocalMachine, process);
        out.push(&series.register(), 1);
        Ok(())
    }
}

#[test]
fn what_is_gone_before_the_end_is_told_too() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let metric = builder.catalog().metric(&ENERGY).unwrap();
    builder.source("newborns", Newborns { pid: 0, metric });
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let measured = pipeline.measure(|| {
        for _ in 0..50 {
            clock.advance(SECOND);
            pipeline.control().flush().unwrap();
        }
    });
    // Ticks come with every second, and one poll at the end.
    assert_eq!(measured.series.len(), 51);
    assert!(pipeline.catalog().series_slots() < 51, "slots are used again");
}

#[test]
fn totals_never_go_to_the_spool() {
    let clock = ManualClock::new();
    // There is no spool, so that a durable output could not be added.
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock)).durable_by_default(true);
    builder.output("null", NullOutput).queue(QueuePolicy {
        durable: Some(false),
        ..QueuePolicy::default()
    });
    let pipeline = builder.start().unwrap();
    assert!(pipeline.measure(|| ()).problem.is_none());
}
