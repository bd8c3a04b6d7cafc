//! What can be read of a control group.

use super::specs::V2;

/// A statistic: one number. Both versions have it in the same unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stat {
    /// CPU time since the control group was made, in nanoseconds: `cpu.stat`, v1 `cpuacct.usage`.
    CpuTotal,
    /// The part of it in user mode; only v2.
    CpuUser,
    /// The part of it in kernel mode; only v2.
    CpuSystem,
    /// Enforcement periods of the bandwidth limit that have elapsed: `cpu.stat` of both versions.
    Periods,
    /// Periods in which the group was throttled.
    ThrottledPeriods,
    /// How long it was throttled, all its CPUs together, in nanoseconds.
    ThrottledTime,
    /// Microseconds in which some threads were held up for a CPU; pressure is only in v2.
    CpuSome,
    /// The same of all threads.
    CpuFull,
    /// Microseconds in which some threads were held up for memory.
    MemorySome,
    /// The same of all threads.
    MemoryFull,
    /// Microseconds in which some threads were held up by input and output.
    IoSome,
    /// The same of all threads.
    IoFull,
    /// Microseconds in which some threads were held up by interrupts.
    IrqSome,
    /// The same of all threads.
    IrqFull,
    /// Memory in use, in bytes, page cache included: `memory.current`, v1 `memory.usage_in_bytes`.
    Memory,
    /// The bound of it, [`UNLIMITED`](crate::stat::single::UNLIMITED) for none.
    MemoryMax,
    /// Swap in use, in bytes. In v1 it is a difference of two files that are read one after the other.
    Swap,
    /// The bound of it; only v2.
    SwapMax,
    /// Memory in no file, in bytes; from here to [`Self::SwappedOut`] from `memory.stat`. In v1 this and the next contain
    /// the groups below, as all of v2 do, and the others do not exist.
    Anonymous,
    /// Memory that holds the content of files.
    File,
    /// Memory of kernel stacks.
    KernelStack,
    /// Memory of page tables.
    PageTables,
    /// Kernel objects that could be reclaimed.
    SlabReclaimable,
    /// Pages swapped in since the group was made.
    SwappedIn,
    /// Pages swapped out since the group was made.
    SwappedOut,
    /// Reclaims although the usage was below `memory.low`; from here to [`Self::OomKill`] from `memory.events`, only v2.
    Low,
    /// Times that `memory.high` throttled.
    High,
    /// Times that the usage was about to exceed `memory.max`.
    Max,
    /// Times that the usage stayed at the limit and an allocation was about to fail.
    Oom,
    /// Processes killed for lack of memory, since Linux 4.13.
    OomKill,
    /// Threads in the control group and those below it: `pids.current`.
    Pids,
    /// How many devices there was traffic with: `io.stat`, v1 `blkio.throttle.io_service_bytes`. See
    /// [`Reading::io`](super::Reading::io).
    Devices,
}

impl Stat {
    pub(super) const COUNT: usize = Self::Devices as usize + 1;
}

/// A set of statistics.
///
/// ```
/// use alumet_reader_cgroupfs::engine::{Stat, Wanted};
///
/// let wanted: Wanted = [Stat::CpuTotal, Stat::Memory].into_iter().collect();
/// assert!(wanted.has(Stat::CpuTotal) && !wanted.has(Stat::Devices));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wanted(u64);

impl Wanted {
    /// Everything.
    pub const ALL: Self = Self((1 << Stat::COUNT) - 1);

    /// Whether a statistic is in the set.
    pub const fn has(self, stat: Stat) -> bool {
        self.0 & (1 << stat as u8) != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many files of a control group of version 2 have them.
    pub fn files(self) -> usize {
        V2.iter().filter(|spec| spec.is_wanted(self)).count()
    }

    /// Adds a statistic.
    pub const fn add(&mut self, stat: Stat) {
        self.0 |= 1 << stat as u8;
    }
}

impl FromIterator<Stat> for Wanted {
    fn from_iter<Stats: IntoIterator<Item = Stat>>(stats: Stats) -> Self {
        let mut wanted = Self::default();
        stats.into_iter().for_each(|stat| wanted.add(stat));
        wanted
    }
}
