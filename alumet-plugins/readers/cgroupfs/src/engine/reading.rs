//! What one poll says about a control group.

use crate::stat::cpu_stat::Throttling;
use crate::stat::events::{CgroupEvents, MemoryEvents};
use crate::stat::io_stat::IoDevice;
use crate::stat::pressure::Pressure;
use crate::stat::single::Limit;

/// The statistics of a control group, the same for both versions. `None`: not wanted, or not offered here.
///
/// Reuse one for all control groups: its lists keep their memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// CPU time since the control group was made.
    pub cpu: CpuTime,
    /// How its bandwidth limit acted.
    pub throttling: Option<Throttling>,
    /// Time held up for a CPU.
    pub cpu_pressure: Option<Pressure>,
    /// Time held up for memory.
    pub memory_pressure: Option<Pressure>,
    /// Time held up for input and output.
    pub io_pressure: Option<Pressure>,
    /// Time held up by interrupts.
    pub irq_pressure: Option<Pressure>,
    /// Memory in use, in bytes, page cache included.
    pub memory_current: Option<u64>,
    /// The bound of it.
    pub memory_max: Option<Limit>,
    /// Swap in use, in bytes. In v1 it is a difference of two files that are read one after the other.
    pub swap_current: Option<u64>,
    /// The bound of it; only v2.
    pub swap_max: Option<Limit>,
    /// The most memory that was ever in use, in bytes.
    pub memory_peak: Option<u64>,
    /// The selected entries of `memory.stat` in the order of the selection; empty when the file is not read.
    pub memory_stat: Vec<Option<u64>>,
    /// How often memory limits acted; only v2.
    pub memory_events: Option<MemoryEvents>,
    /// Whether [`Self::io`] was read: no traffic is not the same as unknown.
    pub has_io: bool,
    /// The traffic with each device.
    pub io: Vec<IoDevice>,
    /// Threads in the control group and its descendants.
    pub pids_current: Option<u64>,
    /// The bound of it.
    pub pids_max: Option<Limit>,
    /// Whether it is populated and frozen; only v2.
    pub events: Option<CgroupEvents>,
}

/// CPU time, in nanoseconds in both versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In total.
    pub usage_ns: Option<u64>,
    /// In user mode.
    pub user_ns: Option<u64>,
    /// In kernel mode.
    pub system_ns: Option<u64>,
}

impl Reading {
    /// Forgets all values and keeps the memory of the lists.
    pub fn clear(&mut self) {
        let mut memory_stat = std::mem::take(&mut self.memory_stat);
        let mut io = std::mem::take(&mut self.io);
        memory_stat.clear();
        io.clear();
        *self = Self {
            memory_stat,
            io,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleared_reading_keeps_only_memory() {
        let mut reading = Reading {
            memory_stat: Vec::with_capacity(9),
            has_io: true,
            pids_current: Some(1),
            ..Reading::default()
        };
        reading.io.push(IoDevice::default());
        reading.clear();
        assert_eq!(reading, Reading::default());
        assert!(reading.memory_stat.capacity() >= 9);
    }
}
