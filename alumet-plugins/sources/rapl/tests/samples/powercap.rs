//! Zones of powercap.

use crate::machine::{Machine, energies};
use alumet_core::testkit::assert_lines;

#[test]
fn a_client_has_package_cores_graphics_and_platform_each_joule_once() {
    let machine = Machine::client();
    let mut bench = machine.start("");
    let first = energies(&bench.poll());
    assert!(first.iter().all(|line| line.ends_with(" = 0")), "{first:?}");
    machine.set("intel-rapl:0", 112_500_000);
    machine.set("intel-rapl-mmio:0", 112_500_000);
    machine.set("intel-rapl:0:0", 68_000_000);
    machine.set("intel-rapl:0:1", 10_250_000);
    machine.set("intel-rapl:1", 330_000_000);
    assert_lines(
        bench.next(),
        [
            "cpu_package:0 {domain=package} = 12.5",
            "cpu_package:0 {domain=pp0} = 8",
            "cpu_package:0 {domain=pp1} = 0.25",
            "local_machine {domain=platform} = 30",
            "local_machine {domain=package_total} = 12.5",
            "local_machine {domain=pp0_total} = 8",
            "local_machine {domain=pp1_total} = 0.25",
            "local_machine {domain=platform_total} = 30",
        ],
    );
}

#[test]
fn a_server_has_packages_memory_and_their_sums() {
    let machine = Machine::server();
    let mut bench = machine.start("");
    bench.poll();
    machine.set("intel-rapl:0", 600_000_000);
    machine.set("intel-rapl:1", 580_000_000);
    machine.set("intel-rapl:1:0", 53_000_000);
    assert_lines(
        bench.next(),
        [
            "cpu_package:0 {domain=package} = 100",
            "dram:0 {domain=dram} = 0",
            "cpu_package:1 {domain=package} = 80",
            "dram:1 {domain=dram} = 3",
            "local_machine {domain=package_total} = 180",
            "local_machine {domain=dram_total} = 3",
        ],
    );
}

#[test]
fn the_dies_of_a_package_are_told_apart() {
    let machine = Machine::new("GenuineIntel", 6, 85, &[(0, 0, 0), (0, 1, 0)]);
    for die in 0..2 {
        machine.zone(&format!("intel-rapl:{die}"), &format!("package-0-die-{die}"), 5);
        machine.zone(&format!("intel-rapl:{die}:0"), "dram", 5);
    }
    let mut bench = machine.start("");
    bench.poll();
    machine.set("intel-rapl:0", 6_000_000);
    machine.set("intel-rapl:1", 7_000_000);
    assert_lines(
        bench.next(),
        [
            "cpu_package:0 {die=0, domain=package} = 1",
            "dram:0 {die=0, domain=dram} = 0",
            "cpu_package:0 {die=1, domain=package} = 2",
            "dram:0 {die=1, domain=dram} = 0",
            "local_machine {domain=package_total} = 3",
            "local_machine {domain=dram_total} = 0",
        ],
    );
}

#[test]
fn an_odd_zone_takes_no_other_away() {
    let machine = Machine::client();
    machine.zone("intel-rapl:a", "package-10", 1);
    machine.zone("intel-rapl:0:7", "magic", 1);
    machine.zone("intel-rapl:9:0", "dram", 1);
    machine
        .root
        .write("sys/class/powercap/intel-rapl:8/name", "package-8\n");
    machine
        .root
        .write("sys/class/powercap/intel-rapl:7/enabled", "1\n");
    machine
        .root
        .write("sys/class/powercap/intel-rapl:6/name", [0xFF, b':', b'\n']);
    let mut bench = machine.start("");
    let lines = energies(&bench.poll());
    assert_eq!(lines.len(), 9, "{lines:?}");
    assert!(lines.contains(&"cpu_package:10 {domain=package} = 0".to_owned()));
    let findings = machine.findings("");
    assert_eq!(findings.len(), 1);
    for odd in ["intel-rapl:0:7", "intel-rapl:9:0", "intel-rapl:8"] {
        assert!(findings[0].detail.contains(odd), "{}", findings[0].detail);
    }
}

#[test]
fn zones_are_found_without_the_links_of_the_class() {
    let machine = Machine::client();
    let expected = energies(&machine.start("").poll());
    machine.root.remove("sys/class/powercap");
    assert_lines(energies(&machine.start("").poll()), &expected);
}

#[test]
fn a_zone_that_answers_with_an_error_takes_no_other_away_nor_their_sum() {
    let machine = Machine::server();
    let file = "sys/class/powercap/intel-rapl:1:0/energy_uj";
    std::fs::remove_file(machine.root.at(file)).unwrap();
    // The kernel answers EIO: nothing is mapped at its beginning.
    machine.root.link(file, "/proc/self/mem");
    let mut bench = machine.start("");
    assert_eq!(
        energies(&bench.poll()).len(),
        4,
        "the sum waits for a part that may come"
    );
    bench.next();
    machine.set("intel-rapl:0:0", 58_000_000);
    let lines = bench.next();
    assert!(
        lines.contains(&"local_machine {domain=dram_total} = 8".to_owned()),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("dram:1")), "{lines:?}");
}

#[test]
fn of_two_ways_to_the_same_counters_the_one_that_shows_more_is_taken() {
    let machine = Machine::new("GenuineIntel", 6, 151, &[(0, 0, 0)]);
    machine.zone("intel-rapl:0", "package-0", 100);
    machine.zone("intel-rapl-mmio:0", "package-0", 100);
    machine.zone("intel-rapl-mmio:0:0", "dram", 100);
    let mut bench = machine.start("");
    bench.poll();
    machine.set("intel-rapl:0", 101_000_000);
    machine.set("intel-rapl-mmio:0", 102_000_000);
    assert!(
        bench
            .next()
            .contains(&"cpu_package:0 {domain=package} = 2".to_owned())
    );
    let detail = &machine.findings("")[0].detail;
    assert!(
        detail.contains("intel-rapl counts what intel-rapl-mmio counts"),
        "{detail}"
    );
}

#[test]
fn a_counter_that_nothing_feeds_is_no_sensor() {
    let machine = Machine::new("GenuineIntel", 6, 85, &[(0, 0, 0)]);
    machine.zone("intel-rapl:1", "psys", 0);
    let found = machine.findings("");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].detail.contains("platform stands at 0"), "{found:?}");
    // Memory may well have drawn nothing that counts.
    machine.zone("intel-rapl:0", "package-0", 5);
    machine.zone("intel-rapl:0:0", "dram", 0);
    let mut bench = machine.start("");
    bench.poll();
    machine.set("intel-rapl:0", 6_000_000);
    machine.set("intel-rapl:1", 7_000_000);
    assert_lines(
        bench.next(),
        [
            "cpu_package:0 {domain=package} = 1",
            "dram:0 {domain=dram} = 0",
            "local_machine {domain=package_total} = 1",
            "local_machine {domain=dram_total} = 0",
        ],
    );
}
