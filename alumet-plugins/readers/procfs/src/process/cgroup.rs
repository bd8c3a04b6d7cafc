//! In which control group a process is: `/proc/PID/cgroup`.
//!
//! Format and namespaces: cgroups(7), `/proc/[pid]/cgroup`, and cgroup_namespaces(7).

use std::fs;
use std::path::Path;

use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::mount::Hierarchies;
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::lines;

use super::Processes;
use crate::{ReadError, SystemRoot};

impl Processes {
    /// The path in the hierarchy of version 1 that has `cpuacct`, else in that with `memory`, else in the unified one: the one that
    /// tells CPU time. `None` for a group that cannot be seen from here.
    ///
    /// In a namespace of control groups, as containers have, paths in the unified hierarchy are told from the root of the
    /// namespace; they are given here from the root of what is mounted.
    ///
    /// # Errors
    /// `Gone` when the process has ended, or why its file cannot be read.
    pub fn cgroup(&mut self, pid: u32) -> Result<Option<CgroupPath>, ReadError> {
        let shown = self.read_with(pid, "cgroup", Extent::ManyRecords, |table| {
            Ok(shown_in(table).map(|shown| (shown.is_unified, shown.path.to_owned())))
        })?;
        Ok(shown.and_then(|(is_unified, path)| match is_unified {
            true => from(self.namespace.get_or_init(|| namespace_root(&self.root)), &path),
            false => from(&CgroupPath::root(), &path),
        }))
    }
}

/// A group as the table of a process shows it.
struct Shown<'a> {
    is_unified: bool,
    path: &'a [u8],
}

fn shown_in(table: &[u8]) -> Option<Shown<'_>> {
    let rows = || {
        lines(table).filter_map(|(_, line)| {
            let mut parts = line.splitn(3, |byte| *byte == b':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            Some((controllers, path))
        })
    };
    let has = |controllers: &[u8], name: &str| {
        controllers
            .split(|byte| *byte == b',')
            .any(|one| one == name.as_bytes())
    };
    let (controllers, path) = ["cpuacct", "memory", ""]
        .iter()
        .find_map(|name| rows().find(|(controllers, _)| has(controllers, name)))?;
    Some(Shown {
        is_unified: controllers.is_empty(),
        // A group that was removed while the process was in it.
        path: path.strip_suffix(b" (deleted)").unwrap_or(path),
    })
}

/// The group at a path that begins at `base`, and that leads out of it with `/..` for each level.
fn from(base: &CgroupPath, path: &[u8]) -> Option<CgroupPath> {
    let (mut base, mut rest) = (base.clone(), path);
    while let Some(after) = rest.strip_prefix(b"/..")
        && (after.is_empty() || after.starts_with(b"/"))
    {
        base = base.parent()?;
        rest = after;
    }
    CgroupPath::from_bytes(&[base.as_bytes(), rest].concat()).ok()
}

/// The first namespace of control groups, which has a fixed number: `PROC_CGROUP_INIT_INO` in the kernel's `proc_ns.h`.
const FIRST_NAMESPACE: &str = "cgroup:[4026531835]";

/// Where the namespace of this program begins in the unified hierarchy, as far as that is mounted; its root where that is not told.
fn namespace_root(root: &SystemRoot) -> CgroupPath {
    let own = fs::read_link(root.proc("self/ns/cgroup"));
    if own.map_or(true, |own| own == Path::new(FIRST_NAMESPACE)) {
        return CgroupPath::root();
    }
    find_own(root).unwrap_or_else(CgroupPath::root)
}

/// The kernel does not tell it: this program is looked for in all groups. Then what is shown of it is taken off.
fn find_own(root: &SystemRoot) -> Option<CgroupPath> {
    let mount = Hierarchies::detect(root.path()).ok()?.v2?;
    let own = group_with(&mount, CgroupPath::root(), &std::process::id().to_string())?;
    let table = fs::read(root.proc("self/cgroup")).ok()?;
    let path = lines(&table).find_map(|(_, line)| line.strip_prefix(b"0::"))?;
    (0..CgroupPath::from_bytes(path).ok()?.depth()).try_fold(own, |group, _| group.parent())
}

fn group_with(mount: &Path, group: CgroupPath, pid: &str) -> Option<CgroupPath> {
    let directory = group.below(mount);
    let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    if members.lines().any(|line| line == pid) {
        return Some(group);
    }
    let below = fs::read_dir(directory).ok()?.flatten();
    below
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .find_map(|entry| group_with(mount, group.child(&entry.file_name()).ok()?, pid))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(table: &str) -> Option<String> {
        let shown = shown_in(table.as_bytes())?;
        from(&CgroupPath::root(), shown.path).map(|path| path.to_string())
    }

    #[test]
    fn the_unified_hierarchy_has_the_line_without_controllers() {
        assert_eq!(group("0::/user.slice/a:b\n").unwrap(), "/user.slice/a:b");
        assert_eq!(group("0::/gone (deleted)\n").unwrap(), "/gone");
        assert_eq!(
            group("0::/../../other\n"),
            None,
            "it is outside of what can be seen"
        );
        assert_eq!(group(""), None);
    }

    #[test]
    fn of_version_1_the_controller_of_cpu_time_counts_and_then_that_of_memory() {
        let table = "9:name=systemd:/s\n5:memory:/m\n4:cpu,cpuacct:/c\n0::/u\n";
        assert_eq!(group(table).unwrap(), "/c");
        assert_eq!(group("9:pids:/p\n5:memory:/m\n0::/u\n").unwrap(), "/m");
        assert_eq!(group("9:name=systemd:/s\n0::/u\n").unwrap(), "/u");
        assert_eq!(group("9:name=systemd:/s\n"), None);
    }

    #[test]
    fn in_a_namespace_paths_are_given_from_the_root_of_what_is_mounted() {
        let machine = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = machine.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let link = |number: u32| {
            let link = machine.path().join("proc/self/ns/cgroup");
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(format!("cgroup:[{number}]"), link).unwrap();
        };
        put("proc/self/status", "NSpid:\t1\n");
        put(
            "proc/self/mountinfo",
            "41 31 0:38 /../../.. /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
        );
        put("proc/self/cgroup", "0::/below\n");
        put("sys/fs/cgroup/cgroup.procs", "0\n");
        put("sys/fs/cgroup/pods/other/cgroup.procs", "0\n");
        let own = format!("{}\n", std::process::id());
        put("sys/fs/cgroup/pods/pod-a/agent/below/cgroup.procs", &own);
        for (pid, path) in [
            (1, "/"),
            (2, "/../sandbox"),
            (3, "/../../pod-b/x"),
            (4, "/../../../.."),
            (5, "/..x"),
        ] {
            put(&format!("proc/{pid}/cgroup"), &format!("0::{path}\n"));
        }
        let groups = || {
            let mut processes = Processes::open(&SystemRoot::at(machine.path()), 0).unwrap();
            let group = |pid| processes.cgroup(pid).unwrap().map(|group| group.to_string());
            (1..=5).map(group).collect::<Vec<_>>()
        };

        link(4_026_532_177);
        let of_container =
            ["/pods/pod-a/agent", "/pods/pod-a/sandbox", "/pods/pod-b/x"].map(|path| Some(path.to_owned()));
        assert_eq!(groups()[..3], of_container);
        assert_eq!(groups()[3..], [None, Some("/pods/pod-a/agent/..x".to_owned())]);
        link(4_026_531_835);
        assert_eq!(
            groups()[..2],
            [Some("/".to_owned()), None],
            "the first namespace has whole paths"
        );
    }

    proptest! {
        #[test]
        fn any_table_is_taken_or_refused(table: Vec<u8>, text in "([0-9]{1,2}:[a-z,=]{0,9}:/[a-z/.]{0,9}\n){0,4}") {
            for table in [&table, text.as_bytes()] {
                let _ = shown_in(table).and_then(|shown| from(&CgroupPath::root(), shown.path));
            }
        }
    }
}
