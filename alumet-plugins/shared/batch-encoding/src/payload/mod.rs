//! Samples to bodies of payloads and back; series are numbers here.

mod groups;
mod read;
mod write;

use alumet_core::Timestamp;

use groups::Groups;
pub(crate) use read::PayloadReader;
pub(crate) use write::PayloadWriter;

/// Scratch memory for more samples than this is not kept for the next batch.
const KEPT_SAMPLES: usize = 1 << 16;

/// The samples of one batch, column by column.
#[derive(Debug, Default)]
struct Samples {
    groups: Groups,
    /// The number of the series of each sample.
    numbers: Vec<u32>,
    /// The group of each sample.
    group_of: Vec<u32>,
    timestamps: Vec<Timestamp>,
    /// The values group by group.
    grouped: Vec<u64>,
    /// What has to be added to the decimals among them.
    corrections: Vec<u64>,
}

impl Samples {
    /// Whether it has so much more room than for `count` samples that it is better made anew.
    fn is_too_large(&self, count: usize) -> bool {
        self.grouped.capacity() > KEPT_SAMPLES.max(count)
    }

    fn clear(&mut self) {
        self.groups.clear();
        self.numbers.clear();
        self.group_of.clear();
        self.timestamps.clear();
        self.grouped.clear();
    }

    /// Adds the series of one sample, whose metric has that place among the metrics of the dictionary.
    #[inline]
    fn push_series(&mut self, number: u32, metric: u32) {
        self.group_of.push(self.groups.add(metric, number));
        self.numbers.push(number);
    }
}
