//! What is made of the rails.

use alumet_core::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use alumet_core::series::SeriesBuilder;
use alumet_core::value::Number;
use alumet_core::{Consumer, Resource};
use alumet_shared_energy_counter::PowerIntegral;
use alumet_shared_sensor_source::{Quantity, Sensors};

use crate::device::Rail;
use crate::metrics;

/// The monitor measures up to 26 V (Texas Instruments, INA3221 datasheet).
const MAX_MILLIVOLTS: f64 = 26_000.0;

/// More than a rail of a board can carry.
const MAX_MILLIAMPERES: f64 = 100_000.0;

/// The product of a millivolt and a milliampere, in milliwatts.
const MILLIWATTS: f64 = 1e-3;

/// The metrics, registered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metrics {
    current: MetricHandle<u64>,
    voltage: MetricHandle<u64>,
    power: MetricHandle<u64>,
    energy: MetricHandle<f64>,
}

impl Metrics {
    pub(crate) fn register(catalog: &Catalog) -> Result<Self, IncompatibleMetric> {
        Ok(Self {
            current: catalog.metric(&metrics::INPUT_CURRENT)?,
            voltage: catalog.metric(&metrics::INPUT_VOLTAGE)?,
            power: catalog.metric(&metrics::INPUT_POWER)?,
            energy: catalog.metric(&metrics::INPUT_ENERGY)?,
        })
    }

    /// Current, voltage, power and energy of each rail.
    pub(crate) fn sensors(self, rails: &[Rail], catalog: &Catalog) -> Sensors {
        let mut sensors = Sensors::default();
        for rail in rails {
            let voltage = sensors.read(rail.voltage.clone(), 1.0, 0.0..=MAX_MILLIVOLTS);
            let current = sensors.read(rail.current.clone(), 1.0, 0.0..=MAX_MILLIAMPERES);
            let power = match &rail.power {
                Some(path) => {
                    let most = MAX_MILLIVOLTS * MAX_MILLIAMPERES * MILLIWATTS;
                    Quantity::Shown(sensors.read(path.clone(), 1.0, 0.0..=most))
                }
                None => Quantity::Product(voltage, current, MILLIWATTS),
            };
            let series = of_rail(catalog, self.current, rail).register();
            sensors.gauge(Quantity::Shown(current), series);
            let series = of_rail(catalog, self.voltage, rail).register();
            sensors.gauge(Quantity::Shown(voltage), series);
            // A milliwatt makes a millijoule in a second.
            let energy = PowerIntegral::new(of_rail(catalog, self.energy, rail).register(), 1.0);
            sensors.power(power, of_rail(catalog, self.power, rail).register(), energy);
        }
        sensors
    }
}

fn of_rail<'c, T: Number>(
    catalog: &'c Catalog,
    metric: MetricHandle<T>,
    rail: &Rail,
) -> SeriesBuilder<'c, T> {
    catalog
        .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
        .attribute("ina_device_number", rail.bus)
        .attribute("ina_i2c_address", rail.address)
        .attribute("ina_channel_id", u64::from(rail.channel))
        .attribute("ina_channel_label", rail.label.as_str())
}
