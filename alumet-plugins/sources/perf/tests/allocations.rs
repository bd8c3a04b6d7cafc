//! Counts allocations, in a process of its own.

use std::time::Duration;

use alumet_core::Consumer;
use alumet_core::events::ConsumerEvent;
use alumet_core::testkit::{Allocations, Bench, CountingAllocator};
use alumet_plugin_perf::{Config, PerfPlugin};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_poll_allocates_nothing_for_its_samples() {
    let config: Config = toml::from_str("events = ['PAGE_FAULTS', 'TASK_CLOCK']\nsystem = true").unwrap();
    let mut bench = Bench::start::<PerfPlugin>(config, "/").unwrap();
    if bench.sources().is_empty() {
        println!("skipped: nothing may be counted; CAP_PERFMON is missing");
        return;
    }
    let process = Consumer::Process {
        pid: std::process::id(),
    };
    bench.events().publish(ConsumerEvent::Started([process].into()));
    let mut poll = || {
        bench.advance(Duration::from_secs(1));
        bench.poll_batch("perf").unwrap().len()
    };
    // Series are made with their first samples, and buffers grow.
    for _ in 0..3 {
        poll();
    }
    let (samples, cost) = Allocations::of(poll);
    assert!(samples >= 2 * 2 + 2, "{samples}");
    // What the batch holds on to.
    assert!(cost.count <= 1, "{cost:?} for {samples} samples");
}
