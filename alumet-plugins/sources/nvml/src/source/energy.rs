//! The energy of a GPU: counted by itself, or else the integral of its power.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::{Catalog, IncompatibleMetric};
use alumet_core::counter::CounterRange;
use alumet_core::source::Accumulator;
use alumet_shared_energy_counter::{EnergyCounter, EnergySeries, PowerIntegral, ReadAt, Refusal, Refusals};

use crate::device::{Gauge, Readings};
use crate::metrics;

use super::of_gpu;

/// More milliwatts than any GPU draws, where it does not state a maximum.
const MAX_POWER: u64 = 10_000_000;

/// Over so long the driver averages what it calls average power (NVML, `nvmlDeviceGetPowerUsage`).
const WINDOW: Duration = Duration::from_secs(1);

/// Two series, of which one is in use.
pub(super) struct Energy {
    counted: EnergySeries,
    /// Whether the GPU has ever shown its counter: then a reading that is missing is late.
    is_counted: bool,
    modelled: PowerIntegral,
    max_power: u64,
}

impl Energy {
    pub(super) fn new(bus_id: &Arc<str>, catalog: &Catalog) -> Result<Self, IncompatibleMetric> {
        let counted = of_gpu(catalog, &metrics::NVML_ENERGY_CONSUMPTION, bus_id, None)?.register();
        let modelled = of_gpu(catalog, &metrics::NVML_ESTIMATED_ENERGY_CONSUMPTION, bus_id, None)?.register();
        // The series is in the unit of the counter: both count millijoules.
        let counter = EnergyCounter::new(CounterRange::Unknown, MAX_POWER as f64);
        Ok(Self {
            counted: EnergySeries::new(counted, counter, 1.0),
            is_counted: false,
            // Millijoules of milliwatts.
            modelled: PowerIntegral::new(modelled, 1.0),
            max_power: MAX_POWER,
        })
    }

    /// Believes no power above four times the one to which the GPU can be limited: peaks of milliseconds are above the limit.
    pub(super) fn limit(&mut self, max_power: Option<u64>) {
        self.max_power = max_power.map_or(MAX_POWER, |limit| MAX_POWER.min(4 * limit));
    }

    /// Pushes the energy since the previous reading. Power that cannot be is taken out of the readings.
    pub(super) fn push(
        &mut self,
        readings: &mut Readings,
        at: ReadAt,
        bus_id: &Arc<str>,
        refusals: &mut Refusals,
        out: &mut Accumulator<'_>,
    ) {
        let max = self.max_power;
        readings.gauges.retain(|(gauge, value)| {
            let is_power = matches!(gauge, Gauge::InstantPower | Gauge::AveragePower);
            let is_kept = !is_power || *value <= max;
            if !is_kept {
                refusals.count(Refusal::Excess);
            }
            is_kept
        });
        if let Some(millijoules) = readings.energy {
            if !std::mem::replace(&mut self.is_counted, true) {
                self.modelled.reset();
            }
            self.counted.push(Ok(millijoules), at, bus_id, refusals, out);
        } else if !self.is_counted {
            self.integrate(readings, at, out);
        }
    }

    fn integrate(&mut self, readings: &Readings, at: ReadAt, out: &mut Accumulator<'_>) {
        let power = |gauge| readings.gauge(gauge).map(|milliwatts| milliwatts as f64);
        match (power(Gauge::AveragePower), power(Gauge::InstantPower)) {
            (Some(mean), _) => self.modelled.push_mean(mean, WINDOW, at, out),
            (None, Some(now)) => self.modelled.push(now, at, out),
            (None, None) => self.modelled.miss(),
        }
    }

    /// Lets both begin anew.
    pub(super) const fn reset(&mut self) {
        self.counted.reset();
        self.modelled.reset();
    }
}
