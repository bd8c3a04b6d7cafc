//! What of the measurement of control groups is possible on this machine.

use std::fs;
use std::path::Path;

use alumet_core::plugin::{Finding, StartContext, Verdict};
use alumet_reader_cgroupfs::mount::{Hierarchies, Version};
use nix::sys::resource::{Resource, getrlimit};

use crate::config::{HierarchyChoice, MetricsConfig, Pace};
use crate::tree::{CgroupTree, choose};

/// Notes what the tree has found: the hierarchy, its controllers, and the limits that concern its control groups.
pub(crate) fn note(
    tree: &CgroupTree,
    choice: HierarchyChoice,
    metrics: &MetricsConfig,
    files_per_group: usize,
    alumet: &mut StartContext<'_>,
) {
    const SUBJECT: &str = "hierarchy of control groups";
    let (hierarchies, known) = tree.present();
    let layout = hierarchies.layout();
    let Some((version, mount)) = choose(choice, &hierarchies) else {
        let remedy = match choice {
            HierarchyChoice::V1 => {
                "choose `hierarchy = \"auto\"`, or boot with `systemd.unified_cgroup_hierarchy=0`"
            }
            _ => "mount it: `mount -t cgroup2 none /sys/fs/cgroup`",
        };
        let detail = format!("found: {layout}; measuring begins when the chosen hierarchy is mounted");
        alumet.note(Finding::broken(SUBJECT, detail, remedy));
        return;
    };
    let used = match version {
        Version::V1 => "v1",
        Version::V2 => "v2",
    };
    let detail = format!("found: {layout}; {used} is read, at {}", mount.display());
    alumet.note(Finding::works(SUBJECT, detail));
    for finding in controllers(version, &mount, &hierarchies, metrics) {
        if finding.verdict == Verdict::Limited && !alumet.is_trial() {
            tracing::warn!(remedy = finding.remedy, "{}: {}", finding.subject, finding.detail);
        }
        alumet.note(finding);
    }
    // What the limits cost is said when they are reached.
    let watches = watches(alumet.root(), known);
    watches
        .into_iter()
        .chain(files(known, files_per_group))
        .for_each(|finding| alumet.note(finding));
}

/// The controllers that the measurement needs.
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
    let needed = needed.into_iter().filter(|(_, is_needed)| *is_needed);
    let finding = |(name, _): (&str, bool)| {
        let subject = format!("controller {name}");
        let v1 = hierarchies.v1.get(name);
        let (detail, remedy) = match (version, v1) {
            (Version::V1, Some(mount)) if mount.is_dir() => {
                return Finding::works(subject, "it is mounted");
            }
            (Version::V1, Some(mount)) => (
                format!("it is mounted at {}, which is not visible here", mount.display()),
                "give the container `/sys/fs/cgroup` of its host (read-only)".to_owned(),
            ),
            (Version::V1, None) => (
                "it is not mounted".to_owned(),
                format!("mount -t cgroup -o {name} none /sys/fs/cgroup/{name}"),
            ),
            (Version::V2, _) if has(&enabled, name) => {
                return Finding::works(subject, "it is enabled below the root");
            }
            (Version::V2, _) if has(&available, name) => (
                "it is not enabled below the root".to_owned(),
                format!("echo +{name} > {}/cgroup.subtree_control", mount.display()),
            ),
            (Version::V2, v1) => (
                "this hierarchy does not have it".to_owned(),
                match v1 {
                    Some(_) => "read the hierarchies of version 1 that have it: `hierarchy = \"v1\"`",
                    None => "boot without `cgroup_disable=`, with a kernel that has the controller",
                }
                .to_owned(),
            ),
        };
        Finding::limited(subject, format!("{detail}: its metrics are missing"), remedy)
    };
    needed.map(finding).collect()
}

/// The limit of inotify against the number of control groups.
fn watches(root: &Path, known: usize) -> Option<Finding> {
    const SUBJECT: &str = "inotify watches";
    let text = fs::read_to_string(root.join("proc/sys/fs/inotify/max_user_watches")).ok()?;
    let watches = text.trim().parse::<usize>().ok()?;
    let detail = format!("{known} control groups, {watches} watches for all programs of the user");
    if known.saturating_mul(2) <= watches {
        return Some(Finding::works(SUBJECT, detail));
    }
    let detail = format!("{detail}: control groups without a watch are looked for every 5 s");
    let remedy = format!("sysctl fs.inotify.max_user_watches={}", known.saturating_mul(4));
    Some(Finding::limited(SUBJECT, detail, remedy))
}

/// The limit of open files against the number of control groups.
fn files(known: usize, files_per_group: usize) -> Option<Finding> {
    const SUBJECT: &str = "open files";
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let files = known.saturating_mul(files_per_group);
    let detail = format!("{files} files for {known} control groups, at most {hard} can be open");
    if u64::try_from(files).unwrap_or(u64::MAX).saturating_add(64) <= hard {
        return Some(Finding::works(SUBJECT, detail));
    }
    let detail = format!("{detail}: the others are opened at each poll, which costs five times as much");
    let remedy = format!("LimitNOFILE={} in the service", files.saturating_mul(2));
    Some(Finding::limited(SUBJECT, detail, remedy))
}
