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

#[cfg(test)]
mod tests {
    use alumet_core::testkit::FakeRoot;

    use super::super::model::tests::process;
    use super::*;

    fn group(path: &str) -> Row {
        Row {
            consumer: Consumer::ControlGroup { path: path.into() },
            ..process(0, path)
        }
    }

    fn parents(rows: &[Row]) -> Vec<String> {
        let id = |row: &Row| row.parent.as_ref().map(|parent| parent.id().into_owned());
        rows.iter().map(|row| id(row).unwrap_or_default()).collect()
    }

    #[test]
    fn a_group_is_below_the_nearest_one_that_is_shown() {
        let mut snapshot = Snapshot {
            groups: ["/a/b/c", "/a", "/", "/ab", "relative"].map(group).to_vec(),
            ..Snapshot::default()
        };
        join_groups(&mut snapshot.groups);
        assert_eq!(parents(&snapshot.groups), ["/a", "/", "", "/", ""]);
    }

    fn write(root: &FakeRoot, pid: u32, parent: u32, cmdline: &str) {
        let numbers = "0 ".repeat(45);
        root.write(
            format!("proc/{pid}/stat"),
            format!("{pid} (x) S {parent} {numbers}\n"),
        );
        root.write(format!("proc/{pid}/cmdline"), cmdline);
    }

    #[test]
    fn a_process_has_its_parent_and_command_line_until_it_runs_another_program() {
        let root = FakeRoot::new();
        write(&root, 1, 0, "init\0");
        write(&root, 7, 1, "sh\0-c\0a b\0");
        write(&root, 8, 7, "");
        let mut details = Details::open(&SystemRoot::at(root.path())).unwrap();
        let mut look = |pids: &[u32], name: &str| {
            let rows = pids.iter().map(|pid| process(*pid, name));
            let mut snapshot = Snapshot {
                processes: rows.collect(),
                ..Snapshot::default()
            };
            details.fill(&mut snapshot);
            let texts = snapshot.processes.iter().map(|row| row.text.clone());
            let texts: Vec<String> = texts.collect();
            (texts, parents(&snapshot.processes))
        };
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (text, parent) = look(&[1, 7, 8, 9], "x");
        assert_eq!(
            text,
            texts(&["init", "sh -c a b", "[x]", "[x]"]),
            "8 is a kernel thread, 9 has ended"
        );
        assert_eq!(parent, ["0", "1", "7", "0"]);
        write(&root, 7, 1, "make\0");
        assert_eq!(look(&[1, 7], "x").0[1], "sh -c a b", "it is read once");
        assert_eq!(look(&[1, 7], "make").0[1], "make");
        write(&root, 8, 1, "");
        assert_eq!(look(&[1, 8], "x").1, ["0", "1"], "the parent has ended");
    }
}
