//! Which interface is read, and what is said of it.

use alumet_core::plugin::Verdict;

use crate::machine::{Machine, energies};

/// A file that the kernel refuses even to root, for it can only be written.
const REFUSED: &str = "/sys/bus/platform/drivers_probe";

#[test]
fn a_virtual_machine_without_rapl_starts_and_says_so() {
    let machine = Machine::new("GenuineIntel", 6, 85, &[(0, 0, 0)]);
    machine.root.write(
        "proc/cpuinfo",
        "vendor_id : GenuineIntel\nflags : fpu hypervisor\n",
    );
    assert!(machine.start("").0.sources().is_empty());
    let findings = machine.findings("");
    assert_eq!((findings.len(), findings[0].verdict), (1, Verdict::Absent));
    assert_eq!(findings[0].remedy, None);
}

#[test]
fn a_machine_that_should_have_rapl_names_the_modules() {
    let machine = Machine::new("GenuineIntel", 6, 85, &[(0, 0, 0)]);
    let findings = machine.findings("");
    assert_eq!(findings[0].verdict, Verdict::Absent);
    assert!(
        findings[0]
            .remedy
            .as_ref()
            .unwrap()
            .contains("modprobe intel_rapl_msr")
    );
}

#[test]
fn a_domain_that_only_another_interface_has_is_taken_from_that_one() {
    let machine = Machine::client();
    machine.msr(0, 0x606, 0x000A_0E03);
    for register in [0x611, 0x639, 0x619] {
        machine.msr(0, register, 1 << 14);
    }
    let lines = energies(&machine.start("").poll());
    assert!(
        lines.contains(&"dram:0 {domain=dram} = 0".to_owned()),
        "{lines:?}"
    );
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("domain=package}"))
            .count(),
        1
    );
    let detail = &machine.findings("")[0].detail;
    assert!(
        detail.contains("pp1, platform through powercap; intel-rapl-mmio"),
        "{detail}"
    );
    assert!(detail.contains("dram through MSR"), "{detail}");

    let msr = energies(&machine.start("interface = 'msr'").poll());
    assert!(msr.iter().all(|line| !line.contains("platform")), "{msr:?}");
}

#[test]
fn an_interface_that_shows_no_package_comes_after_one_that_does() {
    let machine = Machine::new("GenuineIntel", 6, 85, &[(0, 0, 0)]);
    machine.zone("intel-rapl:0", "psys", 100);
    machine.msr(0, 0x606, 0x000A_0E03);
    machine.msr(0, 0x611, 1 << 14);
    machine.msr(0, 0x64D, 1 << 14);
    let mut bench = machine.start("");
    bench.poll();
    machine.msr(0, 0x64D, 3 << 14);
    assert!(
        bench
            .next()
            .contains(&"local_machine {domain=platform} = 2".to_owned())
    );
}

#[test]
fn a_package_that_one_interface_shows_by_dies_is_not_counted_again_as_a_whole() {
    let machine = Machine::new("GenuineIntel", 6, 85, &[(0, 0, 0)]);
    machine.zone("intel-rapl:0", "package-0-die-0", 5);
    machine.zone("intel-rapl:1", "package-0-die-1", 5);
    machine.msr(0, 0x606, 0x000A_0E03);
    machine.msr(0, 0x611, 1 << 14);
    let lines = energies(&machine.start("").poll());
    let packages = lines.iter().filter(|line| line.contains("domain=package}"));
    assert_eq!(packages.count(), 2, "{lines:?}");
}

#[test]
fn what_may_not_be_read_is_named_with_the_command_and_the_rest_is_measured() {
    let machine = Machine::client();
    let file = machine.root.at("sys/class/powercap/intel-rapl:0:1/energy_uj");
    std::fs::remove_file(&file).unwrap();
    machine
        .root
        .link("sys/class/powercap/intel-rapl:0:1/energy_uj", REFUSED);
    assert_eq!(energies(&machine.start("").poll()).len(), 6);
    let findings = machine.findings("");
    assert_eq!(findings[1].verdict, Verdict::Limited, "{findings:?}");
    let remedy = findings[1].remedy.as_ref().unwrap();
    assert!(
        remedy.contains("CAP_DAC_READ_SEARCH") && remedy.contains("intel-rapl:0:1/energy_uj"),
        "{remedy}"
    );
}

#[test]
fn a_machine_that_refuses_everything_says_so_of_each_interface() {
    let machine = Machine::new("GenuineIntel", 6, 85, &[(0, 0, 0)]);
    machine.zone("intel-rapl:0", "package-0", 1);
    std::fs::remove_file(machine.root.at("sys/class/powercap/intel-rapl:0/energy_uj")).unwrap();
    machine
        .root
        .link("sys/class/powercap/intel-rapl:0/energy_uj", REFUSED);
    machine.root.link("dev/cpu/0/msr", REFUSED);
    assert!(machine.start("").0.sources().is_empty());
    let findings = machine.findings("");
    assert_eq!(findings.len(), 2);
    for (finding, capability) in findings.iter().zip(["cap_dac_read_search=ep", "cap_sys_rawio"]) {
        assert_eq!(finding.verdict, Verdict::Broken);
        assert!(
            finding.remedy.as_ref().unwrap().contains(capability),
            "{finding:?}"
        );
    }
}
