//! A file with a counter of energy.

use alumet_core::source::Accumulator;
use alumet_shared_energy_counter::{EnergySeries, ReadAt, Refusals};

use crate::NumberFile;

#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) device: Option<usize>,
    pub(crate) file: NumberFile,
    pub(crate) parse: fn(&[u8]) -> Option<u64>,
    pub(crate) energy: EnergySeries,
}

impl Counter {
    /// Reads the counter; says whether its file has vanished.
    pub(crate) fn read(&mut self, refusals: &mut Refusals, out: &mut Accumulator<'_>) -> bool {
        let before = out.now();
        let reading = self.file.read(self.parse);
        let at = ReadAt::between(out.tick(), before, out.now());
        let has_vanished = reading.is_err() && !self.file.path().exists();
        let name = self.file.path().display();
        self.energy.push(reading, at, &name, refusals, out);
        has_vanished
    }
}
