//! The source: what makes samples of readings.

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::counter::CounterRange;
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_kernel_file::ReadError;
use alumet_shared_energy_counter::{EnergyCounter, EnergySeries, Outcome, ReadAt, Refusals};

use crate::device::{Domain, Meter, Place, Zone};

/// Makes samples of the counters of RAPL, and of their sums.
pub(crate) struct RaplSource {
    zones: Vec<Measured>,
    totals: Vec<Total>,
    refusals: Refusals,
}

/// A counter with what is made of it.
struct Measured {
    place: Place,
    meter: Meter,
    energy: EnergySeries,
    /// What was read at this tick; none if it is not its turn.
    reading: Option<Result<u64, ReadError>>,
}

/// The sum of a domain over packages and dies.
struct Total {
    domain: Domain,
    series: Series<f64>,
    /// What parts counted since the last sample.
    joules: f64,
    /// Whether a part began, or went, since the last sample: the sum begins anew.
    is_broken: bool,
    /// Whether there are parts at this tick.
    has_parts: bool,
    /// Whether a part will tell of this tick only later.
    is_missing: bool,
}

impl RaplSource {
    pub(crate) fn new(
        zones: Vec<Zone>,
        energy: MetricHandle<f64>,
        refused: MetricHandle<u64>,
        catalog: &Catalog,
    ) -> Self {
        let machine = Resource::LocalMachine;
        let total = |domain: Domain| Total {
            domain,
            series: catalog
                .series(energy, machine.clone(), Consumer::LocalMachine)
                .attribute("domain", format!("{}_total", domain.as_str()))
                .register(),
            joules: 0.0,
            is_broken: false,
            has_parts: false,
            is_missing: false,
        };
        let summed = Domain::ALL.into_iter().filter(|domain| *domain != Domain::Core);
        let summed = summed.filter(|domain| zones.iter().any(|zone| zone.place.domain == *domain));
        let totals = summed.map(total).collect();
        let measured = |zone: Zone| {
            let Place { domain, die, .. } = zone.place;
            let series = catalog
                .series(energy, resource_of(zone.place), Consumer::LocalMachine)
                .attribute("domain", domain.as_str());
            let series = match die {
                Some(die) => series.attribute("die", u64::from(die)).register(),
                None => series.register(),
            };
            let range = zone.max.map_or(CounterRange::Unknown, CounterRange::Max);
            let counter = EnergyCounter::new(range, zone.max_watts * zone.per_joule);
            Measured {
                place: zone.place,
                meter: zone.meter,
                energy: EnergySeries::new(series, counter, zone.per_joule),
                reading: None,
            }
        };
        Self {
            zones: zones.into_iter().map(measured).collect(),
            totals,
            refusals: Refusals::register(catalog, refused),
        }
    }
}

impl Source for RaplSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let tick = out.tick();
        let before = out.now();
        for zone in &mut self.zones {
            let is_due = zone.energy.is_due(tick.monotonic);
            zone.reading = is_due.then(|| zone.meter.read());
        }
        let at = ReadAt::between(tick, before, out.now());

        for zone in &mut self.zones {
            let Some(reading) = zone.reading.take() else {
                continue;
            };
            let outcome = zone
                .energy
                .push(reading, at, &zone.place, &mut self.refusals, out);
            let total = self
                .totals
                .iter_mut()
                .find(|total| total.domain == zone.place.domain);
            if let Some(total) = total {
                total.add(outcome);
            }
        }
        for total in &mut self.totals {
            total.push(at, out);
        }
        self.refusals.push(out);
        Ok(())
    }

    fn reset(&mut self) {
        self.zones.iter_mut().for_each(|zone| zone.energy.reset());
        self.totals.iter_mut().for_each(|total| total.is_broken = true);
        self.refusals.reset();
    }
}

impl Total {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Counted(joules) => self.joules += joules,
            Outcome::Missing => self.is_missing = true,
            Outcome::Begun | Outcome::Gone => self.is_broken = true,
            Outcome::Absent => return,
        }
        self.has_parts = true;
    }

    /// Pushes the sum, unless a part is not known yet: then the next sample tells for both intervals.
    fn push(&mut self, at: ReadAt, out: &mut Accumulator<'_>) {
        let is_missing = std::mem::take(&mut self.is_missing);
        if std::mem::take(&mut self.has_parts) && !is_missing {
            let joules = std::mem::take(&mut self.joules);
            let is_broken = std::mem::take(&mut self.is_broken);
            out.push_at(&self.series, at.timestamp, if is_broken { 0.0 } else { joules });
        }
    }
}

/// What a counter tells about. Parts of a package are told apart by the attribute `domain`.
const fn resource_of(place: Place) -> Resource {
    let Place { package, cpu, .. } = place;
    match (place.domain, cpu) {
        (Domain::Platform, _) => Resource::LocalMachine,
        (Domain::Dram, _) => Resource::Dram { package },
        (_, Some(id)) => Resource::CpuCore { id },
        _ => Resource::CpuPackage { id: package },
    }
}
