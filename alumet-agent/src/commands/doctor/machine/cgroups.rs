//! How control groups are set up.

use alumet_core::plugin::Finding;

use super::Machine;

/// The mounted hierarchies, as far as the findings need them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Mounted {
    /// Where the unified hierarchy is, as the machine sees it.
    v2: Option<String>,
    /// Where each hierarchy of version 1 with a controller is, with its controllers.
    v1: Vec<(String, String)>,
}

const SUBJECT: &str = "control groups";
/// What measuring reads of a control group.
const MEASURED: [&str; 3] = ["cpu", "memory", "io"];
const UNIFY: &str = "boot with systemd.unified_cgroup_hierarchy=1";

/// Which version is mounted where, and which controllers can be measured.
pub(super) fn finding(machine: &Machine) -> Option<Finding> {
    let mounted = Mounted::parse(&machine.text("proc/self/mountinfo")?);
    Some(match mounted {
        Mounted { v2: None, v1 } if v1.is_empty() => Finding {
            remedy: Some(format!(
                "{UNIFY}, or: sudo mount -t cgroup2 none /sys/fs/cgroup; in a container, mount /sys/fs/cgroup of the \
                 host read-only"
            )),
            ..Finding::absent(SUBJECT, "no hierarchy is mounted")
        },
        Mounted { v2: None, v1 } => Finding::limited(
            SUBJECT,
            format!("version 1 only: {}", places(&v1)),
            format!("{UNIFY}; version 2 adds pressure and is cheaper to read"),
        ),
        Mounted { v2: Some(v2), v1 } if v1.is_empty() => unified(machine, &v2),
        Mounted { v2: Some(v2), v1 } => Finding::limited(
            SUBJECT,
            format!(
                "hybrid: version 2 at {v2}, without memory and io of its own; version 1: {}",
                places(&v1)
            ),
            UNIFY,
        ),
    })
}

/// Only version 2 is mounted: its root tells which controllers there are.
fn unified(machine: &Machine, mount: &str) -> Finding {
    let relative = mount.trim_start_matches('/');
    let below_root = match machine.text(&format!("{relative}/cgroup.controllers")) {
        // The mount point has the system root in front already, because this program looks from within a container.
        None => std::fs::read_to_string(format!("{mount}/cgroup.controllers")).ok(),
        found => found,
    };
    let Some(controllers) = below_root else {
        return Finding::limited(
            SUBJECT,
            format!("version 2 at {mount}, but it cannot be read below the system root"),
            "mount /sys/fs/cgroup of the host into the container, read-only",
        );
    };
    let enabled: Vec<_> = controllers.split_whitespace().collect();
    let missing: Vec<_> = MEASURED
        .into_iter()
        .filter(|controller| !enabled.contains(controller))
        .collect();
    if missing.is_empty() {
        return Finding::works(
            SUBJECT,
            format!("version 2 at {mount}, with {}", enabled.join(", ")),
        );
    }
    let flags: Vec<_> = missing
        .iter()
        .map(|controller| format!("+{controller}"))
        .collect();
    Finding::limited(
        SUBJECT,
        format!("version 2 at {mount}, without {}", missing.join(", ")),
        format!(
            "in the parent of that control group: echo '{}' | sudo tee cgroup.subtree_control; on the host itself, \
             check for cgroup_disable= on the kernel command line",
            flags.join(" ")
        ),
    )
}

impl Mounted {
    /// Reads a `mountinfo` table (`Documentation/filesystems/proc.rst`, 3.5): fields 4 and 5 are the folder of the file
    /// system and the mount point; type, device and options of the file system follow a lone hyphen.
    fn parse(table: &str) -> Self {
        let mut mounted = Self::default();
        for line in table.lines() {
            let Some((mount, system)) = line.split_once(" - ") else {
                continue;
            };
            let Some(point) = mount.split(' ').nth(4) else {
                continue;
            };
            let mut system = system.split(' ');
            match (system.next(), system.nth(1)) {
                (Some("cgroup2"), _) => {
                    mounted.v2.get_or_insert_with(|| point.to_owned());
                }
                (Some("cgroup"), Some(options)) if !options.contains("name=") => {
                    let controllers = options.split(',').filter(|option| !is_setting(option));
                    let controllers = controllers.collect::<Vec<_>>().join(",");
                    if !controllers.is_empty() && mounted.v1.iter().all(|(_, known)| *known != controllers) {
                        mounted.v1.push((point.to_owned(), controllers));
                    }
                }
                _ => {}
            }
        }
        mounted
    }
}

/// Whether an option of a mount of version 1 is no controller.
fn is_setting(option: &str) -> bool {
    matches!(
        option,
        "rw" | "ro" | "xattr" | "clone_children" | "noprefix" | "cpuset_v2_mode" | "seclabel"
    ) || option.starts_with("release_agent=")
}

/// The controllers, with their common folder if they have one.
fn places(v1: &[(String, String)]) -> String {
    let parent = |point: &str| point.rsplit_once('/').map(|(parent, _)| parent.to_owned());
    let first = v1.first().and_then(|(point, _)| parent(point));
    match first {
        Some(folder)
            if v1
                .iter()
                .all(|(point, _)| parent(point).as_ref() == Some(&folder)) =>
        {
            let controllers: Vec<_> = v1.iter().map(|(_, controllers)| controllers.as_str()).collect();
            format!("{} in {folder}", controllers.join(", "))
        }
        _ => {
            let each: Vec<_> = v1
                .iter()
                .map(|(point, controllers)| format!("{controllers} at {point}"))
                .collect();
            each.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::plugin::Verdict;

    use super::super::Captured;
    use super::*;

    const V2: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const UNIFIED: &str = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const V1: &str = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,seclabel,memory\n\
                      34 31 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";

    fn of(table: &str, controllers: &str) -> Finding {
        let captured = Captured::with(&[
            ("proc/self/mountinfo", table),
            ("sys/fs/cgroup/cgroup.controllers", controllers),
        ]);
        finding(&captured.machine()).unwrap()
    }

    #[test]
    fn version_2_with_all_controllers_works() {
        let finding = of(V2, "cpuset cpu io memory pids\n");
        assert_eq!(finding.verdict, Verdict::Works);
        assert_eq!(
            finding.detail,
            "version 2 at /sys/fs/cgroup, with cpuset, cpu, io, memory, pids"
        );
    }

    #[test]
    fn a_controller_that_is_not_enabled_is_named() {
        let finding = of(V2, "cpu pids\n");
        assert_eq!(finding.verdict, Verdict::Limited);
        assert!(finding.detail.ends_with("without memory, io"), "{finding:?}");
        assert!(finding.remedy.unwrap().contains("'+memory +io'"));
    }

    #[test]
    fn version_1_is_listed_with_its_controllers() {
        let finding = of(V1, "");
        assert_eq!(finding.verdict, Verdict::Limited);
        assert_eq!(
            finding.detail,
            "version 1 only: cpu,cpuacct, memory in /sys/fs/cgroup"
        );
    }

    #[test]
    fn hybrid_says_what_version_2_lacks() {
        let finding = of(&[V1, UNIFIED].concat(), "");
        assert!(
            finding
                .detail
                .starts_with("hybrid: version 2 at /sys/fs/cgroup/unified, without memory")
        );
        assert!(
            finding
                .remedy
                .unwrap()
                .contains("systemd.unified_cgroup_hierarchy=1")
        );
    }

    #[test]
    fn a_named_hierarchy_controls_nothing() {
        let named = V1.lines().last().unwrap();
        assert_eq!(of(named, "").verdict, Verdict::Absent);
        assert_eq!(
            of(&format!("{V2}{named}\n"), "cpu memory io").verdict,
            Verdict::Works
        );
    }

    #[test]
    fn hierarchies_with_no_common_folder_are_listed_one_by_one() {
        let table = "1 2 0:1 / /cg/cpu rw - cgroup none rw,cpu\n1 2 0:2 / /mem rw - cgroup none rw,memory\n";
        assert!(of(table, "").detail.ends_with("cpu at /cg/cpu, memory at /mem"));
    }

    #[test]
    fn a_hierarchy_that_cannot_be_seen_is_a_limit() {
        let captured = Captured::with(&[(
            "proc/self/mountinfo",
            "1 2 0:1 / /nowhere/cg rw - cgroup2 none rw\n",
        )]);
        assert_eq!(finding(&captured.machine()).unwrap().verdict, Verdict::Limited);
    }

    #[test]
    fn a_table_that_is_none_is_no_mount() {
        for table in ["", "garbage", "a b - cgroup2", " - ", "1 2 3 4 5 - cgroup"] {
            assert_eq!(Mounted::parse(table).v1, [], "{table}");
        }
    }
}
