//! A program and all its descendants, an application or a control group as one consumer: what `exec` and `watch` add to what the
//! plugins measure.
//!
//! The samples of a program bear its number as their consumer, and all have metrics of their own: so whoever adds up the
//! processes that plugins measure counts nothing twice.

mod app;
mod network;
mod process_set;
mod run_group;
mod scope;
mod source;
mod watched_group;

use std::sync::Arc;
use std::time::Duration;

use alumet_core::Consumer;
use alumet_core::time::Timestamp;
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::cpu_online::OnlineCpus;
use alumet_reader_procfs::net_namespace::NetworkBytes;
use alumet_reader_procfs::process::{ProcessTree, TreeUsage};
use nix::libc;
use parking_lot::Mutex;

pub(crate) use app::AppProcesses;
use network::TreeNetwork;
use process_set::ProcessSet;
pub(crate) use run_group::RunGroup;
pub(crate) use source::{CPU_TIME, GPU_ENERGY, METRIC_PREFIX, TreeSource, all};
pub(crate) use watched_group::WatchedGroup;

/// The tree that is measured, if there is one: shared by whoever waits for its processes and by the source.
pub(crate) type SharedTree = Arc<Mutex<Option<MeasuredTree>>>;

/// What is followed as one.
pub(crate) enum Followed {
    /// A process with its descendants, and its number in the mount of `/proc` that is measured.
    Tree(u32, Box<ProcessTree>),
    App(String, Box<AppProcesses>),
    Group(Box<WatchedGroup>),
}

/// What is followed, with what was seen of it.
pub(crate) struct MeasuredTree {
    pub(crate) followed: Followed,
    /// How many CPUs run.
    pub(crate) cpus: u64,
    /// The control group in which it runs, if it has one of its own.
    group: Option<RunGroup>,
    network: TreeNetwork,
    /// The numbers of all processes that were seen.
    seen: ProcessSet,
    looked_at: Option<Timestamp>,
    /// Whether processes have the same numbers in the mount that is measured as for this process.
    has_own_numbers: bool,
    /// How often processes that have ended gave up their CPU, and how often it was taken from them.
    pub(crate) switches: [u64; 2],
    usage: TreeUsage,
    /// The memory of all processes, in bytes, when it was read last.
    resident: u64,
    since: Timestamp,
    /// When its root was read for the last time.
    pub(crate) read_at: Timestamp,
    /// The largest sum of the memory of all processes at one instant, in bytes.
    pub(crate) peak: u64,
    /// The largest memory of the root alone, in bytes, as far as it was seen.
    pub(crate) peak_of_root: u64,
    /// When the kernel was asked for it, which takes as long as all the rest.
    peak_read_at: Option<Timestamp>,
}

impl MeasuredTree {
    /// A tree whose samples count from `since` on.
    pub(crate) fn new(root: &SystemRoot, followed: Followed, since: Timestamp) -> Self {
        let number = std::fs::read_link(root.proc("self")).unwrap_or_default();
        Self {
            cpus: OnlineCpus::open(root).count().max(1),
            followed,
            group: None,
            network: TreeNetwork::new(root),
            seen: ProcessSet::default(),
            looked_at: None,
            has_own_numbers: number.as_os_str() == &*std::process::id().to_string(),
            switches: [0; 2],
            usage: TreeUsage::default(),
            resident: 0,
            since,
            read_at: since,
            peak: 0,
            peak_of_root: 0,
            peak_read_at: None,
        }
    }

    /// The same with a control group of its own, in which the kernel counts CPU time.
    pub(crate) fn in_group(self, group: Option<RunGroup>) -> Self {
        Self { group, ..self }
    }

    /// What was used until the last reading.
    pub(crate) const fn usage(&self) -> TreeUsage {
        self.usage
    }

    /// What went through the network namespaces of its own until the last reading, and since when that counts.
    pub(crate) const fn network(&self) -> Option<(Timestamp, NetworkBytes)> {
        self.network.seen
    }

    /// Whether CPU time is what the kernel counted for a control group.
    pub(crate) const fn has_group(&self) -> bool {
        match &self.group {
            Some(group) => group.counts_all(),
            None => false,
        }
    }

    /// The number of the root of a tree, in the mount of `/proc` that is measured.
    pub(crate) const fn root(&self) -> u32 {
        match &self.followed {
            Followed::Tree(root, _) => *root,
            Followed::App(..) | Followed::Group(_) => 0,
        }
    }

    /// Whether a process can have come from the root: it was not there before.
    pub(crate) fn can_have(&mut self, pid: u32) -> bool {
        match &mut self.followed {
            Followed::Tree(_, tree) => tree.can_have(pid),
            Followed::App(..) | Followed::Group(_) => false,
        }
    }

    /// One of its processes was waited for, by its number, which used this.
    pub(crate) fn reaped(&mut self, pid: u32, usage: &libc::rusage) {
        let ns = |time: libc::timeval| {
            time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_usec.cast_unsigned() * 1000
        };
        // Blocks have 512 bytes (getrusage(2)).
        let Followed::Tree(_, tree) = &mut self.followed else {
            return;
        };
        tree.reaped(
            pid,
            TreeUsage {
                user_ns: ns(usage.ru_utime),
                system_ns: ns(usage.ru_stime),
                read_bytes: usage.ru_inblock.cast_unsigned() * 512,
                written_bytes: usage.ru_oublock.cast_unsigned() * 512,
                minor_faults: usage.ru_minflt.cast_unsigned(),
                major_faults: usage.ru_majflt.cast_unsigned(),
            },
        );
        self.switches[0] += usage.ru_nvcsw.cast_unsigned();
        self.switches[1] += usage.ru_nivcsw.cast_unsigned();
    }

    /// Looks at all of it, and says what was used until now.
    pub(crate) fn read(&mut self, now: Timestamp) -> TreeUsage {
        /// The kernel keeps the peak until it is read.
        const PEAK_INTERVAL: Duration = Duration::from_millis(20);
        /// All processes are asked, which takes longer than to read what is known.
        const LOOK_INTERVAL: Duration = Duration::from_millis(100);
        let reading = match &mut self.followed {
            Followed::Tree(_, tree) => tree.read(),
            Followed::App(_, app) => app.read(),
            Followed::Group(group) => group.read(),
        };
        self.usage = reading.usage;
        let is_due = |last: Option<Timestamp>, interval| {
            let age = last.map(|last| now.checked_since(last));
            age.flatten().is_none_or(|age| age >= interval)
        };
        if is_due(self.looked_at, LOOK_INTERVAL) {
            self.looked_at = Some(now);
            let processes = self.processes();
            self.network.look(&processes);
            self.seen.extend(processes);
        }
        self.network.read(now);
        if let Some(group) = &mut self.group {
            group.refine(&mut self.usage);
        }
        self.resident = reading.resident_bytes;
        self.peak = self.peak.max(reading.resident_bytes);
        let is_there = match &mut self.followed {
            Followed::Tree(_, tree) => {
                if is_due(self.peak_read_at, PEAK_INTERVAL) {
                    self.peak_of_root = self.peak_of_root.max(tree.peak_of_root().unwrap_or(0));
                    self.peak_read_at = Some(now);
                }
                tree.has_root()
            }
            Followed::App(..) => true,
            Followed::Group(group) => !group.is_gone,
        };
        if is_there {
            self.read_at = now;
        }
        self.usage
    }

    /// Whether a process was seen in it, by its number in the mount of `/proc` that is measured.
    pub(crate) fn has_had(&self, pid: u32) -> bool {
        self.seen.contains(pid)
    }

    /// The processes that are there now, by their numbers in that mount; none of a group whose numbers there are not known.
    fn processes(&self) -> Vec<u32> {
        match &self.followed {
            Followed::Tree(_, tree) => tree.alive().map(|(pid, _)| pid).collect(),
            Followed::App(_, app) => app.tree.alive().map(|(pid, _)| pid).collect(),
            Followed::Group(group) if self.has_own_numbers => group.processes(),
            Followed::Group(_) => Vec::new(),
        }
    }

    /// As whom it uses resources.
    pub(crate) fn consumer(&self) -> Consumer {
        match &self.followed {
            Followed::Tree(pid, _) => Consumer::Process { pid: *pid },
            Followed::App(name, _) => Consumer::new("app", name),
            Followed::Group(group) => Consumer::ControlGroup {
                path: group.path.to_string().into(),
            },
        }
    }

    /// The processes that the last reading has found, but for the root of a tree.
    pub(crate) fn others_alive(&self) -> Vec<String> {
        let (root, tree) = match &self.followed {
            Followed::Tree(pid, tree) => (*pid, &**tree),
            Followed::App(_, app) => (0, &app.tree),
            Followed::Group(_) => return Vec::new(),
        };
        let alive = tree.alive().filter(|(pid, _)| *pid != root);
        alive.map(|(pid, name)| format!("{pid} {name}")).collect()
    }

    /// Whether it uses memory.
    fn is_alive(&self) -> bool {
        match &self.followed {
            Followed::Tree(_, tree) => tree.alive().next().is_some(),
            Followed::App(..) => true,
            Followed::Group(group) => !group.is_gone,
        }
    }

    /// Whether a control group that is followed was removed.
    pub(crate) const fn is_gone(&self) -> bool {
        matches!(&self.followed, Followed::Group(group) if group.is_gone)
    }

    /// How long before `end` the root was read for the last time, unless that was at its end.
    pub(crate) fn missed(&self, end: Timestamp) -> Option<Duration> {
        /// What is missing is told from this on.
        const NEARLY_NOTHING: Duration = Duration::from_millis(1);
        end.checked_since(self.read_at)
            .filter(|missed| *missed > NEARLY_NOTHING)
    }
}
