//! Perf events. The PMU of the kernel itself has the number 1, and its event 0 counts nanoseconds on each kernel: a tree in which
//! the PMU `power` has that number counts for real, a nanojoule in each nanosecond.

use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_core::testkit::assert_lines;

use crate::machine::{Machine, energies};

fn pmu(machine: &Machine, name: &str, events: &[&str]) {
    let folder = format!("sys/bus/event_source/devices/{name}");
    machine
        .root
        .write(format!("{folder}/type"), "1\n")
        .write(format!("{folder}/cpumask"), "0\n")
        .write(format!("{folder}/format/event"), "config:0-63\n");
    for event in events {
        machine
            .root
            .write(format!("{folder}/events/{event}"), "event=0x00\n")
            .write(format!("{folder}/events/{event}.scale"), "1.0e-9\n")
            .write(format!("{folder}/events/{event}.unit"), "Joules\n");
    }
}

/// One package with one CPU, whose PMU counts it, its cores and something unknown; memory is shown by powercap alone.
fn machine() -> Machine {
    let machine = Machine::new("GenuineIntel", 6, 85, &[(3, 0, 0)]);
    pmu(&machine, "power", &["energy-pkg", "energy-cores", "energy-magic"]);
    machine.zone("intel-rapl:0", "package-3", 100);
    machine.zone("intel-rapl:0:0", "dram", 100);
    machine
}

/// Whether this program may count what a CPU does.
fn is_allowed(machine: &Machine) -> bool {
    let is_allowed = machine.findings("interface = 'perf'").len() == 1;
    if !is_allowed {
        println!("skipped: CAP_PERFMON is missing");
    }
    is_allowed
}

#[test]
fn perf_events_are_preferred_and_powercap_has_the_rest() {
    let machine = machine();
    if !is_allowed(&machine) {
        return;
    }
    let mut bench = machine.start("");
    bench.poll();
    std::thread::sleep(Duration::from_millis(20));
    bench.0.advance(Duration::from_secs(1));
    let samples = bench.poll();
    assert_lines(
        samples
            .iter()
            .map(|sample| sample.series.to_string().replace("rapl_consumed_energy ", "")),
        [
            "cpu_package:3 local_machine {domain=pp0}",
            "cpu_package:3 local_machine {domain=package}",
            "dram:3 local_machine {domain=dram}",
            "local_machine local_machine {domain=package_total}",
            "local_machine local_machine {domain=pp0_total}",
            "local_machine local_machine {domain=dram_total}",
        ],
    );
    let joules: Vec<f64> = samples
        .iter()
        .map(|sample: &RecordedSample| sample.value.as_f64())
        .collect();
    assert!(
        joules[0] >= 0.02 && joules[1] >= 0.02 && joules[2] == 0.0,
        "{joules:?}"
    );
    let detail = &machine.findings("")[0].detail;
    assert!(detail.contains("package, pp0 through perf events"), "{detail}");
    assert!(
        detail.contains("dram through powercap") && detail.contains("energy-magic"),
        "{detail}"
    );
}

#[test]
fn perf_events_can_be_left_out() {
    let lines = energies(&machine().start("no_perf_events = true").poll());
    assert!(!lines.iter().any(|line| line.contains("pp0")), "{lines:?}");
}

#[test]
fn amd_cores_have_a_pmu_of_their_own() {
    let machine = Machine::new("AuthenticAMD", 26, 2, &[(0, 0, 4), (0, 1, 5)]);
    pmu(&machine, "power", &["energy-pkg"]);
    pmu(&machine, "power_core", &["energy-core"]);
    if !is_allowed(&machine) {
        return;
    }
    let lines = |config: &str| energies(&machine.start(config).poll());
    assert_lines(
        lines("interface = 'perf'"),
        [
            "cpu_package:0 {domain=package} = 0",
            "cpu_core:0 {domain=core} = 0",
            "local_machine {domain=package_total} = 0",
        ],
    );
    assert_eq!(lines("interface = 'perf'\nper_core = false").len(), 2);
}

#[test]
fn an_event_that_the_kernel_does_not_have_takes_nothing_else_away() {
    let machine = machine();
    machine.root.write(
        "sys/bus/event_source/devices/power/events/energy-gpu",
        "event=0xffff\n",
    );
    machine.root.write(
        "sys/bus/event_source/devices/power/events/energy-gpu.unit",
        "Joules\n",
    );
    if is_allowed(&machine) {
        let lines = energies(&machine.start("interface = 'perf'").poll());
        assert_eq!(lines.len(), 4, "{lines:?}");
    }
}
