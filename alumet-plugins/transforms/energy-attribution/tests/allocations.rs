//! A steady state asks for no memory, however many consumers there are.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

#[path = "attribution/stage.rs"]
#[expect(dead_code, reason = "the stage of the other tests")]
mod stage;

use alumet_core::testkit::{Allocations, CountingAllocator};

use stage::Stage;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const MODEL_AND_FORMULA: &str = r#"
    [models.joules]
    model = "share_idle"
    energy = [{ metric = "rapl_consumed_energy" }]
    usage = [{ metric = "cpu_time_delta", kind = "user" }]
    machine = [{ metric = "kernel_cpu_time", cpu_state = "user" }]

    [formulas.other]
    expr = "energy * usage"
    ref = "energy"
    per_resource.energy = { metric = "rapl_consumed_energy" }
    per_consumer.usage = { metric = "cpu_time_delta" }
"#;

#[test]
fn ticks_of_consumers_that_are_known_ask_for_no_memory() {
    let counts = [10_u32, 1000].map(|consumers| {
        let mut stage = Stage::new(Stage::config(MODEL_AND_FORMULA));
        let (package, busy) = (stage.package(0), stage.kernel("user"));
        let processes: Vec<_> = (0..consumers).map(|pid| stage.process(pid)).collect();
        let mut tick = |number: u64| {
            let at = number * 1_000_000_000;
            let others = [(&busy, at, 5e3), (&package, at, 50.0)];
            let usage = processes.iter().map(|process| (process, at, 1e6));
            let mut batch = stage.prepare("", "all", at, usage.chain(others));
            Allocations::of(|| stage.bench.transform(&mut batch).unwrap())
                .1
                .count
        };
        (0..20).for_each(|number| {
            tick(number);
        });
        (20..40).map(tick).max().unwrap()
    });
    assert_eq!(counts, [0, 0]);
}

#[test]
fn processes_that_come_and_go_leave_nothing_behind_even_if_energy_stops() {
    for seconds_of_energy in [0, 300, 1000] {
        let mut stage = Stage::new(Stage::config(MODEL_AND_FORMULA));
        let (package, busy) = (stage.package(0), stage.kernel("user"));
        let mut run = |seconds: std::ops::Range<u64>| {
            for second in seconds {
                let at = second * 1_000_000_000;
                let processes: Vec<_> = (0..20)
                    .map(|n| stage.process(1000 + (second * 20 + n) as u32))
                    .collect();
                for (at, used) in [(at, 0.0), (at + 500_000_000, 1e6)] {
                    let energy = (second < seconds_of_energy).then_some((&package, at, 50.0));
                    let others = energy.into_iter().chain([(&busy, at, 5e3)]);
                    let usage = processes.iter().map(|process| (process, at, used));
                    let mut batch = stage.prepare("", "all", at, usage.chain(others));
                    stage.bench.transform(&mut batch).unwrap();
                }
            }
        };
        run(0..600);
        let ((), cost) = Allocations::of(|| run(600..1000));
        // Those of ten seconds may wait to be dropped, of 8000 processes.
        assert!(
            cost.kept < 200_000,
            "{} bytes after {seconds_of_energy} s of energy",
            cost.kept
        );
    }
}
