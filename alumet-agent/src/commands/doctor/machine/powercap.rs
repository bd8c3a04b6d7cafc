//! Energy counters of the processor.

use std::fs;

use alumet_core::plugin::Finding;

use super::Machine;

const CLASS: &str = "sys/class/powercap";

/// Whether there are energy counters and whether they may be read.
pub(super) fn finding(machine: &Machine) -> Option<Finding> {
    const SUBJECT: &str = "powercap";
    if !machine.path("sys").is_dir() {
        return None;
    }
    let zones = zones(machine);
    if zones.is_empty() {
        return Some(Finding {
            remedy: Some(
                "on bare metal: sudo modprobe intel_rapl_msr (or intel_rapl_common); a virtual machine has none".to_owned(),
            ),
            ..Finding::absent(SUBJECT, "no energy counter of the processor (RAPL)")
        });
    }
    let readable = zones.iter().filter(|zone| is_readable(machine, zone)).count();
    if readable == zones.len() {
        return Some(Finding::works(
            SUBJECT,
            format!("{readable} energy counters can be read"),
        ));
    }
    Some(Finding::limited(
        SUBJECT,
        format!(
            "{readable} of {} energy counters can be read; since Linux 5.10 only root may",
            zones.len()
        ),
        format!(
            "sudo chmod a+r /{CLASS}/*/energy_uj (until the next boot), or give the program CAP_DAC_READ_SEARCH (see \
             privileges)"
        ),
    ))
}

/// The folders that have an energy counter.
fn zones(machine: &Machine) -> Vec<String> {
    let entries = fs::read_dir(machine.path(CLASS)).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().join("energy_uj").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Whether the counter gives a number: a file that opens can still refuse to be read.
fn is_readable(machine: &Machine, zone: &str) -> bool {
    let energy = machine.text(&format!("{CLASS}/{zone}/energy_uj"));
    energy.is_some_and(|energy| energy.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use alumet_core::plugin::Verdict;

    use super::super::Captured;
    use super::*;

    #[test]
    fn counters_that_can_be_read_work() {
        let captured = Captured::with(&[
            ("sys/class/powercap/intel-rapl:0/energy_uj", "123456\n"),
            ("sys/class/powercap/intel-rapl:0:0/energy_uj", "0\n"),
            ("sys/class/powercap/intel-rapl/enabled", "1\n"),
        ]);
        let finding = finding(&captured.machine()).unwrap();
        assert_eq!(finding.verdict, Verdict::Works);
        assert!(finding.detail.starts_with("2 energy"), "{finding:?}");
    }

    #[test]
    fn counters_that_give_nothing_are_a_limit_with_a_command() {
        let captured = Captured::with(&[
            ("sys/class/powercap/intel-rapl:0/energy_uj", "123456\n"),
            ("sys/class/powercap/intel-rapl:1/energy_uj", ""),
        ]);
        let finding = finding(&captured.machine()).unwrap();
        assert_eq!(finding.verdict, Verdict::Limited);
        assert!(finding.detail.starts_with("1 of 2"), "{finding:?}");
        assert!(
            finding
                .remedy
                .unwrap()
                .contains("chmod a+r /sys/class/powercap/*/energy_uj")
        );
    }

    #[test]
    fn a_machine_without_counters_is_no_fault() {
        let captured = Captured::with(&[("sys/class/powercap/dtpm/enabled", "0\n")]);
        assert_eq!(finding(&captured.machine()).unwrap().verdict, Verdict::Absent);
        assert_eq!(finding(&Captured::with(&[]).machine()), None);
    }
}
