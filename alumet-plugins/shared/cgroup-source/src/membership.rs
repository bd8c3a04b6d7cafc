//! Which control group a process is in: reads the kernel, and knows no type of Alumet.

use std::path::Path;
use std::sync::Arc;

use alumet_reader_procfs::process::{ProcessStat, Processes};
use alumet_reader_procfs::{ReadError, SystemRoot};
use hashbrown::HashMap;

/// The control groups of processes. That of a process is read once in its life, and remembered after its end as long as
/// somebody asks for it.
#[derive(Debug)]
pub struct Memberships {
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
        Ok(Self {
            processes: Processes::open(&SystemRoot::at(root), 0)?,
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
            let group = match self.processes.cgroup(pid) {
                Ok(Some(group)) => group.to_string().into(),
                Err(error) if error.is_temporary() => return Err(error),
                Ok(None) | Err(_) => return Ok(None),
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
}
