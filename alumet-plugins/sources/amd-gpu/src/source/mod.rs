//! What is made of the graphics processors.

mod compute;
mod processes;

use std::sync::Arc;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::counter::CounterRange;
use alumet_core::metric::{Metric, Quality};
use alumet_core::plugin::StartError;
use alumet_core::series::SeriesBuilder;
use alumet_core::value::Number;
use alumet_core::{Consumer, Resource};
use alumet_shared_energy_counter::{EnergyCounter, EnergySeries, PowerIntegral};
use alumet_shared_sensor_source::{Quantity as Of, Sensors};

use crate::device::{Energy, Gpu, Quantity, Shown, gpu_metrics};
use crate::metrics;

pub(crate) use compute::ComputeSource;
pub(crate) use processes::ProcessMetrics;

/// More than a graphics processor can draw.
const MAX_WATTS: f64 = 10_000.0;

/// The unit of energy is the millijoule.
const PER_JOULE: f64 = 1000.0;

/// The metrics of graphics processors, registered.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    counted: MetricHandle<f64>,
    integrated: MetricHandle<f64>,
    _integrated: Arc<Metric>,
    power: MetricHandle<f64>,
    activity: MetricHandle<f64>,
    memory: MetricHandle<u64>,
    temperature: MetricHandle<f64>,
    voltage: MetricHandle<u64>,
    clock: MetricHandle<u64>,
    fan: MetricHandle<u64>,
}

impl Metrics {
    pub(crate) fn register(catalog: &Catalog) -> Result<Self, StartError> {
        let energy = &metrics::AMD_GPU_ENERGY_CONSUMPTION;
        let counted = catalog.metric(energy)?;
        // The same, but of another quality.
        let quality = Quality::Modelled;
        let (integrated, held) = catalog.admit_metric(Metric {
            quality,
            ..energy.doc.metric()
        });
        Ok(Self {
            counted,
            integrated: catalog.typed_metric(integrated)?,
            _integrated: held,
            power: catalog.metric(&metrics::AMD_GPU_POWER_CONSUMPTION)?,
            activity: catalog.metric(&metrics::AMD_GPU_ACTIVITY_USAGE)?,
            memory: catalog.metric(&metrics::AMD_GPU_MEMORY_USAGE)?,
            temperature: catalog.metric(&metrics::AMD_GPU_TEMPERATURE)?,
            voltage: catalog.metric(&metrics::AMD_GPU_VOLTAGE)?,
            clock: catalog.metric(&metrics::AMD_GPU_CLOCK)?,
            fan: catalog.metric(&metrics::AMD_GPU_FAN_SPEED)?,
        })
    }

    /// What the graphics processors show.
    pub(crate) fn sensors(&self, gpus: &[Gpu], catalog: &Catalog) -> Sensors {
        let mut sensors = Sensors::default();
        for gpu in gpus {
            sensors.begin_device(&gpu.card.device());
            self.add(gpu, &mut sensors, catalog);
        }
        sensors
    }

    fn add(&self, gpu: &Gpu, sensors: &mut Sensors, catalog: &Catalog) {
        let resource = Resource::Gpu {
            bus_id: gpu.card.bus_id.as_str().into(),
        };
        let of_gpu = OfGpu { catalog, resource };
        let powers = gpu
            .shown
            .iter()
            .filter(|shown| shown.quantity == Quantity::Power)
            .count();
        let mut is_integrated = gpu.energy != Energy::FromPower;
        for shown in &gpu.shown {
            let mut read = |scale, max| Of::Shown(sensors.read(shown.path.clone(), scale, 0.0..=max));
            match shown.quantity {
                Quantity::Power => {
                    let power = read(1e-6, MAX_WATTS);
                    let label = shown.label.as_deref().filter(|_| powers > 1);
                    let series = of_gpu
                        .series(self.power, label.map(|label| ("rail", label)))
                        .register();
                    // Further rails are limits of the same power, over other times.
                    if std::mem::replace(&mut is_integrated, true) {
                        sensors.gauge(power, series);
                    } else {
                        let energy = of_gpu.series(self.integrated, None).register();
                        sensors.power(power, series, PowerIntegral::new(energy, PER_JOULE));
                    }
                }
                Quantity::Activity => {
                    let value = read(1.0, 100.0);
                    sensors.gauge(value, of_gpu.labelled(self.activity, "activity_type", shown));
                }
                Quantity::Memory => {
                    let value = read(1.0, f64::MAX);
                    sensors.gauge(value, of_gpu.labelled(self.memory, "memory_type", shown));
                }
                Quantity::Temperature => {
                    let value = Of::Shown(sensors.read(shown.path.clone(), 1e-3, -100.0..=200.0));
                    let zone = zone(shown.label.as_deref());
                    let series = of_gpu.series(self.temperature, Some(("thermal_zone", zone)));
                    sensors.gauge(value, series.register());
                }
                Quantity::Voltage => {
                    let value = read(1.0, 20_000.0);
                    sensors.gauge(value, of_gpu.labelled(self.voltage, "rail", shown));
                }
                Quantity::Clock => {
                    let value = read(1.0, 20e9);
                    sensors.gauge(value, of_gpu.labelled(self.clock, "clock", shown));
                }
                Quantity::Fan => {
                    let value = read(1.0, 100_000.0);
                    sensors.gauge(value, of_gpu.series(self.fan, None).register());
                }
            }
        }
        if let Energy::Counted(table) = &gpu.energy {
            let counter = EnergyCounter::new(CounterRange::Bits64, MAX_WATTS * gpu_metrics::PER_JOULE);
            let series = of_gpu.series(self.counted, None).register();
            let energy = EnergySeries::new(series, counter, gpu_metrics::PER_JOULE / PER_JOULE);
            sensors.counter(table.clone(), gpu_metrics::energy, energy);
        }
    }
}

/// Describes series of one graphics processor.
struct OfGpu<'c> {
    catalog: &'c Catalog,
    resource: Resource,
}

impl OfGpu<'_> {
    fn series<T: Number>(
        &self,
        metric: MetricHandle<T>,
        attribute: Option<(&'static str, &str)>,
    ) -> SeriesBuilder<'_, T> {
        let series = self
            .catalog
            .series(metric, self.resource.clone(), Consumer::LocalMachine);
        match attribute {
            Some((key, value)) => series.attribute(key, value),
            None => series,
        }
    }

    fn labelled<T: Number>(
        &self,
        metric: MetricHandle<T>,
        key: &'static str,
        shown: &Shown,
    ) -> alumet_core::Series<T> {
        let attribute = shown.label.as_deref().map(|label| (key, label));
        self.series(metric, attribute).register()
    }
}

/// The name of the original for what the driver calls `edge`, `junction` or `mem`.
fn zone(label: Option<&str>) -> &str {
    match label {
        Some("edge") | None => "thermal_global",
        Some("junction") => "thermal_hotspot",
        Some("mem") => "thermal_memory",
        Some(other) => other,
    }
}
