//! Registers of the processor.

use alumet_core::testkit::assert_lines;

use crate::machine::{Machine, energies};

/// Units of 2⁻¹⁴ J and 2⁻³ W.
const UNITS: u64 = 0x000A_0E03;

/// Two packages of an Intel server of that model, each with two CPUs; packages have shown 1 J, memory 1 J in steps of 15.3 µJ.
fn server(model: u32) -> Machine {
    let machine = Machine::new(
        "GenuineIntel",
        6,
        model,
        &[(0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 0, 1)],
    );
    for cpu in 0..4 {
        machine.msr(cpu, 0x606, UNITS);
        machine.msr(cpu, 0x611, 1 << 14);
        machine.msr(cpu, 0x619, 1 << 16);
        machine.msr(cpu, 0x64D, 0);
    }
    machine
}

#[test]
fn registers_are_read_in_their_units_and_what_shows_nothing_is_not_there() {
    for (model, dram) in [(85, "2"), (143, "8")] {
        let machine = server(model);
        let mut bench = machine.start("");
        bench.poll();
        for cpu in [0, 2] {
            machine.msr(cpu, 0x611, 6 << 14);
            machine.msr(cpu, 0x619, 3 << 16);
        }
        assert_lines(
            bench.next(),
            [
                "cpu_package:0 {domain=package} = 5".to_owned(),
                "cpu_package:1 {domain=package} = 0".to_owned(),
                format!("dram:0 {{domain=dram}} = {dram}"),
                "dram:1 {domain=dram} = 0".to_owned(),
                "local_machine {domain=package_total} = 5".to_owned(),
                format!("local_machine {{domain=dram_total}} = {dram}"),
            ],
        );
    }
}

#[test]
fn a_register_wraps_after_32_bits_whatever_is_above_them() {
    let machine = server(85);
    let mut bench = machine.start("");
    bench.poll();
    machine.msr(0, 0x611, u64::from(u32::MAX));
    bench.next();
    bench.next();
    machine.msr(0, 0x611, 0xABCD_0000_0000 + (1 << 14) - 1);
    assert!(
        bench
            .next()
            .contains(&"cpu_package:0 {domain=package} = 1".to_owned())
    );
}

#[test]
fn a_package_of_which_a_cpu_goes_offline_is_read_on_another() {
    let machine = server(85);
    let mut bench = machine.start("");
    bench.poll();
    machine.root.write("dev/cpu/0/msr", "");
    machine.msr(2, 0x611, 3 << 14);
    assert!(
        bench
            .next()
            .contains(&"cpu_package:0 {domain=package} = 2".to_owned())
    );
    machine.root.write("dev/cpu/2/msr", "");
    assert!(!bench.next().iter().any(|line| line.contains("cpu_package:0")));
}

/// Lets a core have counted so many joules, in steps of 2⁻¹⁶ J and some more. In a file, other than in the device, the registers
/// overlap: the unit is the lowest byte of this one, and the package counts what is above it.
fn amd_core(machine: &Machine, cpu: u32, joules: u64) {
    machine.msr(cpu, 0xC001_02A0, 0);
    machine.msr(cpu, 0xC001_029A, (joules << 16) + 0x10);
}

#[test]
fn amd_shows_packages_and_cores() {
    let machine = Machine::new(
        "AuthenticAMD",
        25,
        17,
        &[(0, 0, 0), (0, 0, 1), (0, 0, 0), (0, 0, 1)],
    );
    for cpu in 0..4 {
        amd_core(&machine, cpu, 1);
    }
    // What powercap calls the cores is the core of one CPU.
    machine.zone("intel-rapl:0", "package-0", 100);
    machine.zone("intel-rapl:0:0", "core", 60);
    let mut bench = machine.start("");
    bench.poll();
    machine.set("intel-rapl:0", 107_000_000);
    amd_core(&machine, 1, 4);
    assert_lines(
        bench.next(),
        [
            "cpu_package:0 {domain=package} = 7",
            "cpu_core:0 {domain=core} = 0",
            "cpu_core:1 {domain=core} = 3",
            "local_machine {domain=package_total} = 7",
        ],
    );
    assert_eq!(energies(&machine.start("per_core = false").poll()).len(), 2);
    let detail = &machine.findings("")[0].detail;
    assert!(
        detail.contains("package through powercap") && detail.contains("core through MSR"),
        "{detail}"
    );
}

#[test]
fn the_dies_of_an_amd_package_are_counted_once() {
    let machine = Machine::new("AuthenticAMD", 23, 1, &[(0, 0, 0), (0, 1, 0)]);
    for cpu in 0..2 {
        amd_core(&machine, cpu, 1);
    }
    let lines = energies(&machine.start("").poll());
    let packages = lines.iter().filter(|line| line.contains("{domain=package}"));
    assert_eq!(packages.count(), 1, "{lines:?}");
}

#[test]
fn an_atom_with_other_units_is_not_read() {
    assert!(server(55).start("").0.sources().is_empty());
}
