//! What of the measurement of control groups is possible on a machine.

use std::fs;
use std::path::Path;
use std::time::Instant;

use alumet_core::plugin::Finding;
use alumet_reader_cgroupfs::mount::{Hierarchies, Layout, Version};
use alumet_reader_cgroupfs::watch::{WatchOptions, Watcher};
use nix::sys::resource::{Resource, getrlimit};

use crate::config::{HierarchyChoice, MetricsConfig, Pace};
use crate::tree::choose;

/// Looks at the hierarchy, its controllers, and the limits that concern it.
pub fn findings(root: &Path, choice: HierarchyChoice, metrics: &MetricsConfig) -> Vec<Finding> {
    const SUBJECT: &str = "hierarchy of control groups";
    let hierarchies = match Hierarchies::detect(root) {
        Ok(hierarchies) => hierarchies,
        Err(error) => {
            return vec![Finding::broken(
                SUBJECT,
                error.to_string(),
                "give another system root",
            )];
        }
    };
    let layout = match hierarchies.layout() {
        Layout::Absent => "none is mounted",
        Layout::V1 => "v1",
        Layout::V2 => "v2",
        Layout::Hybrid => "v1 with the controllers, and v2 beside it",
    };
    let Some((version, mount)) = choose(choice, &hierarchies) else {
        let remedy = match choice {
            HierarchyChoice::V1 => {
                "choose `hierarchy = \"auto\"`, or boot with `systemd.unified_cgroup_hierarchy=0`"
            }
            _ => "mount it: `mount -t cgroup2 none /sys/fs/cgroup`",
        };
        let detail = format!("found: {layout}; measuring begins when the chosen hierarchy is mounted");
        return vec![Finding::broken(SUBJECT, detail, remedy)];
    };
    let used = match version {
        Version::V1 => "v1",
        Version::V2 => "v2",
    };
    let detail = format!("found: {layout}; {used} is read, at {}", mount.display());
    let mut findings = vec![Finding::works(SUBJECT, detail)];
    findings.extend(controllers(version, &mount, &hierarchies, metrics));
    findings.extend(limits(root, &mount, metrics));
    findings
}

/// The controllers that the measurement needs and that are not to be had.
fn controllers(
    version: Version,
    mount: &Path,
    hierarchies: &Hierarchies,
    metrics: &MetricsConfig,
) -> Vec<Finding> {
    let is_on = |pace: Pace| pace != Pace::Off;
    let has_memory = is_on(metrics.memory) || is_on(metrics.memory_stat) || is_on(metrics.memory_events);
    let needed = match version {
        Version::V2 => [
            ("memory", has_memory),
            ("io", is_on(metrics.io)),
            ("pids", is_on(metrics.pids)),
            ("cpu", is_on(metrics.throttling)),
        ],
        Version::V1 => [
            ("cpuacct", is_on(metrics.cpu)),
            ("memory", has_memory),
            ("blkio", is_on(metrics.io)),
            ("pids", is_on(metrics.pids)),
        ],
    };
    let list = |name: &str| fs::read_to_string(mount.join(name)).unwrap_or_default();
    let (available, enabled) = (list("cgroup.controllers"), list("cgroup.subtree_control"));
    let has = |list: &str, name: &str| list.split_whitespace().any(|one| one == name);
    let mut findings = Vec::new();
    for name in needed
        .iter()
        .filter(|(_, is_needed)| *is_needed)
        .map(|(name, _)| *name)
    {
        let subject = format!("controller {name}");
        findings.push(match version {
            Version::V1 if hierarchies.v1(name).is_some() => Finding::works(subject, "it is mounted"),
            Version::V1 => Finding::limited(
                subject,
                "it is not mounted: its metrics are missing",
                format!("mount -t cgroup -o {name} none /sys/fs/cgroup/{name}"),
            ),
            Version::V2 if has(&enabled, name) => Finding::works(subject, "it is enabled below the root"),
            Version::V2 if has(&available, name) => Finding::limited(
                subject,
                "it is not enabled below the root: its metrics are missing",
                format!("echo +{name} > {}/cgroup.subtree_control", mount.display()),
            ),
            Version::V2 => Finding::limited(
                subject,
                "this hierarchy does not have it: its metrics are missing",
                match hierarchies.v1(name).is_some() {
                    true => "read the hierarchies of version 1 that have it: `hierarchy = \"v1\"`",
                    false => "boot without `cgroup_disable=`, with a kernel that has the controller",
                },
            ),
        });
    }
    findings
}

/// The limits of inotify and of open files against the number of control groups.
fn limits(root: &Path, mount: &Path, metrics: &MetricsConfig) -> Vec<Finding> {
    let options = WatchOptions {
        poll_only: true,
        ..WatchOptions::default()
    };
    let now = Instant::now();
    let count = Watcher::at(mount, options, now).map_or(0, |mut watcher| {
        // What goes wrong while counting makes the count smaller, nothing else.
        let _ = watcher.changes(now, &mut Vec::new());
        watcher.known()
    });
    let mut findings = Vec::new();
    let path = root.join("proc/sys/fs/inotify/max_user_watches");
    let watches = fs::read_to_string(path)
        .ok()
        .and_then(|text| text.trim().parse::<usize>().ok());
    if let Some(watches) = watches {
        let subject = "inotify watches";
        let detail = format!("{count} control groups, {watches} watches for all programs of the user");
        findings.push(if count.saturating_mul(2) <= watches {
            Finding::works(subject, detail)
        } else {
            let remedy = format!("sysctl fs.inotify.max_user_watches={}", count.saturating_mul(4));
            let detail = format!("{detail}: control groups without a watch are looked for every 5 s");
            Finding::limited(subject, detail, remedy)
        });
    }
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let files = count.saturating_mul(files_per_group(metrics));
        let subject = "open files";
        let detail = format!("{files} files for {count} control groups, at most {hard} can be open");
        findings.push(
            if u64::try_from(files).unwrap_or(u64::MAX).saturating_add(64) <= hard {
                Finding::works(subject, detail)
            } else {
                let detail =
                    format!("{detail}: the others are opened at each poll, which costs five times as much");
                Finding::limited(
                    subject,
                    detail,
                    format!("LimitNOFILE={} in the service", files.saturating_mul(2)),
                )
            },
        );
    }
    findings
}

/// How many files of version 2 the measurement keeps open.
fn files_per_group(metrics: &MetricsConfig) -> usize {
    let groups = [
        (metrics.cpu, 1),
        (metrics.memory, 4),
        (metrics.memory_stat, 1),
        (metrics.io_pressure, 1),
        (metrics.pressure, 4),
        (metrics.io, 1),
        (metrics.throttling, 1),
        (metrics.pids, 1),
        (metrics.memory_events, 1),
    ];
    groups
        .iter()
        .filter(|(pace, _)| *pace != Pace::Off)
        .map(|(_, files)| files)
        .sum()
}

#[cfg(test)]
mod tests {
    use alumet_core::plugin::Verdict;
    use alumet_core::testkit::FakeRoot;

    use super::*;

    #[test]
    fn a_machine_without_a_hierarchy_gets_the_command_that_mounts_one() {
        let root = FakeRoot::new();
        root.write("proc/self/mounts", "proc /proc proc rw 0 0\n");
        let found = findings(root.path(), HierarchyChoice::Auto, &MetricsConfig::default());
        assert_eq!(found[0].verdict, Verdict::Broken);
        assert!(found[0].remedy.as_ref().unwrap().contains("mount -t cgroup2"));
    }

    #[test]
    fn a_controller_that_is_not_enabled_gets_the_command_that_enables_it() {
        let root = FakeRoot::new();
        root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
        root.write("proc/sys/fs/inotify/max_user_watches", "1\n");
        root.write("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n");
        root.write("sys/fs/cgroup/cgroup.subtree_control", "memory\n");
        root.write("sys/fs/cgroup/a/cpu.stat", "");
        let metrics = MetricsConfig {
            pids: Pace::On,
            io: Pace::Slow,
            ..MetricsConfig::default()
        };
        let found = findings(root.path(), HierarchyChoice::Auto, &metrics);
        let of = |subject: &str| found.iter().find(|one| one.subject == subject).unwrap();
        assert_eq!(of("controller memory").verdict, Verdict::Works);
        assert!(
            of("controller pids")
                .remedy
                .as_ref()
                .unwrap()
                .starts_with("echo +pids > ")
        );
        assert_eq!(of("controller io").verdict, Verdict::Limited);
        let watches = of("inotify watches");
        assert_eq!(watches.verdict, Verdict::Limited);
        assert!(
            watches.detail.starts_with("2 control groups"),
            "{}",
            watches.detail
        );
        assert!(
            of("open files").detail.starts_with("18 files"),
            "{}",
            of("open files").detail
        );
    }
}
