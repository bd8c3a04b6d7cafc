//! Which control group a process is in: reads the kernel, and knows no type of Alumet.
//!
//! Format: cgroups(7), `/proc/[pid]/cgroup`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_kernel_file::fields::lines;
use alumet_reader_procfs::process::{ProcessStat, Processes};
use alumet_reader_procfs::{ReadError, SystemRoot};
use hashbrown::HashMap;

/// The control groups of processes. That of a process is read once in its life, and remembered after its end as long as
/// somebody asks for it.
#[derive(Debug)]
pub struct Memberships {
    root: SystemRoot,
    processes: Processes,
    stat: ProcessStat,
    known: HashMap<u32, Known>,
}

#[derive(Debug)]
struct Known {
    start_ticks: u64,
    group: Arc<str>,
    /// How many have asked and still hold it.
    holders: usize,
}

/// One life of a process, in its control group.
#[derive(Debug)]
pub struct Member {
    pid: u32,
    start_ticks: u64,
    /// The path of the group.
    pub group: Arc<str>,
}

impl Memberships {
    /// Those of the machine whose `proc` lies below `root`.
    ///
    /// # Errors
    /// When there is no list of processes.
    pub fn of(root: &Path) -> Result<Self, ReadError> {
        let root = SystemRoot::at(root);
        Ok(Self {
            processes: Processes::open(&root, 0)?,
            root,
            stat: ProcessStat::default(),
            known: HashMap::new(),
        })
    }

    /// The group of the process that has this number now, or had it when somebody else asked; nothing when nobody has it and had
    /// it, or the group cannot be seen from here.
    ///
    /// # Errors
    /// When it could not be read this time.
    pub fn take(&mut self, pid: u32) -> Result<Option<Member>, ReadError> {
        let start_ticks = match self.processes.stat(pid, &mut self.stat) {
            Ok(()) => Some(self.stat.start_ticks),
            Err(error) if error.is_temporary() => return Err(error),
            Err(_) => None,
        };
        let is_known = self
            .known
            .get(&pid)
            .is_some_and(|known| start_ticks.is_none_or(|start_ticks| start_ticks == known.start_ticks));
        if !is_known {
            let Some(start_ticks) = start_ticks else {
                return Ok(None);
            };
            let Some(group) = self.read(pid) else {
                return Ok(None);
            };
            let known = Known {
                start_ticks,
                group,
                holders: 0,
            };
            self.known.insert(pid, known);
        }
        let known = self.known.get_mut(&pid);
        Ok(known.map(|known| {
            known.holders += 1;
            Member {
                pid,
                start_ticks: known.start_ticks,
                group: Arc::clone(&known.group),
            }
        }))
    }

    /// Forgets a process with the last who held it.
    pub fn give_back(&mut self, member: &Member) {
        if let Some(known) = self.known.get_mut(&member.pid)
            && known.start_ticks == member.start_ticks
        {
            known.holders = known.holders.saturating_sub(1);
            if known.holders == 0 {
                self.known.remove(&member.pid);
            }
        }
    }

    fn read(&self, pid: u32) -> Option<Arc<str>> {
        let table = fs::read(self.root.proc(format!("{pid}/cgroup"))).ok()?;
        Some(group_of(&table)?.to_string().into())
    }
}

/// The path in the hierarchy of version 1 that has `cpuacct`, else in that with `memory`, else in the unified one. That is what the
/// plugin `cgroups` follows by itself, so that both have the same names.
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
