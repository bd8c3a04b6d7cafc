//! Counts of named devices that come and go.

use alumet_core::catalog::MetricHandle;
use alumet_core::counter::{Counter, DeltaSeries};
use alumet_core::source::Accumulator;
use alumet_reader_procfs::BString;

use super::of_machine;
use crate::present::Present;

/// What is counted of each device, in which direction, if it has one, and how such a count ends.
pub(super) type Column = (MetricHandle<u64>, Option<&'static str>, fn() -> Counter);

/// The series of all devices. They are made with their first count: much is not offered everywhere.
pub(super) struct DeviceCounts {
    /// The attribute that names the device.
    key: &'static str,
    columns: Vec<Column>,
    devices: Present<BString, Vec<Option<DeltaSeries>>>,
}

impl DeviceCounts {
    pub(super) fn new(key: &'static str, columns: Vec<Column>) -> Self {
        Self {
            key,
            columns,
            devices: Present::new(),
        }
    }

    /// Pushes the increases of all devices that there are now, whose counts are in the order of the columns, and forgets
    /// those that are gone.
    pub(super) fn push<'d>(
        &mut self,
        devices: impl Iterator<Item = (&'d BString, impl Iterator<Item = Option<u64>>)>,
        out: &mut Accumulator<'_>,
    ) {
        self.devices.begin();
        for (name, counts) in devices {
            let series = self
                .devices
                .entry(name, || self.columns.iter().map(|_| None).collect());
            for ((column, series), count) in self.columns.iter().zip(series).zip(counts) {
                let (metric, direction, counter) = *column;
                let Some(count) = count else { continue };
                let series = series.get_or_insert_with(|| {
                    let described = of_machine(out.catalog(), metric).attribute(self.key, name.to_string());
                    let described = match direction {
                        Some(direction) => described.attribute("direction", direction),
                        None => described,
                    };
                    DeltaSeries::new(described.register(), counter())
                });
                series.push(out, count);
            }
        }
        self.devices.end();
    }

    /// Forgets all counts: a delta must not span a gap.
    pub(super) fn clear(&mut self) {
        self.devices.clear();
    }
}
