//! A process and all its descendants as one.
//!
//! The kernel hands what a process used to whoever waits for it, so the sum over the living of *own time and that of
//! children waited for* goes on rising while processes come and go: nothing of a child that lived between two readings is
//! lost, and nothing is counted twice. Where the sum falls (a child was handed on after its parent was read, or to a
//! count with the resolution of a tick) the highest one stands.

use std::collections::HashSet;

use alumet_reader_kernel_file::fields::{Fields, number};
use alumet_reader_kernel_file::{Extent, ticks_to_ns};

use super::{CpuSplit, Process, Processes, status};
use crate::{BString, ParseError, ReadError, SystemRoot};

/// What processes have used, those that they have waited for included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeUsage {
    /// CPU time in user mode, in nanoseconds.
    pub user_ns: u64,
    /// CPU time in kernel mode, in nanoseconds.
    pub system_ns: u64,
    /// Bytes fetched from storage.
    pub read_bytes: u64,
    /// Bytes sent to storage.
    pub written_bytes: u64,
    /// Page faults that needed no storage.
    pub minor_faults: u64,
    /// Page faults that had to wait for storage.
    pub major_faults: u64,
}

/// One reading of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeReading {
    /// What was used since the tree is followed.
    pub usage: TreeUsage,
    /// Resident memory of all processes together, in bytes; what they share counts for each.
    pub resident_bytes: u64,
}

/// A process and all its descendants, followed from reading to reading.
#[derive(Debug)]
pub struct ProcessTree {
    processes: Processes,
    root: u32,
    /// When the root was started, in ticks since boot.
    born: u64,
    /// Who becomes the parent of those that lose theirs, and is no member.
    adopter: Option<u32>,
    /// Parents before their children.
    members: Vec<Member>,
    known: HashSet<u32>,
    /// What was used by those that no living member has waited for.
    ended: TreeUsage,
    /// What was used before the tree was followed.
    before: TreeUsage,
    split: CpuSplit,
    last: TreeReading,
}

#[derive(Debug)]
struct Member {
    process: Process,
    usage: TreeUsage,
    resident_bytes: u64,
}

/// How many files of members stay open.
const KEPT_FILES: usize = 128;

impl ProcessTree {
    /// Follows a process that this program has just started as a child: its whole life counts, and this program waits for
    /// it and for those of its descendants that lose their parent, and [tells](Self::reaped) what they used.
    ///
    /// # Errors
    /// `Gone` when there is no such process, or none that this user may see.
    pub fn of_child(root: &SystemRoot, pid: u32) -> Result<Self, ReadError> {
        // The number of this program in that mount, which can be that of another PID namespace.
        let adopter = std::fs::read_link(root.proc("self")).ok();
        let adopter = adopter.and_then(|own| own.to_str()?.parse().ok());
        Self::follow(root, pid, adopter)
    }

    /// Follows a process that runs already: what it and its descendants use from now on counts.
    ///
    /// # Errors
    /// `Gone` when there is no such process, or none that this user may see.
    pub fn of_running(root: &SystemRoot, pid: u32) -> Result<Self, ReadError> {
        let mut tree = Self::follow(root, pid, None)?;
        tree.begin();
        Ok(tree)
    }

    /// Follows nothing yet: a tree of processes that [`join`](Self::join) it, without a common root.
    ///
    /// # Errors
    /// When processes cannot be listed.
    pub fn without_root(root: &SystemRoot) -> Result<Self, ReadError> {
        Ok(Self {
            processes: Processes::open(root, KEPT_FILES)?,
            root: 0,
            born: 0,
            adopter: None,
            members: Vec::new(),
            known: HashSet::new(),
            ended: TreeUsage::default(),
            before: TreeUsage::default(),
            split: CpuSplit::default(),
            last: TreeReading::default(),
        })
    }

    fn follow(root: &SystemRoot, pid: u32, adopter: Option<u32>) -> Result<Self, ReadError> {
        let mut tree = Self::without_root(root)?;
        let process = tree.processes.follow(pid)?;
        (tree.root, tree.born, tree.adopter) = (pid, process.start_ticks(), adopter);
        tree.known.insert(pid);
        tree.members.push(Member::new(process));
        Ok(tree)
    }

    /// Takes in a process with its descendants, unless it is there already or has ended.
    pub fn join(&mut self, pid: u32) {
        self.meet(vec![pid]);
    }

    /// Whether the process is in the tree.
    pub fn has(&self, pid: u32) -> bool {
        self.known.contains(&pid)
    }

    /// Lets nothing count that was used until now.
    pub fn begin(&mut self) {
        self.before = self.sum();
    }

    /// Whether the kernel tells the children of a process (`CONFIG_PROC_CHILDREN`). Otherwise only the root is known.
    pub fn sees_children(&mut self) -> bool {
        self.processes.children(self.root, self.root).is_ok()
    }

    /// Whether a process can have come from the root: it was not there before.
    pub fn can_have(&mut self, pid: u32) -> bool {
        let process = self.processes.follow(pid);
        process.is_ok_and(|process| process.start_ticks() >= self.born)
    }

    /// What a member used that this program has waited for: that is all of it, whoever its parent was when it was read last.
    pub fn reaped(&mut self, pid: u32, usage: TreeUsage) {
        self.ended = self.ended.plus(usage);
        if self.known.remove(&pid) {
            self.members.retain(|member| member.process.pid() != pid);
        }
    }

    /// Reads all processes of the tree. What cannot be read of one this time is what it was before.
    pub fn read(&mut self) -> TreeReading {
        let used = self.sum().since(self.before);
        let total = used.user_ns.saturating_add(used.system_ns);
        let time = self.split.update(total, used.user_ns, used.system_ns);
        let last = self.last.usage;
        self.last = TreeReading {
            usage: TreeUsage {
                user_ns: time.user_ns,
                system_ns: time.system_ns,
                ..used.with(last, u64::max)
            },
            resident_bytes: self.members.iter().map(|member| member.resident_bytes).sum(),
        };
        self.last
    }

    /// What the last reading has found.
    pub const fn last(&self) -> TreeReading {
        self.last
    }

    /// The most memory of the root alone that was resident at one instant, in bytes, if it can still be seen.
    pub fn peak_of_root(&mut self) -> Option<u64> {
        self.processes.peak_resident(self.root).ok().flatten()
    }

    /// Whether the last reading has found the root.
    pub fn has_root(&self) -> bool {
        self.known.contains(&self.root)
    }

    /// The processes, with their commands, that the last reading has found alive.
    pub fn alive(&self) -> impl Iterator<Item = (u32, &BString)> {
        let stats = self.members.iter().map(|member| member.process.last_stat());
        stats
            .filter(|stat| !matches!(stat.state, b'Z' | b'X'))
            .map(|stat| (stat.pid, &stat.comm))
    }

    fn sum(&mut self) -> TreeUsage {
        self.find_members();
        let processes = &mut self.processes;
        let is_gone = |member: &mut Member| matches!(member.read(processes), Err(ReadError::Gone { .. }));
        let gone: Vec<Member> = self.members.extract_if(.., is_gone).collect();
        for member in &gone {
            self.known.remove(&member.process.pid());
        }
        for member in &gone {
            let parent = member.process.last_stat().parent;
            let was_member = gone.iter().any(|other| other.process.pid() == parent);
            let is_handed_on = match self.known.contains(&parent) {
                true => !self.processes.ignores_ends_of_children(parent),
                false => was_member || self.adopter == Some(parent),
            };
            if !is_handed_on {
                self.ended = self.ended.plus(member.usage);
            }
        }
        let living = self.members.iter().map(|member| member.usage);
        living.fold(self.ended, TreeUsage::plus)
    }

    fn find_members(&mut self) {
        if let Some(adopter) = self.adopter {
            // The kernel makes its first thread their parent.
            let children = self.processes.children(adopter, adopter).unwrap_or_default();
            self.meet(children);
        }
        let mut index = 0;
        while let Some(Member { process, .. }) = self.members.get(index) {
            let pid = process.pid();
            let children = match process.last_stat().threads > 1 {
                true => self.processes.children_of_all_threads(pid),
                // It may have ended: then its children have another parent.
                false => self.members[index]
                    .process
                    .children(&mut self.processes)
                    .unwrap_or_default(),
            };
            self.meet(children);
            index += 1;
        }
    }

    fn meet(&mut self, pids: Vec<u32>) {
        for pid in pids {
            if !self.known.contains(&pid)
                && let Ok(process) = self.processes.follow(pid)
                && process.start_ticks() >= self.born
            {
                self.known.insert(pid);
                self.members.push(Member::new(process));
            }
        }
    }
}

impl Member {
    fn new(process: Process) -> Self {
        Self {
            process,
            usage: TreeUsage::default(),
            resident_bytes: 0,
        }
    }

    fn read(&mut self, processes: &mut Processes) -> Result<(), ReadError> {
        let time = self.process.split_cpu_time(processes)?;
        let stat = self.process.last_stat();
        if stat.state == b'X' {
            // Its parent has its time already.
            return Err(processes.gone(stat.pid));
        }
        let waited_for = |ticks| ticks_to_ns(ticks, processes.ticks_per_second());
        self.usage.user_ns = time.user_ns.saturating_add(waited_for(stat.children_user_ticks));
        self.usage.system_ns = time
            .system_ns
            .saturating_add(waited_for(stat.children_system_ticks));
        self.usage.minor_faults = stat.minor_faults.saturating_add(stat.children_minor_faults);
        self.usage.major_faults = stat.major_faults.saturating_add(stat.children_major_faults);
        self.resident_bytes = self.process.statm(processes)?.resident.unwrap_or(0);
        let io = self.process.io(processes)?;
        (self.usage.read_bytes, self.usage.written_bytes) = (io.read_bytes, io.written_bytes);
        Ok(())
    }
}

/// The numbers in a file of children.
pub(super) fn pids(bytes: &[u8]) -> Result<Vec<u32>, ParseError> {
    let numbers = Fields::of(bytes).filter_map(number);
    Ok(numbers.filter_map(|number| u32::try_from(number).ok()).collect())
}

impl Processes {
    /// The children of one thread.
    fn children(&mut self, pid: u32, thread: u32) -> Result<Vec<u32>, ReadError> {
        let file = format!("task/{thread}/children");
        self.read_with(pid, &file, Extent::ManyRecords, pids)
    }

    fn children_of_all_threads(&mut self, pid: u32) -> Vec<u32> {
        let threads = self.threads(pid);
        // A thread that has ended has none.
        let children = threads.flat_map(|thread| self.children(pid, thread).unwrap_or_default());
        children.collect()
    }

    /// Whether the kernel forgets what children of this process used as soon as they end.
    fn ignores_ends_of_children(&mut self, pid: u32) -> bool {
        const SIGCHLD: u32 = 17;
        let ignored = self.read_with(pid, "status", Extent::OneRecord, |bytes| {
            Ok(status::bits(bytes, "SigIgn").unwrap_or(0))
        });
        ignored.is_ok_and(|ignored| ignored & (1 << (SIGCHLD - 1)) != 0)
    }
}

impl TreeUsage {
    fn with(self, other: Self, combine: fn(u64, u64) -> u64) -> Self {
        Self {
            user_ns: combine(self.user_ns, other.user_ns),
            system_ns: combine(self.system_ns, other.system_ns),
            read_bytes: combine(self.read_bytes, other.read_bytes),
            written_bytes: combine(self.written_bytes, other.written_bytes),
            minor_faults: combine(self.minor_faults, other.minor_faults),
            major_faults: combine(self.major_faults, other.major_faults),
        }
    }

    /// What was used in addition.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        self.with(more, u64::saturating_add)
    }

    /// What was used since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        self.with(earlier, u64::saturating_sub)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TICK: u64 = 10_000_000;

    /// A folder with processes: number, parent, start, own ticks, ticks of children waited for, children.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn put(&self, pid: u32, parent: u32, own: u64, waited_for: u64, children: &str) {
            let folder = self.0.path().join(format!("proc/{pid}"));
            fs::create_dir_all(folder.join(format!("task/{pid}"))).unwrap();
            let stat = format!(
                "{pid} (app) S {parent} 1 1 0 -1 0 {own} {waited_for} 2 0 {own} 0 {waited_for} 0 20 0 1 0 {} 0 0\n",
                100 + pid
            );
            for (file, text) in [
                ("stat", stat),
                ("statm", "9 2 1\n".to_owned()),
                ("io", format!("read_bytes: {own}\nwrite_bytes: {waited_for}\n")),
                ("status", "SigIgn:\t0000000000000000\n".to_owned()),
                (&format!("task/{pid}/children"), children.to_owned()),
            ] {
                fs::write(folder.join(file), text).unwrap();
            }
        }

        fn remove(&self, pid: u32) {
            fs::remove_dir_all(self.0.path().join(format!("proc/{pid}"))).unwrap();
        }

        fn tree(&self, adopter: Option<u32>) -> ProcessTree {
            ProcessTree::follow(&SystemRoot::at(self.0.path()), 7, adopter).unwrap()
        }
    }

    fn user_ticks(tree: &mut ProcessTree) -> u64 {
        tree.read().usage.user_ns / TICK
    }

    #[test]
    fn what_a_child_used_counts_once_whether_it_lives_or_was_waited_for() {
        let machine = Machine::new();
        machine.put(7, 1, 5, 0, "8 ");
        machine.put(8, 7, 3, 0, "9 ");
        machine.put(9, 8, 2, 0, "");
        let mut tree = machine.tree(None);
        assert_eq!(user_ticks(&mut tree), 10);
        assert_eq!(tree.last().resident_bytes, 3 * 2 * crate::page_size());
        machine.remove(9);
        machine.put(8, 7, 3, 2, "");
        assert_eq!(user_ticks(&mut tree), 10);
        machine.remove(8);
        // One that lived between two readings, too.
        machine.put(7, 1, 6, 5 + 4, "");
        assert_eq!(user_ticks(&mut tree), 15);
        let usage = tree.last().usage;
        assert_eq!((usage.written_bytes, usage.minor_faults), (9, 15));
        // Two of each process.
        assert_eq!(usage.major_faults, 6);
    }

    #[test]
    fn a_sum_that_falls_stands_until_it_is_passed() {
        let machine = Machine::new();
        machine.put(7, 1, 5, 0, "8 ");
        machine.put(8, 7, 30, 0, "");
        let mut tree = machine.tree(None);
        assert_eq!(user_ticks(&mut tree), 35);
        machine.remove(8);
        assert_eq!(user_ticks(&mut tree), 35);
        machine.put(7, 1, 6, 30, "");
        assert_eq!(user_ticks(&mut tree), 36);
    }

    #[test]
    fn a_process_that_lost_its_parent_is_found_with_the_adopter_unless_it_was_there_before() {
        let machine = Machine::new();
        machine.put(3, 1, 0, 0, "5 7 8 ");
        machine.put(5, 3, 900, 0, "");
        machine.put(7, 3, 5, 0, "");
        machine.put(8, 3, 2, 0, "");
        let mut tree = machine.tree(Some(3));
        assert_eq!(user_ticks(&mut tree), 7);
        assert!(tree.can_have(8) && !tree.can_have(5));
        // The adopter waits for it and tells what it used.
        machine.remove(8);
        let usage = TreeUsage {
            user_ns: 3 * TICK,
            ..TreeUsage::default()
        };
        tree.reaped(8, usage);
        assert_eq!(user_ticks(&mut tree), 8);
        // When it was read last, it had a parent that waits for nobody.
        let status = machine.0.path().join("proc/7/status");
        fs::write(status, "SigIgn:\t0000000000010000\n").unwrap();
        machine.put(7, 3, 5, 0, "9 ");
        machine.put(9, 7, 2, 0, "");
        assert_eq!(user_ticks(&mut tree), 10);
        machine.remove(9);
        tree.reaped(9, usage);
        assert_eq!(user_ticks(&mut tree), 11);
    }

    #[test]
    fn what_somebody_else_waited_for_or_nobody_stays_counted() {
        let machine = Machine::new();
        machine.put(7, 1, 5, 0, "8 9 ");
        machine.put(8, 7, 3, 0, "");
        machine.put(9, 7, 2, 0, "");
        let mut tree = machine.tree(None);
        assert_eq!(user_ticks(&mut tree), 10);
        machine.put(8, 1, 4, 0, "");
        assert_eq!(user_ticks(&mut tree), 11);
        machine.remove(8);
        machine.put(7, 1, 6, 0, "9 ");
        assert_eq!(user_ticks(&mut tree), 12);
        let status = machine.0.path().join("proc/7/status");
        fs::write(status, "SigIgn:\t0000000000010000\n").unwrap();
        machine.remove(9);
        assert_eq!(user_ticks(&mut tree), 12);
    }

    #[test]
    fn processes_without_a_common_root_are_one_as_soon_as_they_join() {
        let machine = Machine::new();
        machine.put(7, 1, 500, 0, "8 ");
        machine.put(8, 7, 30, 0, "");
        machine.put(20, 1, 0, 0, "");
        let mut tree = ProcessTree::without_root(&SystemRoot::at(machine.0.path())).unwrap();
        tree.join(7);
        tree.begin();
        assert_eq!(user_ticks(&mut tree), 0);
        machine.put(7, 1, 501, 0, "8 ");
        machine.put(8, 7, 32, 0, "");
        machine.put(20, 1, 4, 0, "");
        for _ in 0..2 {
            tree.join(20);
        }
        assert!(tree.has(8) && tree.has(20) && !tree.has(3));
        assert_eq!(user_ticks(&mut tree), 7);
        machine.remove(20);
        assert_eq!(user_ticks(&mut tree), 7);
    }

    #[test]
    fn what_a_running_process_used_before_does_not_count() {
        let machine = Machine::new();
        machine.put(7, 1, 500, 0, "8 ");
        machine.put(8, 7, 30, 0, "");
        let root = SystemRoot::at(machine.0.path());
        let mut tree = ProcessTree::of_running(&root, 7).unwrap();
        assert_eq!(user_ticks(&mut tree), 0);
        machine.put(8, 7, 33, 0, "");
        assert_eq!(user_ticks(&mut tree), 3);
        let alive: Vec<u32> = tree.alive().map(|(pid, _)| pid).collect();
        assert_eq!(alive, [7, 8]);
    }
}
