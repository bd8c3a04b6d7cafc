//! What is read, and which series it feeds.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use alumet_core::Series;
use alumet_core::plugin::Finding;
use alumet_core::source::Accumulator;
use alumet_core::time::Moment;
use alumet_reader_kernel_file::ReadError;
use alumet_shared_energy_counter::{EnergySeries, PowerIntegral, ReadAt, Refusal, Refusals};

use crate::{NumberFile, number};

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

/// The position of a reading among those of its [`Sensors`].
#[derive(Debug, Clone, Copy)]
pub struct Position(usize);

/// What a series shows.
#[derive(Debug)]
pub enum Quantity {
    /// One reading.
    Shown(Position),
    /// The product of two readings, times a factor.
    Product(Position, Position, f64),
    /// A sum of readings times factors; 0 where it would be negative.
    Sum(Vec<(f64, Position)>),
}

/// A series of numbers, whole or not.
#[derive(Debug)]
pub enum Feed {
    /// Of whole numbers, to which is rounded.
    Whole(Series<u64>),
    /// Of any numbers.
    Fraction(Series<f64>),
}

/// What is not read while it sleeps, for reading would wake it.
#[derive(Debug)]
struct Device {
    /// `power/runtime_status` of the device.
    status: NumberFile,
    is_asleep: bool,
}

#[derive(Debug)]
struct Reading {
    device: Option<usize>,
    file: NumberFile,
    parse: fn(&[u8]) -> Option<f64>,
    scale: f64,
    plausible: RangeInclusive<f64>,
    /// What was read at this poll, and when.
    value: Option<(f64, ReadAt)>,
    /// Whether it was told that there is no reading.
    is_told: bool,
}

#[derive(Debug)]
struct Gauge {
    quantity: Quantity,
    series: Feed,
    energy: Option<PowerIntegral>,
}

#[derive(Debug)]
struct Counter {
    device: Option<usize>,
    file: NumberFile,
    parse: fn(&[u8]) -> Option<u64>,
    energy: EnergySeries,
}

impl From<Series<u64>> for Feed {
    fn from(series: Series<u64>) -> Self {
        Self::Whole(series)
    }
}

impl From<Series<f64>> for Feed {
    fn from(series: Series<f64>) -> Self {
        Self::Fraction(series)
    }
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
            self.devices.push(Device {
                status: NumberFile::new(status),
                is_asleep: false,
            });
            self.devices.len() - 1
        });
    }

    /// Adds a file whose number is multiplied by `scale`, and believed if the product is `plausible`.
    pub fn read(&mut self, path: PathBuf, scale: f64, plausible: RangeInclusive<f64>) -> Position {
        self.readings.push(Reading {
            device: self.device,
            file: NumberFile::new(path),
            parse: number,
            scale,
            plausible,
            value: None,
            is_told: false,
        });
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

    /// Reads everything, and says which files this user may not read; for a trial.
    pub fn refused(&mut self, subject: &str) -> Option<Finding> {
        let mut paths = Vec::new();
        let mut keep = |error| {
            if let ReadError::PermissionDenied { path, .. } = error {
                paths.push(path);
            }
        };
        for reading in &mut self.readings {
            reading.file.read(reading.parse).err().map(&mut keep);
        }
        for counter in &mut self.counters {
            counter.file.read(counter.parse).err().map(&mut keep);
        }
        let first = paths.first()?.display();
        let detail = match paths.len() - 1 {
            0 => format!("{first} may not be read"),
            more => format!("{first} and {more} more may not be read"),
        };
        let remedy = format!(
            "grant CAP_DAC_READ_SEARCH: `sudo setcap cap_dac_read_search=ep $(command -v alumet-agent)`, or this file to all: \
             `sudo chmod a+r {first}`"
        );
        Some(Finding::limited(subject, detail, remedy))
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

impl Device {
    /// A device that does not tell is awake.
    fn look(&mut self) {
        let is_asleep = |bytes: &[u8]| Some(bytes.trim_ascii() == b"suspended");
        self.is_asleep = self.status.read(is_asleep).unwrap_or(false);
    }
}

impl Reading {
    /// Reads the file; says whether it has vanished. `before` is when the previous reading ended.
    fn read(&mut self, before: &mut Moment, refusals: &mut Refusals, out: &Accumulator<'_>) -> bool {
        let result = self.file.read(self.parse);
        let after = out.now();
        let at = ReadAt::between(out.tick(), std::mem::replace(before, after), after);
        let error = match result {
            Ok(value) if self.plausible.contains(&(value * self.scale)) => {
                self.value = Some((value * self.scale, at));
                return false;
            }
            Ok(_) => {
                refusals.count(Refusal::Excess);
                None
            }
            Err(_) if !self.file.path().exists() => return true,
            Err(error) => {
                refusals.count(Refusal::Unreadable);
                Some(error)
            }
        };
        if !std::mem::replace(&mut self.is_told, true) {
            let path = self.file.path().display();
            match error {
                Some(error) => {
                    tracing::warn!(%error, "a sensor has no reading; this is told once, and counted each time");
                }
                None => tracing::warn!(
                    %path, "a sensor shows what cannot be; this is told once, and counted each time"
                ),
            }
        }
        false
    }
}

impl Gauge {
    fn push(&mut self, readings: &[Reading], out: &mut Accumulator<'_>) {
        let Some((value, at)) = self.quantity.of(readings) else {
            self.energy.iter_mut().for_each(PowerIntegral::miss);
            return;
        };
        match &self.series {
            Feed::Whole(series) => out.push_at(series, at.timestamp, value.round() as u64),
            Feed::Fraction(series) => out.push_at(series, at.timestamp, value),
        }
        if let Some(energy) = &mut self.energy {
            energy.push(value, at, out);
        }
    }
}

impl Quantity {
    fn of(&self, readings: &[Reading]) -> Option<(f64, ReadAt)> {
        let value = |position: &Position| readings[position.0].value;
        match self {
            Self::Shown(position) => value(position),
            Self::Product(left, right, factor) => {
                let (right, at) = value(right)?;
                Some((value(left)?.0 * right * factor, at))
            }
            Self::Sum(terms) => {
                let (_, at) = value(&terms.last()?.1)?;
                let terms = terms
                    .iter()
                    .map(|(factor, position)| Some(factor * value(position)?.0));
                Some((terms.sum::<Option<f64>>()?.max(0.0), at))
            }
        }
    }
}

impl Counter {
    /// Reads the counter; says whether its file has vanished.
    fn read(&mut self, refusals: &mut Refusals, out: &mut Accumulator<'_>) -> bool {
        let before = out.now();
        let reading = self.file.read(self.parse);
        let at = ReadAt::between(out.tick(), before, out.now());
        let has_vanished = reading.is_err() && !self.file.path().exists();
        let name = self.file.path().display();
        self.energy.push(reading, at, &name, refusals, out);
        has_vanished
    }
}
