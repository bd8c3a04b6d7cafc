//! The kernel: its version, its clock, its performance events.

use alumet_core::plugin::Finding;

use super::Machine;
use super::privileges::Privileges;

/// Version and architecture.
pub(super) fn version(machine: &Machine) -> Option<Finding> {
    let release = machine.text("proc/sys/kernel/osrelease")?;
    Some(Finding::works(
        "kernel",
        format!("Linux {release} on {}", std::env::consts::ARCH),
    ))
}

/// What `CLOCK_MONOTONIC` reads. Every sample has a time: a clock that cannot be read without the kernel, or that sits
/// behind a slow bus, makes each poll dearer.
pub(super) fn clock_source(machine: &Machine) -> Option<Finding> {
    const SUBJECT: &str = "clock";
    const FOLDER: &str = "sys/devices/system/clocksource/clocksource0";
    let current = machine.text(&format!("{FOLDER}/current_clocksource"))?;
    if !matches!(
        current.as_str(),
        "hpet" | "acpi_pm" | "jiffies" | "refined-jiffies" | "pit" | "xen"
    ) {
        return Some(Finding::works(SUBJECT, format!("{current}, fast to read")));
    }
    let available = machine
        .text(&format!("{FOLDER}/available_clocksource"))
        .unwrap_or_default();
    let remedy = if available.split_whitespace().any(|name| name == "tsc") {
        format!("echo tsc | sudo tee /{FOLDER}/current_clocksource")
    } else {
        "ask why the kernel distrusts the TSC (`sudo dmesg | grep -i -e tsc -e clocksource`); if it is stable, boot \
         with clocksource=tsc tsc=reliable"
            .to_owned()
    };
    Some(Finding::limited(
        SUBJECT,
        format!("{current}, up to a hundred times slower to read than tsc"),
        remedy,
    ))
}

/// What performance events this program may count: hardware counters, and energy where the kernel offers it as an event.
pub(super) fn perf_events(machine: &Machine, privileges: Option<&Privileges>) -> Option<Finding> {
    const SUBJECT: &str = "perf events";
    if !machine.path("proc/sys/kernel").is_dir() {
        return None;
    }
    let Some(level) = machine.text("proc/sys/kernel/perf_event_paranoid") else {
        return Some(Finding::absent(
            SUBJECT,
            "this kernel was built without them (CONFIG_PERF_EVENTS)",
        ));
    };
    let level: i32 = level.parse().ok()?;
    let setting = format!("perf_event_paranoid is {level}");
    if privileges.is_some_and(Privileges::may_count_all_events) {
        return Some(Finding::works(
            SUBJECT,
            format!("all events; {setting}, which does not bind this program"),
        ));
    }
    // Documentation/admin-guide/sysctl/kernel.rst; levels above 2 are those of Debian and Android.
    let permitted = match level {
        ..=0 => {
            return Some(Finding::works(
                SUBJECT,
                format!("events of CPUs and processes; {setting}"),
            ));
        }
        1 => "own processes only, not whole CPUs (nor energy)",
        2 => "own processes in user space only, not whole CPUs (nor energy)",
        _ => "none",
    };
    Some(Finding::limited(
        SUBJECT,
        format!("{permitted}; {setting}"),
        "sudo sysctl -w kernel.perf_event_paranoid=0, or give the program CAP_PERFMON (see privileges)",
    ))
}

#[cfg(test)]
mod tests {
    use alumet_core::plugin::Verdict;

    use super::super::Captured;
    use super::*;

    const CLOCK: &str = "sys/devices/system/clocksource/clocksource0/current_clocksource";
    const CLOCKS: &str = "sys/devices/system/clocksource/clocksource0/available_clocksource";
    const PARANOID: &str = "proc/sys/kernel/perf_event_paranoid";

    #[test]
    fn the_version_is_told_with_the_architecture() {
        let captured = Captured::with(&[("proc/sys/kernel/osrelease", "6.1.0-9\n")]);
        let detail = version(&captured.machine()).unwrap().detail;
        assert_eq!(detail, format!("Linux 6.1.0-9 on {}", std::env::consts::ARCH));
    }

    #[test]
    fn a_clock_behind_a_slow_bus_is_a_limit() {
        for (name, verdict) in [
            ("tsc", Verdict::Works),
            ("kvm-clock", Verdict::Works),
            ("arch_sys_counter", Verdict::Works),
            ("hpet", Verdict::Limited),
            ("acpi_pm", Verdict::Limited),
        ] {
            let captured = Captured::with(&[(CLOCK, name)]);
            assert_eq!(
                clock_source(&captured.machine()).unwrap().verdict,
                verdict,
                "{name}"
            );
        }
    }

    #[test]
    fn a_better_clock_is_only_proposed_where_the_kernel_offers_it() {
        let offered = Captured::with(&[(CLOCK, "hpet"), (CLOCKS, "hpet tsc acpi_pm\n")]);
        let remedy = clock_source(&offered.machine()).unwrap().remedy.unwrap();
        assert!(remedy.starts_with("echo tsc | sudo tee /sys/devices"), "{remedy}");
        let distrusted = Captured::with(&[(CLOCK, "hpet"), (CLOCKS, "hpet acpi_pm\n")]);
        let remedy = clock_source(&distrusted.machine()).unwrap().remedy.unwrap();
        assert!(remedy.contains("tsc=reliable"), "{remedy}");
    }

    #[test]
    fn the_level_of_distrust_decides_which_events_may_be_counted() {
        for (level, verdict, phrase) in [
            ("-1", Verdict::Works, "CPUs and processes"),
            ("0", Verdict::Works, "CPUs and processes"),
            ("1", Verdict::Limited, "own processes only"),
            ("2", Verdict::Limited, "user space only"),
            ("4", Verdict::Limited, "none"),
        ] {
            let finding = perf_events(&Captured::with(&[(PARANOID, level)]).machine(), None).unwrap();
            assert_eq!(finding.verdict, verdict, "{level}");
            assert!(finding.detail.contains(phrase), "{finding:?}");
        }
    }

    #[test]
    fn a_capability_overrules_the_level() {
        let status = (
            "proc/self/status",
            "Uid:\t1\t1\t1\t1\nCapEff:\t0000004000000000\n",
        );
        let captured = Captured::with(&[(PARANOID, "4"), status]);
        let machine = captured.machine();
        let privileges = Privileges::of(&machine).unwrap();
        assert_eq!(
            perf_events(&machine, Some(&privileges)).unwrap().verdict,
            Verdict::Works
        );
    }

    #[test]
    fn a_kernel_without_events_is_no_fault() {
        let captured = Captured::with(&[("proc/sys/kernel/osrelease", "6.1")]);
        assert_eq!(
            perf_events(&captured.machine(), None).unwrap().verdict,
            Verdict::Absent
        );
        assert_eq!(perf_events(&Captured::with(&[]).machine(), None), None);
    }
}
