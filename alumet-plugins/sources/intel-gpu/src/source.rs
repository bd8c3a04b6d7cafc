//! What is made of the graphics processors and of their processes.

use alumet_core::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use alumet_core::counter::CounterRange;
use alumet_core::value::Number;
use alumet_core::{Consumer, Resource, Series};
use alumet_reader_kernel_file::fields::number;
use alumet_shared_energy_counter::{EnergyCounter, EnergySeries};
use alumet_shared_gpu_processes::{Describe, Described, Part};
use alumet_shared_sensor_source::{Quantity as Of, Sensors};

use crate::device::{Gpu, Quantity, Shown};
use crate::metrics;

/// More than a graphics processor can draw.
const MAX_WATTS: f64 = 10_000.0;

/// What counters count for a joule.
const PER_JOULE: f64 = 1e6;

/// The metrics of graphics processors, registered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metrics {
    energy: MetricHandle<f64>,
    power: MetricHandle<f64>,
    frequency: MetricHandle<u64>,
    temperature: MetricHandle<f64>,
    voltage: MetricHandle<u64>,
    fan: MetricHandle<u64>,
}

impl Metrics {
    pub(crate) fn register(catalog: &Catalog) -> Result<Self, IncompatibleMetric> {
        Ok(Self {
            energy: catalog.metric(&metrics::INTEL_GPU_ENERGY)?,
            power: catalog.metric(&metrics::INTEL_GPU_POWER)?,
            frequency: catalog.metric(&metrics::INTEL_GPU_FREQUENCY)?,
            temperature: catalog.metric(&metrics::INTEL_GPU_TEMPERATURE)?,
            voltage: catalog.metric(&metrics::INTEL_GPU_VOLTAGE)?,
            fan: catalog.metric(&metrics::INTEL_GPU_FAN_SPEED)?,
        })
    }

    /// What the graphics processors show.
    pub(crate) fn sensors(self, gpus: &[Gpu], catalog: &Catalog) -> Sensors {
        let mut sensors = Sensors::default();
        for gpu in gpus {
            sensors.begin_device(&gpu.card.device());
            for shown in &gpu.shown {
                self.add(gpu, shown, &mut sensors, catalog);
            }
        }
        sensors
    }

    fn add(self, gpu: &Gpu, shown: &Shown, sensors: &mut Sensors, catalog: &Catalog) {
        let path = shown.path.clone();
        match shown.quantity {
            Quantity::Energy => {
                let counter = EnergyCounter::new(CounterRange::Unknown, MAX_WATTS * PER_JOULE);
                let energy = EnergySeries::new(
                    series(catalog, self.energy, "domain", gpu, shown),
                    counter,
                    PER_JOULE,
                );
                sensors.counter(path, |bytes| number(bytes.trim_ascii()), energy);
            }
            Quantity::Power => {
                let power = sensors.read(path, 1e-6, 0.0..=MAX_WATTS);
                sensors.gauge(
                    Of::Shown(power),
                    series(catalog, self.power, "domain", gpu, shown),
                );
            }
            Quantity::Frequency => {
                let frequency = sensors.read(path, 1e6, 0.0..=20e9);
                sensors.gauge(
                    Of::Shown(frequency),
                    series(catalog, self.frequency, "gt", gpu, shown),
                );
            }
            Quantity::Temperature => {
                let temperature = sensors.read(path, 1e-3, -100.0..=200.0);
                sensors.gauge(
                    Of::Shown(temperature),
                    series(catalog, self.temperature, "sensor", gpu, shown),
                );
            }
            Quantity::Voltage => {
                let voltage = sensors.read(path, 1.0, 0.0..=20_000.0);
                sensors.gauge(
                    Of::Shown(voltage),
                    series(catalog, self.voltage, "sensor", gpu, shown),
                );
            }
            Quantity::Fan => {
                let speed = sensors.read(path, 1.0, 0.0..=100_000.0);
                sensors.gauge(Of::Shown(speed), series(catalog, self.fan, "sensor", gpu, shown));
            }
        }
    }
}

fn series<T: Number>(
    catalog: &Catalog,
    metric: MetricHandle<T>,
    key: &'static str,
    gpu: &Gpu,
    shown: &Shown,
) -> Series<T> {
    let resource = Resource::Gpu {
        bus_id: gpu.card.bus_id.as_str().into(),
    };
    let series = catalog.series(metric, resource, Consumer::LocalMachine);
    series.attribute(key, shown.name.as_str()).register()
}

/// The metrics of processes, registered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessMetrics {
    engine: MetricHandle<u64>,
    memory: MetricHandle<u64>,
}

impl ProcessMetrics {
    pub(crate) fn register(catalog: &Catalog) -> Result<Self, IncompatibleMetric> {
        Ok(Self {
            engine: catalog.metric(&metrics::INTEL_GPU_PROCESS_ENGINE_TIME)?,
            memory: catalog.metric(&metrics::INTEL_GPU_PROCESS_MEMORY)?,
        })
    }
}

impl Describe for ProcessMetrics {
    fn describe<'n>(&self, part: Part<'n>) -> Option<Described<'n>> {
        let (metric, attribute) = match part {
            Part::Engine(name) => (self.engine, Some(("engine", name))),
            Part::Memory(name) => (self.memory, Some(("region", name))),
            Part::AllMemory => return None,
        };
        Some(Described { metric, attribute })
    }
}
