//! In which control group a process is: `/proc/PID/cgroup`.
//!
//! Format: cgroups(7), `/proc/[pid]/cgroup`.

use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::lines;

use super::Processes;
use crate::ReadError;

impl Processes {
    /// The path in the hierarchy of version 1 that has `cpuacct`, else in that with `memory`, else in the unified one: the one that
    /// tells CPU time. `None` for a group that cannot be seen from here, such as one outside of this program's namespace.
    ///
    /// # Errors
    /// `Gone` when the process has ended, or why its file cannot be read.
    pub fn cgroup(&mut self, pid: u32) -> Result<Option<CgroupPath>, ReadError> {
        self.read_with(pid, "cgroup", Extent::ManyRecords, |table| Ok(group_of(table)))
    }
}

fn group_of(table: &[u8]) -> Option<CgroupPath> {
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
    let (_, path) = ["cpuacct", "memory", ""]
        .iter()
        .find_map(|name| rows().find(|(controllers, _)| has(controllers, name)))?;
    // A group that was removed while the process was in it.
    CgroupPath::from_bytes(path.strip_suffix(b" (deleted)").unwrap_or(path)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(table: &str) -> Option<String> {
        group_of(table.as_bytes()).map(|path| path.to_string())
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

    proptest! {
        #[test]
        fn any_table_is_taken_or_refused(table: Vec<u8>, text in "([0-9]{1,2}:[a-z,=]{0,9}:/[a-z/.]{0,9}\n){0,4}") {
            let _ = (group_of(&table), group_of(text.as_bytes()));
        }
    }
}
