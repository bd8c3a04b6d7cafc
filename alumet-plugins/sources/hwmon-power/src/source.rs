//! The source: what makes samples of readings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use alumet_core::counter::CounterRange;
use alumet_core::series::SeriesBuilder;
use alumet_core::source::{Accumulator, Source};
use alumet_core::time::Monotonic;
use alumet_core::value::Number;
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_kernel_file::ReadError;
use alumet_reader_procfs::hwmon::{self, Sensor};
use alumet_shared_energy_counter::{EnergyCounter, EnergySeries, ReadAt, Refusal, Refusals};
use alumet_shared_sensor_source::SensorClaims;

use crate::device::{Battery, EnergySensor, Listing, PowerSensor};
use crate::metrics;

/// Sensors can be plugged in, and sysfs does not tell; one that vanishes is noticed at once.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// Makes samples of sensors and batteries.
pub(crate) struct HwmonPowerSource {
    root: PathBuf,
    claims: Arc<SensorClaims>,
    power: MetricHandle<f64>,
    energy: MetricHandle<f64>,
    battery: MetricHandle<f64>,
    refusals: Refusals,
    listing: Listing,
    listed: Option<Monotonic>,
    /// In the order of the listing.
    powers: Vec<Gauge<PowerSensor>>,
    energies: Vec<Counted>,
    batteries: Vec<Gauge<Battery>>,
}

/// What is asked for watts.
struct Gauge<D> {
    name: String,
    device: D,
    series: Series<f64>,
    /// Whether it was told that it does not answer, or answers what cannot be.
    is_told: bool,
}

/// What counts joules.
struct Counted {
    name: String,
    device: EnergySensor,
    energy: EnergySeries,
}

impl HwmonPowerSource {
    pub(crate) fn new(
        root: PathBuf,
        claims: Arc<SensorClaims>,
        catalog: &Catalog,
    ) -> Result<Self, IncompatibleMetric> {
        Ok(Self {
            root,
            claims,
            power: catalog.metric(&metrics::HWMON_POWER)?,
            energy: catalog.metric(&metrics::HWMON_ENERGY)?,
            battery: catalog.metric(&metrics::BATTERY_POWER)?,
            refusals: Refusals::register(catalog, catalog.metric(&metrics::HWMON_REFUSED_VALUES)?),
            listing: Listing::default(),
            listed: None,
            powers: Vec::new(),
            energies: Vec::new(),
            batteries: Vec::new(),
        })
    }

    /// Lists what is there and no other plugin measures. Counters that stay go on.
    fn list(&mut self, now: Monotonic, catalog: &Catalog) -> Result<(), ReadError> {
        let mut listing = Listing::of(&self.root)?;
        for sensors in [&mut listing.powers, &mut listing.energies] {
            sensors.retain(|(_, path)| path.parent().is_none_or(|chip| !self.claims.is_claimed(chip)));
        }
        self.listed = Some(now);
        if listing == self.listing {
            return Ok(());
        }
        // The old ones are dropped only at the end, so that a series that stays is never without a handle.
        self.powers = named("power", &listing.powers)
            .map(|(name, (sensor, path))| Gauge {
                series: of_sensor(catalog, self.power, sensor, &name).register(),
                device: PowerSensor::at(path),
                name,
                is_told: false,
            })
            .collect();
        let known = std::mem::take(&mut self.listing.energies);
        let mut known: Vec<_> = known
            .into_iter()
            .zip(std::mem::take(&mut self.energies))
            .collect();
        let counted = |(name, entry): (String, &(Sensor, PathBuf))| {
            if let Some(position) = known.iter().position(|(known, _)| known == entry) {
                return known.swap_remove(position).1;
            }
            let (sensor, path) = entry;
            let series = of_sensor(catalog, self.energy, sensor, &name).register();
            let counter = EnergyCounter::new(CounterRange::Unknown, EnergySensor::MAX_RATE);
            Counted {
                energy: EnergySeries::new(series, counter, EnergySensor::PER_JOULE),
                device: EnergySensor::at(path),
                name,
            }
        };
        self.energies = named("energy", &listing.energies).map(counted).collect();
        self.batteries = listing
            .batteries
            .iter()
            .map(|folder| {
                let name = folder
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let series = of_machine(catalog, self.battery).attribute("battery", name.as_str());
                Gauge {
                    device: Battery::at(folder),
                    series: series.register(),
                    name,
                    is_told: false,
                }
            })
            .collect();
        self.listing = listing;
        Ok(())
    }
}

impl Source for HwmonPowerSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        if self.listed.is_none_or(|listed| now.since(listed) >= LIST_EVERY) {
            self.list(now, out.catalog())?;
        }
        let mut has_vanished = false;
        for gauge in &mut self.powers {
            let watts = gauge.device.watts().map(Some);
            has_vanished |= gauge.push(watts, &mut self.refusals, out);
        }
        for gauge in &mut self.batteries {
            let watts = gauge.device.watts();
            has_vanished |= gauge.push(watts, &mut self.refusals, out);
        }
        for counted in &mut self.energies {
            if counted.energy.is_due(now) {
                let before = out.now();
                let reading = counted.device.microjoules();
                has_vanished |=
                    matches!(&reading, Err(ReadError::NotSupported { path, .. }) if !path.exists());
                let at = ReadAt::between(out.tick(), before, out.now());
                counted
                    .energy
                    .push(reading, at, &counted.name, &mut self.refusals, out);
            }
        }
        if has_vanished {
            self.listed = None;
        }
        self.refusals.push(out);
        Ok(())
    }

    fn reset(&mut self) {
        self.energies
            .iter_mut()
            .for_each(|counted| counted.energy.reset());
        self.refusals.reset();
    }
}

impl<D> Gauge<D> {
    /// Pushes watts with the time of now, for a sensor may have taken long; says whether the device has vanished. An inner none
    /// is what cannot be, an outer one that there is nothing to tell.
    fn push(
        &mut self,
        watts: Result<Option<Option<f64>>, ReadError>,
        refusals: &mut Refusals,
        out: &mut Accumulator<'_>,
    ) -> bool {
        let error = match watts {
            Ok(None) => return false,
            Ok(Some(Some(watts))) => {
                out.push_now(&self.series, watts);
                return false;
            }
            Ok(Some(None)) => {
                refusals.count(Refusal::Excess);
                None
            }
            Err(ReadError::NotSupported { path, .. }) if !path.exists() => return true,
            Err(error) => {
                refusals.count(Refusal::Unreadable);
                Some(error)
            }
        };
        if !std::mem::replace(&mut self.is_told, true) {
            let name = &self.name;
            match error {
                Some(error) => {
                    tracing::warn!(name, %error, "a sensor has no reading; this is told once, and counted each time");
                }
                None => tracing::warn!(
                    name,
                    "a sensor shows a power that cannot be; this is told once, and counted each time"
                ),
            }
        }
        false
    }
}

/// Sensors with their names.
fn named<'s>(
    quantity: &str,
    sensors: &'s [(Sensor, PathBuf)],
) -> impl Iterator<Item = (String, &'s (Sensor, PathBuf))> {
    let names = hwmon::names(quantity, sensors.iter().map(|(sensor, _)| sensor));
    names.into_iter().zip(sensors)
}

fn of_sensor<'c, T: Number>(
    catalog: &'c Catalog,
    metric: MetricHandle<T>,
    sensor: &Sensor,
    name: &str,
) -> SeriesBuilder<'c, T> {
    let described = of_machine(catalog, metric)
        .attribute("chip", sensor.chip.as_str())
        .attribute("sensor", name);
    match &sensor.label {
        Some(label) => described.attribute("label", label.as_str()),
        None => described,
    }
}

/// Begins to describe a series of the machine.
fn of_machine<T: Number>(catalog: &Catalog, metric: MetricHandle<T>) -> SeriesBuilder<'_, T> {
    catalog.series(metric, Resource::LocalMachine, Consumer::LocalMachine)
}
