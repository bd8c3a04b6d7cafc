//! All processes of one name.

use alumet_reader_procfs::process::command::arguments;
use alumet_reader_procfs::process::{ProcessStat, ProcessTree, Processes, TreeReading};
use alumet_reader_procfs::{ReadError, SystemRoot};
use regex::bytes::Regex;

/// The processes whose program has a name, those that begin later included, with their descendants.
pub(crate) struct AppProcesses {
    pub(super) tree: ProcessTree,
    processes: Processes,
    name: Regex,
    stat: ProcessStat,
}

impl AppProcesses {
    /// Those of whose command, or the file name of whose first argument, `name` is all. What they use from now on counts.
    ///
    /// # Errors
    /// When processes cannot be listed.
    pub(crate) fn find(root: &SystemRoot, name: Regex) -> Result<Self, ReadError> {
        let mut found = Self {
            tree: ProcessTree::without_root(root)?,
            // They are read once only.
            processes: Processes::open(root, 0)?,
            name,
            stat: ProcessStat::default(),
        };
        found.look()?;
        found.tree.begin();
        Ok(found)
    }

    pub(super) fn read(&mut self) -> TreeReading {
        // What cannot be listed this time may be next time.
        let _ = self.look();
        self.tree.read()
    }

    fn look(&mut self) -> Result<(), ReadError> {
        let own = std::process::id();
        for pid in self.processes.pids()? {
            if pid != own && !self.tree.has(pid) && self.is_one(pid) {
                self.tree.join(pid);
            }
        }
        Ok(())
    }

    fn is_one(&mut self, pid: u32) -> bool {
        if self.processes.stat(pid, &mut self.stat).is_ok() && self.name.is_match(&self.stat.comm) {
            return true;
        }
        let line = self.processes.cmdline(pid).unwrap_or_default();
        let first = arguments(&line).next().unwrap_or_default();
        let name = first.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        self.name.is_match(name)
    }
}
