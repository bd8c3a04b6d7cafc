//! What the benchmarks have in common: sources and batches of known size.

pub mod counted;
pub mod drive;
pub mod groups;

use alumet_core::failure::Failure;
use alumet_core::source::{Accumulator, Source};
use alumet_core::unit::Unit;
use alumet_core::{Catalog, Consumer, Resource, Series};

alumet_core::metrics! {
    pub BENCH = Delta<u64> {
        name: "bench",
        unit: Unit::SECOND.nano(),
        description: "A metric to measure how fast samples travel.",
        resources: ["cpu_core"], consumers: ["cgroup"], attributes: ["kind"],
    };
}

/// Series as a cgroup has them: a path, and an attribute.
///
/// # Panics
/// When the metric is taken, which it is not in a new catalog.
#[expect(clippy::expect_used, reason = "a benchmark has nobody to report to")]
pub fn series(catalog: &Catalog, count: u32) -> Vec<Series<u64>> {
    let metric = catalog.metric(&BENCH).expect("a new catalog");
    let one = |index: u32| {
        let path = format!("/system.slice/service-{}.service", index / 8);
        let consumer = Consumer::ControlGroup { path: path.into() };
        let kind = ["total", "user", "system", "a", "b", "c", "d", "e"][(index % 8) as usize];
        catalog
            .series(metric, Resource::CpuCore { id: index % 64 }, consumer)
            .attribute("kind", kind)
            .register()
    };
    (0..count).map(one).collect()
}

/// Pushes one sample per series at each poll.
#[derive(Debug)]
pub struct PushAll {
    series: Vec<Series<u64>>,
    value: u64,
}

impl PushAll {
    /// A source of `count` series.
    pub fn new(catalog: &Catalog, count: u32) -> Self {
        Self {
            series: series(catalog, count),
            value: 0,
        }
    }
}

impl Source for PushAll {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        for series in &self.series {
            self.value = self.value.wrapping_add(1);
            out.push(series, self.value);
        }
        Ok(())
    }
}
