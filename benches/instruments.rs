//! What an event costs that a program counts, and a piece of work that it measures.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to report to")]

use std::time::Duration;

use alumet_core::Unit;
use alumet_core::bridge::BOUNDS;
use alumet_core::output::NullOutput;
use alumet_core::pipeline::PipelineBuilder;
use criterion::{Criterion, criterion_group, criterion_main};

fn instruments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("instruments");
    let mut builder = PipelineBuilder::new();
    let instruments = builder.instruments(Duration::from_secs(3600));
    let counter = instruments
        .counter("counter", Unit::ONE, "Counts.")
        .expect("a name");
    group.bench_function("counter", |bencher| bencher.iter(|| counter.add(1)));
    let gauge = instruments.gauge("gauge", Unit::ONE, "Shows.").expect("a name");
    group.bench_function("gauge", |bencher| bencher.iter(|| gauge.set(1.0)));
    let histogram = instruments
        .histogram("histogram", Unit::SECOND, "Times.", &BOUNDS)
        .expect("a name");
    let mut amount = 0.0;
    group.bench_function("histogram", |bencher| {
        bencher.iter(|| {
            amount = if amount > 10.0 { 0.0 } else { amount + 0.01 };
            histogram.record(amount);
        });
    });
    group.finish();
}

fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("measure");
    group.bench_function("process", |bencher| bencher.iter(|| alumet_core::measure(|| ())));
    let mut builder = PipelineBuilder::new();
    builder.instruments(Duration::from_secs(3600));
    builder.output("null", NullOutput);
    let pipeline = builder.start().expect("a pipeline");
    group.bench_function("pipeline", |bencher| bencher.iter(|| pipeline.measure(|| ())));
    group.finish();
    pipeline.stop(Duration::from_secs(5));
}

criterion_group!(benches, instruments, measure);
criterion_main!(benches);
