//! Energy shared over 1000 consumers: the transform of the tests of the core, a tick of the consumers after the other.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to report to")]

#[path = "../alumet-core/tests/attribution/share.rs"]
mod share;

use std::time::Duration;

use alumet_core::progress::{Progress, StreamId};
use alumet_core::time::{Moment, Monotonic};
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Catalog, Consumer, Resource, Series, Timestamp};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use share::{Attribution, CPU_TIME, ENERGY};

const CONSUMERS: u32 = 1000;
const QUARTER: u64 = 250_000_000;

/// A package every second and its consumers four times as often.
struct Stage {
    catalog: Catalog,
    attribution: Attribution,
    energy: Series<u64>,
    consumers: Vec<Series<u64>>,
    streams: [StreamId; 2],
    quarter: u64,
}

impl Stage {
    fn new() -> Self {
        let catalog = Catalog::new();
        let energy = catalog.metric(&ENERGY).expect("a new catalog");
        let time = catalog.metric(&CPU_TIME).expect("a new catalog");
        let package = Resource::CpuPackage { id: 0 };
        let consumer = |pid| {
            let process = Consumer::Process { pid };
            catalog.series(time, Resource::LocalMachine, process).register()
        };
        Self {
            attribution: Attribution::new(&catalog, Duration::from_secs(10)).expect("a new catalog"),
            energy: catalog.series(energy, package, Consumer::LocalMachine).register(),
            consumers: (0..CONSUMERS).map(consumer).collect(),
            streams: [StreamId::new(), StreamId::new()],
            quarter: 0,
            catalog,
        }
    }

    /// Four ticks of the consumers and one of the package: what a second brings.
    fn second(&mut self) -> usize {
        let mut left = 0;
        for _ in 0..4 {
            self.quarter += 1;
            let now = Moment {
                wall: Timestamp::from_nanos((self.quarter * QUARTER).cast_signed()),
                monotonic: Monotonic::from_nanos(self.quarter * QUARTER),
            };
            let context = TransformContext {
                catalog: &self.catalog,
                now,
            };
            let mut batch = self.catalog.batch();
            for (index, series) in self.consumers.iter().enumerate() {
                batch.push(series, now.wall, 1000 + index as u64);
            }
            let [of_consumers, of_package] = self.streams;
            let progress = |stream| Progress { stream, until: now };
            batch.set_progress(progress(of_consumers));
            self.attribution
                .apply(&mut batch, &context)
                .expect("a transform without errors");
            left += batch.len();
            if self.quarter.is_multiple_of(4) {
                let mut batch = self.catalog.batch();
                batch.push(&self.energy, now.wall, 50_000_000_000);
                batch.set_progress(progress(of_package));
                self.attribution
                    .apply(&mut batch, &context)
                    .expect("a transform without errors");
                left += batch.len();
            }
        }
        left
    }
}

fn attribute(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attribution");
    // Consumers and ticks; the pushing of the samples is in it.
    group.throughput(Throughput::Elements(u64::from(CONSUMERS) * 4));
    group.bench_function("second_of_1000_consumers", |bencher| {
        let mut stage = Stage::new();
        stage.second();
        bencher.iter(|| stage.second());
    });
    group.finish();
    assert_eq!(share::all().len(), 4, "the metrics of the transform");
}

criterion_group!(benches, attribute);
criterion_main!(benches);
