//! Wraps, resets, nonsense, and counters that go and come back.

use std::time::Duration;

use alumet_core::testkit::{ManualClock, assert_lines};

use crate::machine::{Machine, Measuring, RANGE, energies};

const ZONE: &str = "intel-rapl:0";

/// One package, whose counter shows 1000 J at the first poll.
fn package() -> (Machine, Measuring) {
    let machine = Machine::new("GenuineIntel", 6, 85, &[(0, 0, 0)]);
    machine.zone(ZONE, "package-0", 1000);
    let mut bench = machine.start("");
    bench.poll();
    (machine, bench)
}

fn both(joules: &str) -> [String; 2] {
    [
        format!("cpu_package:0 {{domain=package}} = {joules}"),
        format!("local_machine {{domain=package_total}} = {joules}"),
    ]
}

#[test]
fn a_counter_that_wraps_keeps_its_joules() {
    let (machine, mut bench) = package();
    machine.set(ZONE, RANGE - 30_000_000);
    bench.next();
    // A wrap is believed only after a reading that was.
    bench.next();
    // The counter begins again one step of 61 µJ after its highest value.
    machine.set(ZONE, 20_000_000 - 61);
    assert_lines(bench.next(), both("50"));
}

#[test]
fn what_cannot_be_is_counted_by_its_reason_and_never_emitted() {
    let (machine, mut bench) = package();
    for (microjoules, reason) in [
        (0, "reset"),
        // The way back to where it was.
        (1_000_500_000, "reset"),
        (1 << 32, "excess"),
        (1_001_500_000, "reset"),
    ] {
        machine.set(ZONE, microjoules);
        let samples = {
            bench.0.advance(Duration::from_secs(1));
            bench.poll()
        };
        assert_lines(energies(&samples), both("0"));
        let refused = format!("rapl_refused_intervals local_machine local_machine {{reason={reason}}} = 1");
        assert!(
            samples.iter().any(|sample| sample.to_string() == refused),
            "{reason}: {samples:#?}"
        );
    }
    // The way back from nonsense would be none that was counted.
    machine.set(ZONE, 1_011_500_000);
    assert_lines(bench.next(), both("0"));
    machine.set(ZONE, 1_021_500_000);
    assert_lines(bench.next(), both("10"));
    assert!(bench.next_refused().is_empty());
}

#[test]
fn a_package_that_states_a_high_maximum_may_draw_more() {
    let machine = Machine::new("GenuineIntel", 6, 173, &[(0, 0, 0)]);
    machine.zone(ZONE, "package-0", 1000);
    let stated = "sys/class/powercap/intel-rapl:0/constraint_0_max_power_uw";
    machine.root.write(stated, "500000000\n");
    let mut bench = machine.start("");
    bench.poll();
    machine.set(ZONE, 2_900_000_000);
    assert_lines(bench.next(), both("1900"));
}

#[test]
fn an_interval_in_which_the_counter_may_have_wrapped_twice_is_refused() {
    let (machine, mut bench) = package();
    // At 1000 W it wraps every 262 s.
    bench.0.advance(Duration::from_secs(270));
    machine.set(ZONE, 2_000_000_000);
    assert_eq!(bench.next_refused(), ["{reason=ambiguous} = 1"]);
}

#[test]
fn an_interval_in_which_the_machine_slept_is_refused_even_if_the_counter_rose() {
    let (machine, mut bench) = package();
    machine.set(ZONE, 1_005_000_000);
    let later = ManualClock::START.saturating_add(Duration::from_secs(3600));
    bench.0.clock().set_wall(later);
    assert_eq!(bench.next_refused(), ["{reason=suspended} = 1"]);
    bench.next();
    machine.set(ZONE, 1_007_000_000);
    assert_lines(bench.next(), both("2"));
}

#[test]
fn a_counter_that_cannot_be_read_once_tells_for_both_intervals_and_so_does_its_sum() {
    let machine = Machine::server();
    let mut bench = machine.start("");
    bench.poll();
    machine.set(ZONE, 510_000_000);
    machine
        .root
        .write("sys/class/powercap/intel-rapl:1/energy_uj", "");
    let unread = bench.next();
    assert!(unread.contains(&"cpu_package:0 {domain=package} = 10".to_owned()));
    assert!(
        !unread
            .iter()
            .any(|line| line.contains("cpu_package:1") || line.contains("package_total"))
    );
    machine.set("intel-rapl:1", 525_000_000);
    machine.set(ZONE, 511_000_000);
    assert_lines(
        bench.next(),
        [
            "cpu_package:0 {domain=package} = 1",
            "dram:0 {domain=dram} = 0",
            "cpu_package:1 {domain=package} = 25",
            "dram:1 {domain=dram} = 0",
            "local_machine {domain=package_total} = 36",
            "local_machine {domain=dram_total} = 0",
        ],
    );
}

#[test]
fn a_package_that_goes_offline_leaves_a_gap_and_begins_anew_when_it_comes_back() {
    let machine = Machine::server();
    let mut bench = machine.start("");
    bench.poll();
    machine
        .root
        .write("sys/class/powercap/intel-rapl:1/energy_uj", "");
    bench.next();
    let total = |joules: &str| format!("local_machine {{domain=package_total}} = {joules}");
    machine.set(ZONE, 510_000_000);
    assert!(
        bench.next().contains(&total("0")),
        "the sum begins anew without the package"
    );
    machine.set(ZONE, 515_000_000);
    let alone = bench.next();
    assert!(alone.contains(&total("5")) && !alone.iter().any(|line| line.contains("cpu_package:1")));

    machine.set("intel-rapl:1", 3_000_000);
    let back = bench.next();
    assert!(back.contains(&"cpu_package:1 {domain=package} = 0".to_owned()) && back.contains(&total("0")));
    machine.set("intel-rapl:1", 4_000_000);
    assert!(bench.next().contains(&total("1")));
}

#[test]
fn a_pause_is_a_gap_of_all_series() {
    let (machine, mut bench) = package();
    machine.set(ZONE, 1_100_000_000);
    bench.0.reset("rapl");
    assert_lines(bench.next(), both("0"));
    machine.set(ZONE, 1_101_000_000);
    assert_lines(bench.next(), both("1"));
}
