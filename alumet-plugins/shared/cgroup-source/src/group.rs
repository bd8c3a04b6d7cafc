//! One control group that is measured.

use std::time::Duration;

use alumet_core::catalog::MetricHandle;
use alumet_core::counter::Ascent;
use alumet_core::source::{Accumulator, Tick};
use alumet_core::time::{Monotonic, Timestamp};
use alumet_core::value::Number;
use alumet_core::{Attributes, Consumer, Resource, Series};
use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::engine::{Reading, SlotId};
use alumet_reader_cgroupfs::stat::io_stat::IoDevice;
use alumet_reader_cgroupfs::stat::single::UNLIMITED;
use alumet_reader_procfs::Capacity;

use crate::columns::{Column, Columns};
use crate::cpus::bill;
use crate::devices::DeviceNames;

/// A control group that is measured.
pub(crate) struct Group {
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
    cpu: Box<[CpuTime]>,
    deltas: Box<[Count]>,
    numbers: Box<[Option<Series<u64>>]>,
    limits: Box<[Option<Series<f64>>]>,
    devices: Vec<Device>,
    /// An instant before the previous reading, or before its birth; `None` for the first reading of what is older.
    read_at: Option<Monotonic>,
    /// When all of its counts were zero; `None` when it is older than the watch.
    zero: Option<Timestamp>,
    /// When it was read last.
    pushed_at: Option<Timestamp>,
    /// When there was no traffic with a device that has not been seen yet.
    devices_zero: Option<Timestamp>,
}

/// A count and the series of its increase. Series are made with their first sample: much is not offered everywhere.
#[derive(Default)]
struct Count {
    series: Option<Series<u64>>,
    count: Ascent,
}

#[derive(Default)]
struct CpuTime {
    time: Count,
    share: Option<Series<f64>>,
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
    /// A part without a reading. All that a control group ever used counts when it was born after a known look.
    pub(crate) fn new(slot: SlotId, columns: &Columns, born_after: Option<Tick>) -> Self {
        Self {
            slot,
            cpu: columns.cpu.iter().map(|_| CpuTime::default()).collect(),
            deltas: columns.deltas.iter().map(|_| Count::default()).collect(),
            numbers: columns.numbers.iter().map(|_| None).collect(),
            limits: columns.limits.iter().map(|_| None).collect(),
            devices: Vec::new(),
            read_at: born_after.map(|look| look.monotonic),
            zero: born_after.map(|look| look.timestamp),
            pushed_at: None,
            devices_zero: born_after.map(|look| look.timestamp),
        }
    }

    /// Lets its series end, and others begin where they have ended.
    pub(crate) fn rename(&mut self) {
        for cpu in &mut self.cpu {
            (cpu.time.series, cpu.share) = (None, None);
        }
        let devices = self.devices.iter_mut().flat_map(|device| &mut device.counts);
        for count in self.deltas.iter_mut().chain(devices) {
            count.series = None;
        }
        self.numbers.fill_with(|| None);
        self.limits.fill_with(|| None);
        self.zero = self.pushed_at.or(self.zero);
    }

    /// Forgets all previous values: a delta must not span a gap.
    pub(crate) fn forget(&mut self) {
        for cpu in &mut self.cpu {
            cpu.time.count = Ascent::default();
            cpu.owed = 0;
        }
        for delta in &mut self.deltas {
            delta.count = Ascent::default();
        }
        self.devices.clear();
        self.read_at = None;
        self.zero = None;
        self.pushed_at = None;
        self.devices_zero = None;
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
        self.pushed_at = Some(out.tick().timestamp);
        // The outer instants: a reading that was held up cannot make a share larger than it was.
        let before = self.read_at.replace(context.before);
        let elapsed = before.map_or(Duration::ZERO, |before| context.after.since(before));
        for ((time, share), cpu) in columns.cpu.iter().zip(&mut self.cpu) {
            let Some(value) = reading.get(time.stat) else {
                continue;
            };
            let make = |out: &Accumulator<'_>| identity.series(time, out);
            let used = cpu.time.increase(value, self.zero, out, make);
            let owed = std::mem::take(&mut cpu.owed);
            let Some((series, used)) = used else { continue };
            let billed;
            (billed, cpu.owed) = bill(used.saturating_add(owed), elapsed, context.capacity.cpus);
            out.push(series, billed);
            if let Some(percent) = context.capacity.percent(billed, elapsed) {
                out_push(&mut cpu.share, percent, out, |out| identity.series(share, out));
            }
        }
        for (column, count) in columns.deltas.iter().zip(&mut self.deltas) {
            if let Some(value) = reading.get(column.stat) {
                count.push(value, self.zero, out, |out| identity.series(column, out));
            }
        }
        for (column, series) in columns.numbers.iter().zip(&mut self.numbers) {
            if let Some(value) = reading.get(column.stat) {
                out_push(series, value, out, |out| identity.series(column, out));
            }
        }
        for (column, series) in columns.limits.iter().zip(&mut self.limits) {
            if let Some(limit) = reading.get(column.stat) {
                let value = if limit == UNLIMITED { -1.0 } else { limit as f64 };
                out_push(series, value, out, |out| identity.series(column, out));
            }
        }
        if let (Some(metrics), Some(io)) = (columns.io, reading.io()) {
            for traffic in io {
                self.push_io(metrics, traffic, identity, context.names, out);
            }
            self.devices_zero = Some(out.tick().timestamp);
        }
    }

    fn push_io(
        &mut self,
        metrics: [MetricHandle<u64>; 2],
        traffic: &IoDevice,
        identity: &Identity,
        names: &mut DeviceNames,
        out: &mut Accumulator<'_>,
    ) {
        let number = traffic.number;
        let index = self.devices.iter().position(|device| device.number == number);
        let index = index.unwrap_or_else(|| {
            self.devices.push(Device {
                number,
                counts: Default::default(),
            });
            self.devices.len() - 1
        });
        let values = traffic.bytes.into_iter().chain(traffic.operations);
        for (place, (count, value)) in self.devices[index].counts.iter_mut().zip(values).enumerate() {
            let Some(value) = value else { continue };
            count.push(value, self.devices_zero, out, |out| {
                out.catalog()
                    .series(
                        metrics[place / DIRECTIONS.len()],
                        Resource::LocalMachine,
                        identity.consumer.clone(),
                    )
                    .attributes(&identity.attributes)
                    .attribute("device", names.name(number.0, number.1))
                    .attribute("direction", DIRECTIONS[place % DIRECTIONS.len()])
                    .register()
            });
        }
    }
}

impl Count {
    /// The increase since the previous value, or since zero at a known instant, where the series then begins; elsewhere,
    /// and after a fall, it begins now, and there is no increase.
    fn increase(
        &mut self,
        value: u64,
        zero: Option<Timestamp>,
        out: &mut Accumulator<'_>,
        make: impl FnOnce(&Accumulator<'_>) -> Series<u64>,
    ) -> Option<(&Series<u64>, u64)> {
        let begins = self.count == Ascent::default();
        if begins && zero.is_some() {
            self.count = Ascent::from(0);
        }
        let increase = self.count.update(value);
        if self.series.is_none() || increase.is_none() {
            let begin = zero
                .filter(|_| increase.is_some())
                .unwrap_or(out.tick().timestamp);
            let series = self.series.get_or_insert_with(|| make(out));
            out.push_at(series, begin, 0);
        }
        self.series.as_ref().zip(increase)
    }

    fn push(
        &mut self,
        value: u64,
        zero: Option<Timestamp>,
        out: &mut Accumulator<'_>,
        make: impl FnOnce(&Accumulator<'_>) -> Series<u64>,
    ) {
        if let Some((series, increase)) = self.increase(value, zero, out, make) {
            out.push(series, increase);
        }
    }
}

impl Identity {
    pub(crate) fn new(path: &CgroupPath, attributes: Attributes) -> Self {
        let path = path.to_string().into();
        Self {
            consumer: Consumer::ControlGroup { path },
            attributes,
        }
    }

    fn series<T: Number>(&self, column: &Column<T>, out: &Accumulator<'_>) -> Series<T> {
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
