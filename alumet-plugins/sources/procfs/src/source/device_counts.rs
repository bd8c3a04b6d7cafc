//! Counts of named devices that come and go.

use alumet_core::catalog::MetricHandle;
use alumet_core::counter::{Counter, DeltaSeries};
use alumet_core::source::Accumulator;
use alumet_core::{Consumer, Resource};
use alumet_reader_procfs::Name;

use crate::present::Present;

/// What is counted of each device.
pub(super) struct Column {
    pub(super) metric: MetricHandle<u64>,
    /// `None` for what has none.
    pub(super) direction: Option<&'static str>,
    /// How such a count ends.
    pub(super) counter: fn() -> Counter,
}

/// The series of all devices. They are made with their first count: much is not offered everywhere.
pub(super) struct DeviceCounts {
    /// The attribute that names the device.
    key: &'static str,
    columns: Vec<Column>,
    devices: Present<Name, Vec<Option<DeltaSeries>>>,
}

impl DeviceCounts {
    pub(super) fn new(key: &'static str, columns: Vec<Column>) -> Self {
        Self {
            key,
            columns,
            devices: Present::default(),
        }
    }

    /// Pushes the increases of all devices that there are now, whose counts are in the order of the columns, and forgets
    /// those that are gone.
    pub(super) fn push<'d, D, Counts>(
        &mut self,
        devices: impl Iterator<Item = &'d D>,
        counts: impl Fn(&'d D) -> (&'d Name, Counts),
        out: &mut Accumulator<'_>,
    ) where
        D: 'd,
        Counts: IntoIterator<Item = Option<u64>>,
    {
        self.devices.begin();
        for (name, counts) in devices.map(counts) {
            let series = self
                .devices
                .entry(name, || self.columns.iter().map(|_| None).collect());
            for ((column, series), count) in self.columns.iter().zip(series).zip(counts) {
                let Some(count) = count else { continue };
                let series = series.get_or_insert_with(|| {
                    let described = out
                        .catalog()
                        .series(column.metric, Resource::LocalMachine, Consumer::LocalMachine)
                        .attribute(self.key, &*name.to_str_lossy());
                    let described = match column.direction {
                        Some(direction) => described.attribute("direction", direction),
                        None => described,
                    };
                    DeltaSeries::new(described.register(), (column.counter)())
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
