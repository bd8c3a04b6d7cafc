//! From a push to the null output, through the whole engine: poll thread, router, queue, writer.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to report to")]

use std::time::Duration;

use alumet_benches::{PushAll, series};
use alumet_core::output::NullOutput;
use alumet_core::pipeline::{ElementKind, Pattern, PipelineBuilder};
use alumet_core::{Catalog, SeriesMap, Timestamp};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn push(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push");
    let catalog = Catalog::new();
    let series = series(&catalog, 8000);
    group.throughput(Throughput::Elements(series.len() as u64));
    group.bench_function("batch_of_8000", |bencher| {
        bencher.iter(|| {
            let mut batch = catalog.batch();
            for (value, series) in series.iter().enumerate() {
                batch.push(series, Timestamp::from_nanos(1), value as u64);
            }
            batch
        });
    });
    group.bench_function("look_up_in_a_series_map", |bencher| {
        let mut batch = catalog.batch();
        series
            .iter()
            .for_each(|series| batch.push(series, Timestamp::from_nanos(1), 7));
        let mut map = SeriesMap::new();
        bencher.iter(|| {
            let numbers = batch
                .samples()
                .map(|sample| *map.get_or_insert_with(sample.series, || 1_u64));
            numbers.sum::<u64>()
        });
    });
    group.finish();
}

fn push_to_null_output(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push_to_null_output");
    for count in [1000, 8000] {
        let mut builder = PipelineBuilder::new();
        let source = PushAll::new(builder.catalog(), count);
        builder.source("push", source).every(Duration::from_secs(3600));
        builder.output("null", NullOutput);
        let pipeline = builder.start().expect("a pipeline");
        let sources = Pattern::kind(ElementKind::Source);
        group.throughput(Throughput::Elements(count.into()));
        group.bench_with_input(BenchmarkId::from_parameter(count), &count, |bencher, _| {
            bencher.iter(|| {
                pipeline.control().trigger(&sources).expect("a poll");
                pipeline.control().flush().expect("a flush");
            });
        });
        pipeline.stop(Duration::from_secs(5));
    }
    group.finish();
}

fn register(criterion: &mut Criterion) {
    let catalog = Catalog::new();
    let mut group = criterion.benchmark_group("series");
    group.bench_function("register_and_retire", |bencher| {
        let metric = catalog.metric(&alumet_benches::BENCH).expect("a metric");
        let mut pid = 0;
        bencher.iter(|| {
            pid += 1;
            if pid % 1000 == 0 {
                drop(catalog.batch());
            }
            let consumer = alumet_core::Consumer::Process { pid };
            catalog
                .series(metric, alumet_core::Resource::LocalMachine, consumer)
                .register()
        });
    });
    group.finish();
}

criterion_group!(benches, push, push_to_null_output, register);
criterion_main!(benches);
