//! What is made of the sensors: series of each, of memory, and of sums.

use std::collections::BTreeMap;

use alumet_core::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use alumet_core::{Consumer, Resource};
use alumet_shared_energy_counter::PowerIntegral;
use alumet_shared_sensor_source::{Position, Quantity, Sensors};

use crate::device::{Meter, Part};
use crate::metrics;

/// More microwatts than any part of a superchip can draw.
const MAX_MICROWATTS: f64 = 10_000.0 * 1e6;

/// Millijoules that a microwatt makes in a second.
const MILLIJOULES: f64 = 1e-3;

/// The metrics, registered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metrics {
    power: MetricHandle<u64>,
    energy: MetricHandle<f64>,
}

impl Metrics {
    pub(crate) fn register(catalog: &Catalog) -> Result<Self, IncompatibleMetric> {
        Ok(Self {
            power: catalog.metric(&metrics::GRACE_INSTANT_POWER)?,
            energy: catalog.metric(&metrics::GRACE_ENERGY_CONSUMPTION)?,
        })
    }

    /// What the meters show, what follows for the memory of each socket, and the sums over all sockets.
    pub(crate) fn sensors(self, meters: &[Meter], catalog: &Catalog) -> Sensors {
        let mut sensors = Sensors::default();
        let push = |sensors: &mut Sensors, resource: Resource, sensor: &str, quantity: Quantity| {
            let power = catalog.series(self.power, resource.clone(), Consumer::LocalMachine);
            let energy = catalog.series(self.energy, resource, Consumer::LocalMachine);
            let energy = energy.attribute("sensor", sensor).register();
            let integral = PowerIntegral::new(energy, MILLIJOULES);
            sensors.power(quantity, power.attribute("sensor", sensor).register(), integral);
        };
        let mut sockets: BTreeMap<u32, BTreeMap<Part, Position>> = BTreeMap::new();
        for meter in meters {
            let position = sensors.read(meter.power.clone(), 1.0, 0.0..=MAX_MICROWATTS);
            sockets
                .entry(meter.socket)
                .or_default()
                .insert(meter.part, position);
            let package = Resource::CpuPackage { id: meter.socket };
            push(
                &mut sensors,
                package,
                meter.part.as_str(),
                Quantity::Shown(position),
            );
        }
        let mut all_memory = Vec::new();
        for (socket, parts) in &sockets {
            let terms = [(1.0, Part::Grace), (-1.0, Part::Cpu), (-1.0, Part::Sysio)];
            let terms: Option<Vec<_>> = terms
                .map(|(sign, part)| Some((sign, *parts.get(&part)?)))
                .into_iter()
                .collect();
            if let Some(terms) = terms {
                all_memory.extend_from_slice(&terms);
                push(
                    &mut sensors,
                    Resource::Dram { package: *socket },
                    "dram",
                    Quantity::Sum(terms),
                );
            }
        }
        let of_part = |part: Part| -> Vec<_> {
            let positions = sockets.values().filter_map(|parts| parts.get(&part));
            positions.map(|position| (1.0, *position)).collect()
        };
        let mut sums: Vec<_> = Part::ALL
            .into_iter()
            .map(|part| (format!("{}_total", part.as_str()), of_part(part)))
            .collect();
        // A module contains the socket; a superchip without Hopper has no sensor of the module.
        let totals = [Part::Module, Part::Grace].map(of_part);
        let total = totals.into_iter().find(|terms| !terms.is_empty());
        sums.extend([
            ("dram_total".to_owned(), all_memory),
            ("total".to_owned(), total.unwrap_or_default()),
        ]);
        for (sensor, terms) in sums.into_iter().filter(|(_, terms)| !terms.is_empty()) {
            push(
                &mut sensors,
                Resource::LocalMachine,
                &sensor,
                Quantity::Sum(terms),
            );
        }
        sensors
    }
}
