//! The kernel: its version and its clock.

use alumet_core::plugin::Finding;

use super::Machine;

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

#[cfg(test)]
mod tests {
    use alumet_core::plugin::Verdict;

    use super::super::Captured;
    use super::*;

    const CLOCK: &str = "sys/devices/system/clocksource/clocksource0/current_clocksource";
    const CLOCKS: &str = "sys/devices/system/clocksource/clocksource0/available_clocksource";

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
}
