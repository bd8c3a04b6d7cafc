//! What is read, and which series it feeds.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use alumet_core::plugin::Finding;
use alumet_core::source::Accumulator;
use alumet_shared_energy_counter::{EnergySeries, PowerIntegral, Refusals};

use crate::counter::Counter;
use crate::gauge::{Feed, Gauge, Position, Quantity};
use crate::reading::{Device, Reading};
use crate::{NumberFile, number, refused_files};

/// The sensors of a plugin, each of which is read once per poll.
#[derive(Debug, Default)]
pub struct Sensors {
    devices: Vec<Device>,
    /// The device of what is added next.
    device: Option<usize>,
    readings: Vec<Reading>,
    gauges: Vec<Gauge>,
    counters: Vec<Counter>,
}

impl Sensors {
    /// Whether there is nothing to read.
    pub const fn is_empty(&self) -> bool {
        self.readings.is_empty() && self.counters.is_empty()
    }

    /// Begins a device with this folder: what is added after this is not read while its `power/runtime_status`, if there is
    /// one, says `suspended`.
    pub fn begin_device(&mut self, folder: &Path) {
        let status = folder.join("power/runtime_status");
        self.device = status.exists().then(|| {
            self.devices.push(Device::new(status));
            self.devices.len() - 1
        });
    }

    /// Adds a file whose number is multiplied by `scale`, and believed if the product is `plausible`.
    pub fn read(&mut self, path: PathBuf, scale: f64, plausible: RangeInclusive<f64>) -> Position {
        self.readings
            .push(Reading::new(self.device, path, scale, plausible));
        Position(self.readings.len() - 1)
    }

    /// Adds a series.
    pub fn gauge(&mut self, quantity: Quantity, series: impl Into<Feed>) {
        self.gauges.push(Gauge {
            quantity,
            series: series.into(),
            energy: None,
        });
    }

    /// Adds a series of power and the energy that it makes.
    pub fn power(&mut self, quantity: Quantity, series: impl Into<Feed>, energy: PowerIntegral) {
        self.gauges.push(Gauge {
            quantity,
            series: series.into(),
            energy: Some(energy),
        });
    }

    /// Adds a file with a counter of energy.
    pub fn counter(&mut self, path: PathBuf, parse: fn(&[u8]) -> Option<u64>, energy: EnergySeries) {
        self.counters.push(Counter {
            device: self.device,
            file: NumberFile::new(path),
            parse,
            energy,
        });
    }

    /// Reads everything that does not sleep, and says which files this user may not read; for a trial.
    pub fn refused(&mut self, subject: &str) -> Option<Finding> {
        self.devices.iter_mut().for_each(Device::look);
        let is_awake = |device: Option<usize>| device.is_none_or(|device| !self.devices[device].is_asleep);
        let readings = self
            .readings
            .iter_mut()
            .filter(|reading| is_awake(reading.device));
        let readings = readings.map(|reading| reading.file.read(number).map(drop));
        let counters = self
            .counters
            .iter_mut()
            .filter(|counter| is_awake(counter.device));
        let counters = counters.map(|counter| counter.file.read(counter.parse).map(drop));
        refused_files(subject, readings.chain(counters))
    }

    /// Takes over from an earlier list what has not changed: counters and integrals go on.
    pub(crate) fn adopt(&mut self, earlier: Self) {
        let mut counters = earlier.counters;
        for counter in &mut self.counters {
            let same = |known: &Counter| known.file.path() == counter.file.path();
            if let Some(position) = counters.iter().position(same) {
                let known = counters.swap_remove(position);
                (counter.file, counter.energy) = (known.file, known.energy);
            }
        }
        let mut readings = earlier.readings;
        for reading in &mut self.readings {
            let same = |known: &Reading| known.file.path() == reading.file.path();
            if let Some(position) = readings.iter().position(same) {
                let known = readings.swap_remove(position);
                (reading.file, reading.is_told) = (known.file, known.is_told);
            }
        }
        let mut integrals: Vec<_> = earlier
            .gauges
            .into_iter()
            .filter_map(|gauge| gauge.energy)
            .collect();
        for integral in self.gauges.iter_mut().filter_map(|gauge| gauge.energy.as_mut()) {
            let same = |known: &PowerIntegral| known.series().id() == integral.series().id();
            if let Some(position) = integrals.iter().position(same) {
                *integral = integrals.swap_remove(position);
            }
        }
    }

    /// Reads everything and pushes it; says whether a file has vanished.
    pub(crate) fn poll(&mut self, refusals: &mut Refusals, out: &mut Accumulator<'_>) -> bool {
        self.devices.iter_mut().for_each(Device::look);
        let is_asleep = |device: Option<usize>| device.is_some_and(|device| self.devices[device].is_asleep);
        let mut has_vanished = false;
        let mut before = out.now();
        for reading in &mut self.readings {
            reading.value = None;
            if !is_asleep(reading.device) {
                has_vanished |= reading.read(&mut before, refusals, out);
            }
        }
        for gauge in &mut self.gauges {
            gauge.push(&self.readings, out);
        }
        for counter in &mut self.counters {
            if counter.energy.is_due(out.tick().monotonic) && !is_asleep(counter.device) {
                has_vanished |= counter.read(refusals, out);
            }
        }
        has_vanished
    }

    /// Lets all energies begin anew.
    pub(crate) fn reset(&mut self) {
        self.counters
            .iter_mut()
            .for_each(|counter| counter.energy.reset());
        let gauges = self.gauges.iter_mut();
        gauges
            .filter_map(|gauge| gauge.energy.as_mut())
            .for_each(PowerIntegral::reset);
    }
}
