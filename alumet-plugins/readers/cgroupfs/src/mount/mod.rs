//! Which hierarchies of control groups are mounted, and where.

mod table;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use table::Mount;
pub use watch::MountWatch;

use alumet_reader_kernel_file::{ReadError, errno};

use crate::error::of_cgroup;

/// One of the two interfaces of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// One hierarchy for each controller or set of controllers.
    V1,
    /// One hierarchy for all.
    V2,
}

/// All mounted hierarchies that have statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchies {
    /// Where the unified hierarchy is mounted, with the system root in front. Of several mounts the one that shows it
    /// whole, then the shortest, then the first.
    pub v2: Option<PathBuf>,
    /// Where the controllers of version 1 are mounted; those that are bound to the same hierarchy have the same mount.
    pub v1: BTreeMap<&'static str, PathBuf>,
}

/// The controllers of version 1 whose files are read. Other ones, named hierarchies and the options of a mount say nothing.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuacct", "memory", "blkio", "pids"];

impl Hierarchies {
    /// Reads the table of mounts of the machine whose `proc` lies below `root` (`/`, `/host`, a captured tree).
    ///
    /// Mount points that do not lie below `root` get it in front, so that a host's tree can be looked at from a
    /// container.
    ///
    /// # Errors
    /// `NotMounted` when there is no table, `Io` or `PermissionDenied` when it cannot be read. That no control
    /// group is mounted is not an error here: they may appear later, see [`MountWatch`].
    pub fn detect(root: &Path) -> Result<Self, ReadError> {
        let (_, table) = read_table(root)?;
        Ok(Self::parse(&table, root))
    }

    /// Sorts the lines of a `mountinfo` or `mounts` table.
    pub fn parse(table: &[u8], root: &Path) -> Self {
        let mut found = Self::default();
        let mut mounts: Vec<Mount> = table::cgroup_mounts(table).collect();
        for mount in &mut mounts {
            if !mount.point.starts_with(root) {
                mount.point = root.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
            }
        }
        // A stable sort: what is equally good stays in the order of the table.
        mounts.sort_by_key(|mount| (!mount.is_whole, mount.point.as_os_str().len()));
        for mount in mounts {
            if mount.is_v2 {
                found.v2.get_or_insert(mount.point);
                continue;
            }
            let is_bound = |name: &&str| mount.options.iter().any(|option| option == name);
            for controller in CONTROLLERS.into_iter().filter(is_bound) {
                found.v1.entry(controller).or_insert_with(|| mount.point.clone());
            }
        }
        found
    }

    /// How the machine is set up, in words.
    pub fn layout(&self) -> &'static str {
        match (!self.v1.is_empty(), self.v2.is_some()) {
            (false, false) => "none is mounted",
            (true, false) => "v1",
            (false, true) => "v2",
            (true, true) => "v1 with the controllers, and v2 beside it",
        }
    }

    /// Where the unified hierarchy is mounted, or an error that says how to obtain it.
    ///
    /// # Errors
    /// `NotMounted`.
    pub fn require_v2(&self) -> Result<&Path, ReadError> {
        self.v2.as_deref().ok_or(ReadError::NotMounted {
            what: "the cgroup v2 hierarchy",
            mend: "run `mount -t cgroup2 none /sys/fs/cgroup`, boot with `systemd.unified_cgroup_hierarchy=1`, or \
                   give the container `/sys/fs/cgroup` of its host (read-only)",
        })
    }
}

/// The first of the two tables that is there.
fn read_table(root: &Path) -> Result<(PathBuf, Vec<u8>), ReadError> {
    let mut refused = None;
    for name in ["proc/self/mountinfo", "proc/self/mounts"] {
        let path = root.join(name);
        match fs::read(&path) {
            Ok(table) => return Ok((path, table)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => refused = Some(of_cgroup(&path, errno(&error))),
        }
    }
    Err(refused.unwrap_or(ReadError::NotMounted {
        what: "proc",
        mend: "mount it, or name another system root",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(table: &str) -> Hierarchies {
        Hierarchies::parse(table.as_bytes(), Path::new("/"))
    }

    #[test]
    fn of_several_v2_mounts_the_whole_then_the_shortest_then_the_first_wins() {
        let at = |table: &str| parse(table).v2.unwrap();
        let part = "1 0 0:1 /docker /c rw - cgroup2 cgroup2 rw\n";
        let long = "2 0 0:1 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let first = "3 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let second = "4 0 0:1 / /run/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            at(&[part, long, first, second].concat()),
            Path::new("/sys/fs/cgroup")
        );
        assert_eq!(at(&[part, long].concat()), Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(at(part), Path::new("/c"));
    }

    #[test]
    fn controllers_are_told_from_mount_options_and_from_what_has_no_statistics() {
        let found = parse(
            "cgroup /c/cpu cgroup rw,nosuid,cpu,cpuacct 0 0\n\
             cgroup /c/systemd cgroup rw,xattr,release_agent=/x,name=systemd 0 0\n\
             cgroup /c/freezer cgroup rw,freezer 0 0\n\
             cgroup /mnt/bound/cpu cgroup rw,cpu,cpuacct 0 0\n",
        );
        let mount = PathBuf::from("/c/cpu");
        assert_eq!(
            found.v1,
            BTreeMap::from([("cpu", mount.clone()), ("cpuacct", mount)])
        );
    }

    const HYBRID: &str = "v1 with the controllers, and v2 beside it";

    #[test]
    fn a_hierarchy_without_statistics_next_to_v2_is_not_hybrid() {
        let v2 = "cgroup2 /c cgroup2 rw 0 0\n";
        let named = "cgroup /s cgroup rw,name=systemd 0 0\ncgroup /f cgroup rw,freezer 0 0\n";
        let cpu = "cgroup /cpu cgroup rw,cpu 0 0\n";
        assert_eq!(parse(&[v2, named].concat()).layout(), "v2");
        assert_eq!(parse(&[v2, named, cpu].concat()).layout(), HYBRID);
        assert_eq!(parse(cpu).layout(), "v1");
        assert_eq!(parse(named).layout(), "none is mounted");
    }

    #[test]
    fn what_is_not_mounted_says_how_to_mount_it() {
        let nothing = Hierarchies::default();
        let error = nothing.require_v2().unwrap_err();
        assert!(error.to_string().contains("mount -t cgroup2"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let error = Hierarchies::detect(folder.path()).unwrap_err();
        assert!(
            matches!(error, ReadError::NotMounted { what: "proc", .. }),
            "{error:?}"
        );
    }

    #[test]
    fn a_mount_point_gets_the_system_root_unless_it_has_it() {
        let table = b"cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        let found = Hierarchies::parse(table, Path::new("/host")).v2.unwrap();
        assert_eq!(found, Path::new("/host/sys/fs/cgroup"));
        let table = b"cgroup2 /host/sys/fs/cgroup cgroup2 rw 0 0\n";
        let found = Hierarchies::parse(table, Path::new("/host")).v2.unwrap();
        assert_eq!(found, Path::new("/host/sys/fs/cgroup"));
    }
}
