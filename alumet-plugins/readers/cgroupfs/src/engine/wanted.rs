//! What is read of a control group.

use std::ops::BitOr;

/// A set of statistics.
///
/// ```
/// use alumet_reader_cgroupfs::engine::Wanted;
///
/// let wanted = Wanted::CPU_TIME | Wanted::MEMORY_CURRENT;
/// assert!(wanted.contains(Wanted::CPU_TIME) && !wanted.contains(Wanted::IO));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wanted(u32);

impl Wanted {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// CPU time, in total: `cpu.stat`, v1 `cpuacct.usage`.
    pub const CPU_TIME: Self = Self(1);
    /// CPU time in user and kernel mode: `cpu.stat`, v1 `cpuacct.stat` (resolution 10 ms).
    pub const CPU_SPLIT: Self = Self(1 << 1);
    /// How the bandwidth limit acted: `cpu.stat` of both versions.
    pub const CPU_THROTTLING: Self = Self(1 << 2);
    /// `cpu.pressure`, only v2.
    pub const CPU_PRESSURE: Self = Self(1 << 3);
    /// `memory.pressure`, only v2.
    pub const MEMORY_PRESSURE: Self = Self(1 << 4);
    /// `io.pressure`, only v2.
    pub const IO_PRESSURE: Self = Self(1 << 5);
    /// `irq.pressure`, only v2.
    pub const IRQ_PRESSURE: Self = Self(1 << 6);
    /// `memory.current`, v1 `memory.usage_in_bytes`.
    pub const MEMORY_CURRENT: Self = Self(1 << 7);
    /// `memory.max`, v1 `memory.limit_in_bytes`.
    pub const MEMORY_MAX: Self = Self(1 << 8);
    /// `memory.swap.current`; v1 `memory.memsw.usage_in_bytes` less the memory.
    pub const SWAP_CURRENT: Self = Self(1 << 9);
    /// `memory.swap.max`, only v2.
    pub const SWAP_MAX: Self = Self(1 << 10);
    /// `memory.peak` (Linux 5.19), v1 `memory.max_usage_in_bytes`.
    pub const MEMORY_PEAK: Self = Self(1 << 11);
    /// Selected entries of `memory.stat` of both versions.
    pub const MEMORY_STAT: Self = Self(1 << 12);
    /// `memory.events`, only v2.
    pub const MEMORY_EVENTS: Self = Self(1 << 13);
    /// `io.stat`, v1 `blkio.throttle.io_service_bytes_recursive` or without `_recursive`.
    pub const IO: Self = Self(1 << 14);
    /// `pids.current`.
    pub const PIDS_CURRENT: Self = Self(1 << 15);
    /// `pids.max`.
    pub const PIDS_MAX: Self = Self(1 << 16);
    /// `cgroup.events`, only v2.
    pub const EVENTS: Self = Self(1 << 17);
    /// Everything.
    pub const ALL: Self = Self((1 << 18) - 1);

    /// Whether all of `other` is wanted.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is wanted.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets together, in a constant.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Wanted {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}
