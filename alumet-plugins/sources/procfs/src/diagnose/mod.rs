//! What of the configured tables this machine offers.

mod processes;

use alumet_core::plugin::Finding;
use alumet_reader_procfs::cpufreq::CpuFrequencyFiles;
use alumet_reader_procfs::diskstats::{DiskKind, DiskStatsFile};
use alumet_reader_procfs::hwmon::TemperatureFiles;
use alumet_reader_procfs::loadavg::LoadAverageFile;
use alumet_reader_procfs::meminfo::{MemInfo, MemInfoFile};
use alumet_reader_procfs::net_dev::NetDevFile;
use alumet_reader_procfs::pressure::{PressureFile, PressureOf};
use alumet_reader_procfs::stat::StatFile;
use alumet_reader_procfs::{ReadError, SystemRoot};

use crate::config::{Config, MemoryConfig};

/// The findings of all tables that are switched on.
pub(crate) fn diagnose(config: &Config, root: &SystemRoot) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.kernel.enabled {
        findings.push(kernel(root).unwrap_or_else(|error| broken("CPU time", "kernel", &error)));
    }
    if config.memory.enabled {
        let found = memory(&config.memory, root);
        findings.push(found.unwrap_or_else(|error| broken("memory", "memory", &error)));
    }
    if config.network.enabled {
        findings.push(network(root).unwrap_or_else(|error| absent("network", "network", &error)));
    }
    if config.disks.enabled {
        let found = disks(config.disks.partitions, root);
        findings.push(found.unwrap_or_else(|error| absent("disks", "disks", &error)));
    }
    if config.load.enabled {
        findings.push(load(root).unwrap_or_else(|error| broken("load", "load", &error)));
    }
    if config.pressure.enabled {
        findings.push(pressure(root));
    }
    if config.cpu_frequency.enabled {
        findings.push(cpu_frequency(root));
    }
    if config.temperatures.enabled {
        findings.push(temperatures(root));
    }
    if config.processes.enabled {
        findings.extend(processes::findings(&config.processes, root));
    }
    findings
}

fn kernel(root: &SystemRoot) -> Result<Finding, ReadError> {
    let mut file = StatFile::open(root)?;
    let cpus = file.read()?.cpus.len();
    Ok(Finding::works("CPU time", format!("of {}", count(cpus, "CPU"))))
}

fn memory(config: &MemoryConfig, root: &SystemRoot) -> Result<Finding, ReadError> {
    const SUBJECT: &str = "memory";
    let mut file = MemInfoFile::open(root, MemInfo::of(config.metrics.iter().map(String::as_str)))?;
    let entries = file.read()?.entries();
    let missing: Vec<_> = entries
        .iter()
        .filter(|entry| entry.amount().is_none())
        .map(|entry| entry.name())
        .collect();
    if missing.is_empty() {
        let all = match entries.len() {
            1 => "the entry".to_owned(),
            many => format!("all {many} entries"),
        };
        return Ok(Finding::works(SUBJECT, format!("{all} of the configuration")));
    }
    Ok(Finding::limited(
        SUBJECT,
        format!(
            "{} of {} entries; this kernel has no {}",
            entries.len() - missing.len(),
            entries.len(),
            missing.join(", ")
        ),
        "remove the others from plugins.procfs.memory.metrics",
    ))
}

fn network(root: &SystemRoot) -> Result<Finding, ReadError> {
    const SUBJECT: &str = "network";
    let mut file = NetDevFile::open(root)?;
    let interfaces = &file.read()?.interfaces;
    let names = interfaces.iter().map(|interface| interface.name.to_str_lossy());
    let detail = list(interfaces.len(), "interface", names);
    // `/proc/net` is that of whoever reads it, even in a mount of the host's `/proc`.
    let namespace = |process: &str| std::fs::read_link(root.proc(format!("{process}/ns/net"))).ok();
    if let (Some(own), Some(first)) = (namespace("self"), namespace("1"))
        && own != first
    {
        return Ok(Finding::limited(
            SUBJECT,
            format!("{detail}, of this container and not of the machine"),
            "share the network of the host (Kubernetes: hostNetwork: true, Docker: --network=host)",
        ));
    }
    Ok(Finding::works(SUBJECT, detail))
}

fn disks(partitions: bool, root: &SystemRoot) -> Result<Finding, ReadError> {
    const SUBJECT: &str = "disks";
    let mut file = DiskStatsFile::open(root)?;
    let measured = |kind| partitions || kind != DiskKind::Partition;
    let disks = file.read()?.disks.iter().filter(|disk| measured(disk.kind));
    let names: Vec<_> = disks.map(|disk| disk.name.to_str_lossy()).collect();
    Ok(match names.len() {
        0 => Finding::absent(SUBJECT, "this machine has no block devices"),
        number => Finding::works(SUBJECT, list(number, "device", names.into_iter())),
    })
}

fn load(root: &SystemRoot) -> Result<Finding, ReadError> {
    LoadAverageFile::open(root)?.read()?;
    Ok(Finding::works("load", "averages of 1, 5 and 15 minutes"))
}

fn pressure(root: &SystemRoot) -> Finding {
    const SUBJECT: &str = "pressure (PSI)";
    let (mut offered, mut refused) = (Vec::new(), None);
    for of in PressureOf::ALL {
        match PressureFile::open(root, of).and_then(|mut file| file.read()) {
            Ok(_) => offered.push(of.file_name()),
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    match refused {
        Some(error) if offered.is_empty() => Finding {
            remedy: Some("boot with psi=1, on a kernel of 4.20 or later with CONFIG_PSI".to_owned()),
            ..absent(SUBJECT, "pressure", &error)
        },
        _ => Finding::works(SUBJECT, format!("of {}", offered.join(", "))),
    }
}

fn cpu_frequency(root: &SystemRoot) -> Finding {
    const SUBJECT: &str = "CPU frequency";
    let mut files = CpuFrequencyFiles::discover(root);
    if files.is_empty() {
        return Finding::absent(SUBJECT, "no CPU shows it, which is normal in a virtual machine");
    }
    match files.read().len() {
        0 => Finding::limited(
            SUBJECT,
            "the driver does not tell the present frequency",
            "set plugins.procfs.cpu_frequency.enabled = false",
        ),
        cpus => Finding::works(SUBJECT, format!("of {}", count(cpus, "CPU"))),
    }
}

fn temperatures(root: &SystemRoot) -> Finding {
    const SUBJECT: &str = "temperatures";
    let mut files = TemperatureFiles::discover(root);
    let (mut all, mut asleep) = (0, Vec::new());
    files.read(|_, sensor, result| {
        all += 1;
        if result.is_err() {
            asleep.push(format!("{}/{}", sensor.chip, sensor.folder));
        }
    });
    if all == 0 {
        return Finding::absent(SUBJECT, "no sensor, which is normal in a virtual machine");
    }
    let detail = count(all, "sensor");
    Finding::works(
        SUBJECT,
        match asleep.len() {
            0 => detail,
            number => format!(
                "{detail}; no reading at present of {}",
                some(number, asleep.into_iter())
            ),
        },
    )
}

/// What every machine has, and this one does not show.
fn broken(subject: &str, table: &str, error: &ReadError) -> Finding {
    let (detail, remedy) = explain(table, error);
    Finding::broken(subject, detail, remedy)
}

/// What a machine can be without; a file that is there and refused is a fault all the same.
fn absent(subject: &str, table: &str, error: &ReadError) -> Finding {
    let (detail, remedy) = explain(table, error);
    match error {
        ReadError::NotSupported { .. } => Finding {
            remedy: Some(remedy),
            ..Finding::absent(subject, detail)
        },
        _ => Finding::broken(subject, detail, remedy),
    }
}

/// What was found, apart from what mends it.
fn explain(table: &str, error: &ReadError) -> (String, String) {
    match error {
        ReadError::NotSupported { path, mend } => {
            (format!("{} is not there", path.display()), (*mend).to_owned())
        }
        ReadError::PermissionDenied { path, mend } => {
            (format!("{} may not be read", path.display()), (*mend).to_owned())
        }
        other => (
            other.to_string(),
            format!("until it works: plugins.procfs.{table}.enabled = false"),
        ),
    }
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn list(number: usize, what: &str, names: impl Iterator<Item = impl AsRef<str>>) -> String {
    match number {
        0 => count(0, what),
        number => format!("{}: {}", count(number, what), some(number, names)),
    }
}

/// The first names: a machine can have hundreds of interfaces.
fn some(number: usize, names: impl Iterator<Item = impl AsRef<str>>) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<_> = names.take(SHOWN).map(|name| name.as_ref().to_owned()).collect();
    match number.saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use alumet_core::duration::HumanDuration;
    use alumet_core::plugin::Verdict;

    use super::*;

    fn captured() -> SystemRoot {
        SystemRoot::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/server"))
    }

    fn machine() -> Config {
        let mut config = Config::default();
        config.processes.enabled = false;
        config
    }

    fn find<'a>(findings: &'a [Finding], subject: &str) -> &'a Finding {
        findings
            .iter()
            .find(|finding| finding.subject == subject)
            .unwrap()
    }

    #[test]
    fn a_server_offers_everything() {
        let findings = diagnose(&machine(), &captured());
        for subject in [
            "CPU time",
            "memory",
            "network",
            "disks",
            "load",
            "pressure (PSI)",
            "CPU frequency",
            "temperatures",
        ] {
            assert_eq!(
                find(&findings, subject).verdict,
                Verdict::Works,
                "{subject}: {findings:?}"
            );
        }
    }

    #[test]
    fn an_empty_root_tells_what_is_broken_from_what_a_machine_can_be_without() {
        let findings = diagnose(&Config::default(), &SystemRoot::at(PathBuf::from("/nowhere")));
        for (subject, verdict) in [
            ("CPU time", Verdict::Broken),
            ("memory", Verdict::Broken),
            ("load", Verdict::Broken),
            ("process list", Verdict::Broken),
            ("network", Verdict::Absent),
            ("disks", Verdict::Absent),
            ("pressure (PSI)", Verdict::Absent),
            ("CPU frequency", Verdict::Absent),
            ("temperatures", Verdict::Absent),
        ] {
            assert_eq!(
                find(&findings, subject).verdict,
                verdict,
                "{subject}: {findings:?}"
            );
        }
        assert!(
            find(&findings, "pressure (PSI)")
                .remedy
                .as_ref()
                .unwrap()
                .contains("psi=1")
        );
    }

    #[test]
    fn a_table_that_is_switched_off_is_not_looked_at() {
        let mut config = machine();
        config.kernel.enabled = false;
        config.memory.enabled = false;
        config.network.enabled = false;
        config.disks.enabled = false;
        config.pressure.enabled = false;
        config.cpu_frequency.enabled = false;
        config.temperatures.enabled = false;
        config.load.poll_interval = HumanDuration::from_secs(1);
        let findings = diagnose(&config, &captured());
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].subject, "load");
    }

    #[test]
    fn entries_that_the_kernel_lacks_are_named() {
        let mut config = machine();
        config.memory.metrics = ["MemTotal", "NoSuchEntry"].map(str::to_owned).to_vec();
        let findings = diagnose(&config, &captured());
        let memory = find(&findings, "memory");
        assert_eq!(memory.verdict, Verdict::Limited);
        assert_eq!(memory.detail, "1 of 2 entries; this kernel has no NoSuchEntry");
    }

    #[test]
    fn a_long_list_is_cut() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        assert_eq!(
            list(8, "disk", names.iter()),
            "8 disks: a, b, c, d, e, f and 2 more"
        );
        assert_eq!(list(1, "disk", names[..1].iter()), "1 disk: a");
        assert_eq!(list(0, "disk", names[..0].iter()), "0 disks");
    }
}
