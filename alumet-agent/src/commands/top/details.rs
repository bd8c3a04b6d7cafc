//! What no sample tells of a process: its parent and its command line. Read once for each program that a process runs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use alumet_core::Consumer;
use alumet_reader_procfs::process::command::arguments;
use alumet_reader_procfs::process::{ProcessStat, Processes};
use alumet_reader_procfs::{ReadError, SystemRoot};

use super::model::{Row, Snapshot};

/// Reads parents and command lines, and keeps them.
pub(super) struct Details {
    processes: Processes,
    stat: ProcessStat,
    known: HashMap<u32, Known>,
}

struct Known {
    /// The name that the process had then: another program has another one.
    name: Arc<str>,
    text: String,
    parent: u32,
}

/// Longer command lines are cut: nobody reads that far.
const LONGEST: usize = 512;

impl Details {
    /// # Errors
    /// When processes cannot be listed.
    pub(super) fn open(root: &SystemRoot) -> Result<Self, ReadError> {
        Ok(Self {
            processes: Processes::open(root, 0)?,
            stat: ProcessStat::default(),
            known: HashMap::new(),
        })
    }

    /// Fills all rows; forgets processes that have none.
    pub(super) fn fill(&mut self, snapshot: &mut Snapshot) {
        join_groups(&mut snapshot.groups);
        self.fill_processes(&mut snapshot.processes);
    }

    fn fill_processes(&mut self, rows: &mut [Row]) {
        let pids: HashSet<u32> = rows.iter().filter_map(pid).collect();
        self.known.retain(|pid, _| pids.contains(pid));
        for row in rows {
            let Some(pid) = pid(row) else { continue };
            let is_current = self.known.get(&pid).is_some_and(|known| {
                // When its parent has ended, a process has another one.
                known.name == row.name && (known.parent == 0 || pids.contains(&known.parent))
            });
            if !is_current {
                let known = self.read(pid, &row.name);
                self.known.insert(pid, known);
            }
            if let Some(known) = self.known.get(&pid) {
                row.text.clone_from(&known.text);
                row.parent = Some(Consumer::Process { pid: known.parent });
            }
        }
    }

    /// What can be read; a process that has ended or is hidden has at least its name.
    fn read(&mut self, pid: u32, name: &Arc<str>) -> Known {
        let parent = match self.processes.stat(pid, &mut self.stat) {
            Ok(()) => self.stat.parent,
            Err(_) => 0,
        };
        let cmdline = self.processes.cmdline(pid).unwrap_or_default();
        let words: Vec<_> = arguments(&cmdline).map(String::from_utf8_lossy).collect();
        let text = match words.is_empty() {
            true => format!("[{name}]"),
            false => words.join(" ").chars().take(LONGEST).collect(),
        };
        let name = Arc::clone(name);
        Known { name, text, parent }
    }
}

/// Gives groups the nearest group above that is shown, too.
fn join_groups(rows: &mut [Row]) {
    let paths: HashSet<Arc<str>> = rows.iter().filter_map(path).collect();
    for row in rows {
        let above = |path: &Arc<str>| {
            let mut at = path.as_ref();
            while let Some((start, _)) = at.rsplit_once('/').filter(|(_, name)| !name.is_empty()) {
                at = if start.is_empty() { "/" } else { start };
                if let Some(found) = paths.get(at) {
                    return Some(Arc::clone(found));
                }
            }
            None
        };
        row.parent = path(row)
            .as_ref()
            .and_then(above)
            .map(|path| Consumer::ControlGroup { path });
    }
}

fn pid(row: &Row) -> Option<u32> {
    match row.consumer {
        Consumer::Process { pid } => Some(pid),
        _ => None,
    }
}

fn path(row: &Row) -> Option<Arc<str>> {
    match &row.consumer {
        Consumer::ControlGroup { path } => Some(Arc::clone(path)),
        _ => None,
    }
}
