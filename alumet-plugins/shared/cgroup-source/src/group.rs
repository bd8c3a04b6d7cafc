//! One control group that is measured.

use std::sync::Arc;

use alumet_core::catalog::MetricHandle;
use alumet_core::source::Accumulator;
use alumet_core::time::Monotonic;
use alumet_core::value::Number;
use alumet_core::{Attributes, Consumer, Resource, Series};
use alumet_reader_cgroupfs::engine::{Reading, SlotId};
use alumet_reader_cgroupfs::stat::io_stat::IoDevice;
use alumet_reader_cgroupfs::watch::CgroupId;

use crate::columns::{Column, Columns, IoMetrics};
use crate::cpus::Capacity;
use crate::devices::DeviceNames;

/// A control group that is measured.
pub(crate) struct Group {
    pub(crate) id: CgroupId,
    pub(crate) identity: Identity,
    /// What is read at each poll, and what is read slowly.
    pub(crate) parts: [Option<Part>; 2],
}

/// What its series have in common.
pub(crate) struct Identity {
    pub(crate) consumer: Consumer,
    pub(crate) attributes: Attributes,
}

/// What is read of it at one pace: a slot of the engine, the series, and the previous values.
pub(crate) struct Part {
    pub(crate) slot: SlotId,
    deltas: Vec<Count>,
    numbers: Vec<Option<Series<u64>>>,
    limits: Vec<Option<Series<f64>>>,
    shares: Vec<Share>,
    devices: Vec<Device>,
    /// Whether a device that has not been seen had no traffic before.
    has_io_baseline: bool,
    /// An instant before the previous reading.
    read_at: Option<Monotonic>,
}

/// A count and the series of its increase. Series are made with their first sample: much is not offered everywhere.
#[derive(Default)]
struct Count {
    series: Option<Series<u64>>,
    previous: Option<u64>,
}

#[derive(Default)]
struct Share {
    series: Option<Series<f64>>,
    previous: Option<u64>,
    /// CPU time that was more than the interval offered, for the next one.
    owed: u64,
}

struct Device {
    number: (u32, u32),
    /// Read, write, discard: bytes, then operations.
    counts: [Count; 6],
}

/// What a reading is judged by.
pub(crate) struct Context<'a> {
    /// An instant before the reading.
    pub(crate) before: Monotonic,
    /// An instant after the reading.
    pub(crate) after: Monotonic,
    /// What 100 % of CPU time is.
    pub(crate) capacity: Capacity,
    pub(crate) names: &'a mut DeviceNames,
}

const DIRECTIONS: [&str; 3] = ["read", "write", "discard"];

impl Part {
    /// A part without a reading. What a newborn control group ever used counts from zero.
    pub(crate) fn new(slot: SlotId, columns: &Columns, is_newborn: bool) -> Self {
        let count = || Count {
            series: None,
            previous: is_newborn.then_some(0),
        };
        Self {
            slot,
            deltas: columns.deltas.iter().map(|_| count()).collect(),
            numbers: vec![None; columns.numbers.len()],
            limits: vec![None; columns.limits.len()],
            shares: columns.shares.iter().map(|_| Share::default()).collect(),
            devices: Vec::new(),
            has_io_baseline: is_newborn,
            read_at: None,
        }
    }

    /// Forgets all previous values: a delta must not span a gap.
    pub(crate) fn forget(&mut self) {
        self.deltas.iter_mut().for_each(|count| count.previous = None);
        self.shares.iter_mut().for_each(|share| {
            share.previous = None;
            share.owed = 0;
        });
        self.devices.clear();
        self.has_io_baseline = false;
        self.read_at = None;
    }

    /// Pushes what a reading says.
    pub(crate) fn push(
        &mut self,
        columns: &Columns,
        reading: &Reading,
        identity: &Identity,
        context: Context<'_>,
        out: &mut Accumulator<'_>,
    ) {
        for (column, count) in columns.deltas.iter().zip(&mut self.deltas) {
            count.push((column.value)(reading), out, |out| identity.series(column, out));
        }
        for (column, series) in columns.numbers.iter().zip(&mut self.numbers) {
            if let Some(value) = (column.value)(reading) {
                out_push(series, value, out, |out| identity.series(column, out));
            }
        }
        for (column, series) in columns.limits.iter().zip(&mut self.limits) {
            if let Some(limit) = (column.value)(reading) {
                let value = limit.bound().map_or(-1.0, |bytes| bytes as f64);
                out_push(series, value, out, |out| identity.series(column, out));
            }
        }
        // The outer instants: a reading that was held up cannot make a share larger than it was.
        let elapsed = self
            .read_at
            .replace(context.before)
            .map(|before| context.after.since(before));
        for (column, share) in columns.shares.iter().zip(&mut self.shares) {
            let Some(now) = (column.value)(reading) else {
                continue;
            };
            let used = share
                .previous
                .replace(now)
                .and_then(|before| now.checked_sub(before));
            let percent = used.zip(elapsed).and_then(|(used, elapsed)| {
                context
                    .capacity
                    .bill(used.saturating_add(share.owed), elapsed)
                    .map(|(percent, owed)| {
                        share.owed = owed;
                        percent
                    })
            });
            if let Some(percent) = percent {
                out_push(&mut share.series, percent, out, |out| {
                    identity.series(column, out)
                });
            }
        }
        if let Some(metrics) = columns.io.filter(|_| reading.has_io) {
            for traffic in &reading.io {
                self.push_io(metrics, traffic, identity, context.names, out);
            }
            self.has_io_baseline = true;
        }
    }

    fn push_io(
        &mut self,
        metrics: IoMetrics,
        traffic: &IoDevice,
        identity: &Identity,
        names: &mut DeviceNames,
        out: &mut Accumulator<'_>,
    ) {
        let number = (traffic.major, traffic.minor);
        let baseline = self.has_io_baseline.then_some(0);
        let index = self.devices.iter().position(|device| device.number == number);
        let index = index.unwrap_or_else(|| {
            let count = || Count {
                series: None,
                previous: baseline,
            };
            self.devices.push(Device {
                number,
                counts: std::array::from_fn(|_| count()),
            });
            self.devices.len() - 1
        });
        let values = [
            Some(traffic.read_bytes),
            Some(traffic.write_bytes),
            traffic.discard_bytes,
            traffic.read_ops,
            traffic.write_ops,
            traffic.discard_ops,
        ];
        for (place, (count, value)) in self.devices[index].counts.iter_mut().zip(values).enumerate() {
            let metric = if place < DIRECTIONS.len() {
                metrics.bytes
            } else {
                metrics.operations
            };
            count.push(value, out, |out| {
                out.catalog()
                    .series(metric, Resource::LocalMachine, identity.consumer.clone())
                    .attributes(&identity.attributes)
                    .attribute("device", names.name(number.0, number.1))
                    .attribute("direction", DIRECTIONS[place % DIRECTIONS.len()])
                    .register()
            });
        }
    }
}

impl Count {
    /// Pushes the increase since the previous value. A fall is a new beginning that gives no sample.
    fn push(
        &mut self,
        value: Option<u64>,
        out: &mut Accumulator<'_>,
        make: impl FnOnce(&Accumulator<'_>) -> Series<u64>,
    ) {
        let Some(now) = value else { return };
        let increase = self
            .previous
            .replace(now)
            .and_then(|before| now.checked_sub(before));
        if let Some(increase) = increase {
            out_push(&mut self.series, increase, out, make);
        }
    }
}

impl Identity {
    pub(crate) fn new(path: &str, attributes: Attributes) -> Self {
        let path: Arc<str> = path.into();
        Self {
            consumer: Consumer::ControlGroup { path },
            attributes,
        }
    }

    fn series<T: Number, V>(&self, column: &Column<T, V>, out: &Accumulator<'_>) -> Series<T> {
        let metric: MetricHandle<T> = column.metric;
        let catalog = out.catalog();
        catalog
            .series(metric, Resource::LocalMachine, self.consumer.clone())
            .attributes(&self.attributes)
            .attributes(&column.attributes)
            .register()
    }
}

fn out_push<T: Number>(
    series: &mut Option<Series<T>>,
    value: T,
    out: &mut Accumulator<'_>,
    make: impl FnOnce(&Accumulator<'_>) -> Series<T>,
) {
    let series = series.get_or_insert_with(|| make(out));
    out.push(series, value);
}
