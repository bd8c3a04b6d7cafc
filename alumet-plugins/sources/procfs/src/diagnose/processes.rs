//! What of the processes can be seen.

use std::fs;

use alumet_core::plugin::Finding;
use alumet_reader_procfs::process::{FdPolicy, Processes};
use alumet_reader_procfs::{ReadError, SystemRoot};

use super::{absent, broken};
use crate::config::{ProcessesConfig, Strategy};

/// The findings about processes.
pub(crate) fn findings(config: &ProcessesConfig, root: &SystemRoot) -> Vec<Finding> {
    const SUBJECT: &str = "process list";
    let mut pids = Vec::new();
    let opened = Processes::open(root, FdPolicy::KeepUpTo(0));
    let mut processes = match opened.and_then(|mut processes| processes.pids(&mut pids).map(|()| processes)) {
        Ok(processes) => processes,
        Err(error) => return vec![broken(SUBJECT, "processes", &error)],
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
    let mut findings = vec![visible(pids.len(), root), clocks(&processes)];
    if wants_io(config) {
        findings.push(io(&mut processes, &pids));
    }
    findings
}

/// Whether the mount of `/proc` shows the processes of other users.
fn visible(number: usize, root: &SystemRoot) -> Finding {
    const SUBJECT: &str = "process list";
    let detail = match number {
        1 => "1 process".to_owned(),
        number => format!("{number} processes"),
    };
    let hidden = Hidden::of(root).filter(|hidden| hidden.binds(root));
    match hidden {
        None => Finding::works(SUBJECT, detail),
        Some(Hidden { level, .. }) => Finding::limited(
            SUBJECT,
            format!("{detail}; those of other users are hidden (/proc is mounted with hidepid={level})"),
            "run as root, or give the program CAP_SYS_PTRACE, or: sudo mount -o remount,hidepid=0 /proc",
        ),
    }
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

/// Whether reads and writes may be seen; the kernel decides that for each process.
fn io(processes: &mut Processes, pids: &[u32]) -> Finding {
    const SUBJECT: &str = "process I/O";
    let (mut seen, mut refused) = (0, 0);
    for pid in pids {
        match processes.io(*pid) {
            Ok(_) => seen += 1,
            Err(ReadError::PermissionDenied { .. }) => refused += 1,
            Err(error @ ReadError::NotSupported { .. }) => return absent(SUBJECT, "processes", &error),
            Err(_) => {}
        }
    }
    if refused == 0 {
        return Finding::works(SUBJECT, format!("of all {seen}"));
    }
    Finding::limited(
        SUBJECT,
        format!(
            "of {seen} of {}; those of other users are refused",
            seen + refused
        ),
        "run as root, or give the program CAP_SYS_PTRACE",
    )
}

fn wants_io(config: &ProcessesConfig) -> bool {
    let groups = config.groups.iter().any(|group| group.io);
    config.events.io || (config.strategy == Strategy::Watcher && groups)
}

/// A mount of `/proc` that hides processes of other users.
#[derive(Debug, PartialEq, Eq)]
struct Hidden {
    level: String,
    /// Whose members see everything; not at the level `ptraceable`.
    group: u32,
}

impl Hidden {
    /// Reads the options of the mount (`Documentation/filesystems/proc.rst`, chapter 4).
    fn of(root: &SystemRoot) -> Option<Self> {
        let table = fs::read_to_string(root.proc("self/mountinfo")).ok()?;
        // A system root has the table of a machine that knows nothing of the folder in front.
        let proc = root.proc("");
        let is_ours = |point: &str| std::path::Path::new(point) == proc || point == "/proc";
        let mut hidden = None;
        for line in table.lines() {
            let Some((mount, system)) = line.split_once(" - ") else {
                continue;
            };
            let (point, system) = (mount.split(' ').nth(4), system.split(' ').collect::<Vec<_>>());
            if let (Some(point), ["proc", _, options]) = (point, system.as_slice())
                && is_ours(point)
            {
                // A later mount covers an earlier one.
                hidden = Self::parse(options);
            }
        }
        hidden
    }

    fn parse(options: &str) -> Option<Self> {
        let option = |name: &str| options.split(',').find_map(|option| option.strip_prefix(name));
        let level = option("hidepid=")?;
        (!matches!(level, "0" | "off")).then(|| Self {
            level: level.to_owned(),
            group: option("gid=").and_then(|group| group.parse().ok()).unwrap_or(0),
        })
    }

    /// Whether it hides anything from this program.
    fn binds(&self, root: &SystemRoot) -> bool {
        const SYS_PTRACE: u64 = 1 << 19;
        let status = fs::read_to_string(root.proc("self/status")).unwrap_or_default();
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_default()
        };
        let capabilities = u64::from_str_radix(field("CapEff:").trim(), 16).unwrap_or(0);
        // Of the four group numbers the last one counts for file systems.
        let groups = field("Groups:")
            .split_whitespace()
            .chain(field("Gid:").split_whitespace().nth(3));
        let is_member = groups
            .filter_map(|group| group.parse().ok())
            .any(|group: u32| group == self.group);
        let exempts_group = !matches!(self.level.as_str(), "4" | "ptraceable");
        capabilities & SYS_PTRACE == 0 && !(exempts_group && is_member)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use alumet_core::plugin::Verdict;

    use super::*;
    use crate::config::GroupConfig;

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
            io: true,
            ..GroupConfig::default()
        }];
        assert!(has_io(&config));
        config.strategy = Strategy::Event;
        assert!(!has_io(&config));
        config.events.io = true;
        assert!(has_io(&config));
    }
}
