//! What one poll says about a control group.

use super::Stat;
use crate::stat::io_stat::IoDevice;

/// The statistics of a control group, the same for both versions.
///
/// Reuse one for all control groups: its list keeps its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub(super) values: [Option<u64>; Stat::COUNT],
    pub(super) io: Vec<IoDevice>,
}

impl Reading {
    /// A statistic; `None` when it is not wanted, or not offered here.
    pub const fn get(&self, stat: Stat) -> Option<u64> {
        self.values[stat as usize]
    }

    /// The traffic with each device; `None` when it is not known, which is not the same as none.
    pub fn io(&self) -> Option<&[IoDevice]> {
        self.get(Stat::Devices).map(|_| &*self.io)
    }

    pub(super) fn set(&mut self, stat: Stat, value: Option<u64>) {
        self.values[stat as usize] = value;
    }

    /// Forgets all values and keeps the memory of the list.
    pub(super) fn clear(&mut self) {
        self.values = Default::default();
        self.io.clear();
    }
}
