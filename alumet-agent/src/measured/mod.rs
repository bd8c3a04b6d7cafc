//! A program and all its descendants as one consumer: what `exec` and `watch` add to what the plugins measure.
//!
//! The samples bear the number of the program as their consumer, and metrics of their own: so whoever adds up the
//! processes that plugins measure counts nothing twice.

mod group;
mod source;

use std::sync::Arc;
use std::time::Duration;

use alumet_core::time::Timestamp;
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::cpu_online::OnlineCpus;
use alumet_reader_procfs::process::{ProcessTree, TreeUsage};
use nix::libc;
use parking_lot::Mutex;

pub(crate) use group::RunGroup;
pub(crate) use source::{METRIC_PREFIX, TreeSource, all};

/// The tree that is measured, if there is one: shared by whoever waits for its processes and by the source.
pub(crate) type SharedTree = Arc<Mutex<Option<MeasuredTree>>>;

/// A tree with what was seen of it.
pub(crate) struct MeasuredTree {
    /// The number of its root in the mount of `/proc` that is measured.
    pub(crate) pid: u32,
    pub(crate) tree: ProcessTree,
    /// How many CPUs run.
    pub(crate) cpus: u64,
    /// The control group in which it runs, if it has one of its own.
    group: Option<RunGroup>,
    /// How often processes that have ended gave up their CPU, and how often it was taken from them.
    pub(crate) switches: [u64; 2],
    usage: TreeUsage,
    since: Timestamp,
    /// When its root was read for the last time.
    pub(crate) read_at: Timestamp,
    /// The largest sum of the memory of all processes at one instant, in bytes.
    pub(crate) peak: u64,
    /// The largest memory of the root alone, in bytes, as far as it was seen.
    pub(crate) peak_of_root: u64,
}

impl MeasuredTree {
    /// A tree whose samples count from `since` on.
    pub(crate) fn new(root: &SystemRoot, pid: u32, tree: ProcessTree, since: Timestamp) -> Self {
        Self {
            cpus: OnlineCpus::open(root).count().max(1),
            pid,
            tree,
            group: None,
            switches: [0; 2],
            usage: TreeUsage::default(),
            since,
            read_at: since,
            peak: 0,
            peak_of_root: 0,
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

    /// Whether CPU time is what the kernel counted for a control group.
    pub(crate) const fn has_group(&self) -> bool {
        self.group.is_some()
    }

    /// One of its processes was waited for, which used this.
    pub(crate) fn reaped(&mut self, usage: &libc::rusage) {
        let ns = |time: libc::timeval| {
            time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_usec.cast_unsigned() * 1000
        };
        // Blocks have 512 bytes (getrusage(2)).
        self.tree.reaped(TreeUsage {
            user_ns: ns(usage.ru_utime),
            system_ns: ns(usage.ru_stime),
            read_bytes: usage.ru_inblock.cast_unsigned() * 512,
            written_bytes: usage.ru_oublock.cast_unsigned() * 512,
            minor_faults: usage.ru_minflt.cast_unsigned(),
            major_faults: usage.ru_majflt.cast_unsigned(),
        });
        self.switches[0] += usage.ru_nvcsw.cast_unsigned();
        self.switches[1] += usage.ru_nivcsw.cast_unsigned();
    }

    fn read(&mut self, now: Timestamp) -> TreeUsage {
        let reading = self.tree.read();
        self.usage = reading.usage;
        if let Some(group) = &mut self.group {
            group.refine(&mut self.usage);
        }
        self.peak = self.peak.max(reading.resident_bytes);
        self.peak_of_root = self.peak_of_root.max(self.tree.peak_of_root().unwrap_or(0));
        if self.tree.has_root() {
            self.read_at = now;
        }
        self.usage
    }

    /// How long before `end` the root was read for the last time, unless that was at its end.
    pub(crate) fn missed(&self, end: Timestamp) -> Option<Duration> {
        /// What is missing is told from this on.
        const NEARLY_NOTHING: Duration = Duration::from_millis(1);
        end.checked_since(self.read_at)
            .filter(|missed| *missed > NEARLY_NOTHING)
    }
}
