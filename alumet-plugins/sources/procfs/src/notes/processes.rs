//! What of the processes can be seen.

use std::fs;

use alumet_core::plugin::Finding;
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::process::{Processes, status};

use super::refused;
use crate::config::{ProcessesConfig, Strategy};

/// The findings about processes.
pub(crate) fn findings(config: &ProcessesConfig, root: &SystemRoot) -> Vec<Finding> {
    const SUBJECT: &str = "process list";
    let opened = Processes::open(root, 0);
    let (processes, pids) = match opened.and_then(|mut opened| opened.pids().map(|pids| (opened, pids))) {
        Ok(listed) => listed,
        Err(error) => return vec![refused(SUBJECT, "processes", false, &error.into())],
    };
    if pids.is_empty() {
        // There is one at the least, the one that looks.
        let detail = format!("{} lists no process", root.proc("").display());
        return vec![Finding::broken(
            SUBJECT,
            detail,
            "mount proc there, or name another `system_root`",
        )];
    }
    let us = Us::of(root);
    let list = match hidden_level(root, &us) {
        None => Finding::works(SUBJECT, format!("{} processes", pids.len())),
        Some(level) => Finding::limited(
            SUBJECT,
            format!(
                "those of other users are hidden ({} is mounted with hidepid={level})",
                root.proc("").display()
            ),
            "run as root, or give the program CAP_SYS_PTRACE, or: sudo mount -o remount,hidepid=0 /proc",
        ),
    };
    let mut findings = vec![list, clocks(&processes)];
    if wants_io(config) {
        findings.push(io(&us, root));
    }
    findings
}

/// How precisely CPU time is read.
fn clocks(processes: &Processes) -> Finding {
    const SUBJECT: &str = "process CPU time";
    if processes.has_clocks() {
        return Finding::works(SUBJECT, "in nanoseconds");
    }
    Finding::limited(
        SUBJECT,
        format!(
            "in ticks of {} ms: the process numbers are those of another PID namespace than this program's",
            1000 / processes.ticks_per_second().max(1)
        ),
        "run the agent in the PID namespace of the host (Kubernetes: hostPID: true, Docker: --pid=host)",
    )
}

/// Whether reads and writes may be seen.
fn io(us: &Us, root: &SystemRoot) -> Finding {
    const SUBJECT: &str = "process I/O";
    if !root.proc("self/io").exists() {
        return Finding::absent(SUBJECT, "needs a kernel with CONFIG_TASK_IO_ACCOUNTING");
    }
    match us.may_trace {
        true => Finding::works(SUBJECT, "of all processes"),
        false => Finding::limited(
            SUBJECT,
            "of this user's processes alone",
            "run as root, or give the program CAP_SYS_PTRACE",
        ),
    }
}

fn wants_io(config: &ProcessesConfig) -> bool {
    let groups = config.groups.iter().any(|group| group.plan.io);
    config.events.plan.io || (config.strategy == Strategy::Watcher && groups)
}

/// What this program may see.
struct Us {
    /// `CAP_SYS_PTRACE`.
    may_trace: bool,
    groups: Vec<u32>,
}

impl Us {
    fn of(root: &SystemRoot) -> Self {
        const SYS_PTRACE: u64 = 1 << 19;
        let file = fs::read(root.proc("self/status")).unwrap_or_default();
        let text = |name| str::from_utf8(status::field(&file, name).unwrap_or_default()).unwrap_or_default();
        // Of the four group numbers the last one counts for file systems.
        let groups = text("Groups")
            .split_whitespace()
            .chain(text("Gid").split_whitespace().nth(3));
        Self {
            may_trace: status::bits(&file, "CapEff").is_some_and(|set| set & SYS_PTRACE != 0),
            groups: groups.filter_map(|group| group.parse().ok()).collect(),
        }
    }
}

/// How a mount of `/proc` hides processes of others from us, if it does (`Documentation/filesystems/proc.rst`, chapter 4).
fn hidden_level(root: &SystemRoot, us: &Us) -> Option<String> {
    let table = fs::read_to_string(root.proc("self/mountinfo")).ok()?;
    // A system root has the table of a machine that knows nothing of the folder in front.
    let is_ours = |point: &str| std::path::Path::new(point) == root.proc("") || point == "/proc";
    // A later mount covers an earlier one.
    let options = table.lines().rev().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let options = system.strip_prefix("proc ")?.split_once(' ')?.1;
        is_ours(mount.split(' ').nth(4)?).then_some(options)
    })?;
    let option = |name| {
        options
            .split(',')
            .find_map(|option: &str| option.strip_prefix(name))
    };
    let level = option("hidepid=").filter(|level| !matches!(*level, "0" | "off"))?;
    let group = option("gid=").and_then(|group| group.parse().ok()).unwrap_or(0);
    // The members of that group see everything, but not at this level.
    let is_exempt = us.groups.contains(&group) && !matches!(level, "4" | "ptraceable");
    (!us.may_trace && !is_exempt).then(|| level.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use alumet_core::plugin::Verdict;

    use super::*;
    use crate::config::{GroupConfig, PlanConfig};

    /// A folder of its own, removed at the end.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str, options: &str, status: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("alumet-procfs-{}-{name}", std::process::id()));
            fs::create_dir_all(folder.join("proc/self")).unwrap();
            fs::create_dir_all(folder.join("proc/1")).unwrap();
            let table =
                format!("20 1 0:19 / /dev rw - tmpfs none rw\n22 1 0:21 / /proc rw - proc proc {options}\n");
            fs::write(folder.join("proc/self/mountinfo"), table).unwrap();
            fs::write(folder.join("proc/self/status"), status).unwrap();
            Self(folder)
        }

        fn findings(&self) -> Vec<Finding> {
            findings(&ProcessesConfig::default(), &SystemRoot::at(&self.0))
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const USER: &str = "Gid:\t5\t5\t5\t5\nGroups:\t5 27\nCapEff:\t0000000000000000\n";
    const TRACER: &str = "Gid:\t5\t5\t5\t5\nGroups:\t\nCapEff:\t0000000000080000\n";

    #[test]
    fn a_mount_that_hides_processes_is_a_limit_for_those_from_whom_it_hides_them() {
        for (name, options, status, verdict) in [
            ("plain", "rw", USER, Verdict::Works),
            ("off", "rw,hidepid=0", USER, Verdict::Works),
            ("two", "rw,hidepid=2", USER, Verdict::Limited),
            ("word", "rw,gid=4,hidepid=invisible", USER, Verdict::Limited),
            ("member", "rw,gid=27,hidepid=2", USER, Verdict::Works),
            ("primary", "rw,gid=5,hidepid=2", TRACER, Verdict::Works),
            ("strict", "rw,gid=27,hidepid=ptraceable", USER, Verdict::Limited),
            ("tracer", "rw,hidepid=ptraceable", TRACER, Verdict::Works),
        ] {
            let found = Root::new(name, options, status).findings();
            assert_eq!(found[0].verdict, verdict, "{name}: {found:?}");
        }
    }

    #[test]
    fn a_folder_without_processes_is_no_proc() {
        let root = Root::new("empty", "rw", USER);
        fs::remove_dir(root.0.join("proc/1")).unwrap();
        let found = root.findings();
        assert_eq!((found.len(), found[0].verdict), (1, Verdict::Broken), "{found:?}");
    }

    #[test]
    fn numbers_of_another_namespace_have_no_clocks() {
        let found = Root::new("clocks", "rw", USER).findings();
        assert_eq!(found[1].verdict, Verdict::Limited);
        assert!(found[1].detail.starts_with("in ticks of 10 ms"), "{found:?}");
        let here = findings(&ProcessesConfig::default(), &SystemRoot::default());
        assert_eq!(here[1].verdict, Verdict::Works, "{here:?}");
    }

    #[test]
    fn io_is_looked_at_only_where_it_is_wanted() {
        let mut config = ProcessesConfig::default();
        let has_io = |config: &ProcessesConfig| {
            let found = findings(config, &SystemRoot::default());
            found.iter().any(|finding| finding.subject == "process I/O")
        };
        assert!(!has_io(&config));
        config.groups = vec![GroupConfig {
            plan: PlanConfig {
                io: true,
                ..PlanConfig::default()
            },
            ..GroupConfig::default()
        }];
        assert!(has_io(&config));
        config.strategy = Strategy::Event;
        assert!(!has_io(&config));
        config.events.plan.io = true;
        assert!(has_io(&config));
    }
}
