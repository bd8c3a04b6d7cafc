//! The source: what makes samples of readings.

use alumet_core::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use alumet_core::counter::CounterRange;
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_shared_energy_counter::{EnergyCounter, EnergySeries, ReadAt, Refusal, Refusals};

use crate::device::{Counters, Quantity, Scan};
use crate::metrics;

/// More than a node with all its accelerators can draw.
const MAX_WATTS: f64 = 20_000.0;

/// Hotter than any part of a node can be.
const MAX_CELSIUS: f64 = 200.0;

/// Makes samples of what the node controller measured.
#[derive(Debug)]
pub(crate) struct CrayPmCountersSource {
    counters: Counters,
    /// In the order of the files.
    feeds: Vec<Feed>,
    refusals: Refusals,
    is_told: bool,
}

#[derive(Debug)]
enum Feed {
    Energy { domain: String, energy: EnergySeries },
    Gauge { series: Series<f64>, max: f64 },
}

impl CrayPmCountersSource {
    pub(crate) fn new(counters: Counters, catalog: &Catalog) -> Result<Self, IncompatibleMetric> {
        let energy = catalog.metric(&metrics::CRAY_PM_ENERGY)?;
        let power = catalog.metric(&metrics::CRAY_PM_POWER)?;
        let temperature = catalog.metric(&metrics::CRAY_PM_TEMPERATURE)?;
        let series = |metric: MetricHandle<f64>, domain: &str| {
            let series = catalog.series(metric, Resource::LocalMachine, Consumer::LocalMachine);
            series.attribute("domain", domain).register()
        };
        let feeds = counters.files.iter().map(|file| match file.quantity {
            Quantity::Energy => {
                let counter = EnergyCounter::new(CounterRange::Unknown, MAX_WATTS);
                Feed::Energy {
                    energy: EnergySeries::new(series(energy, &file.domain), counter, 1.0),
                    domain: file.domain.clone(),
                }
            }
            Quantity::Power => Feed::Gauge {
                series: series(power, &file.domain),
                max: MAX_WATTS,
            },
            Quantity::Temperature => Feed::Gauge {
                series: series(temperature, &file.domain),
                max: MAX_CELSIUS,
            },
        });
        Ok(Self {
            feeds: feeds.collect(),
            counters,
            refusals: Refusals::register(catalog, catalog.metric(&metrics::CRAY_PM_REFUSED_VALUES)?),
            is_told: false,
        })
    }
}

impl Source for CrayPmCountersSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let before = out.now();
        let scan = self.counters.read()?;
        let at = ReadAt::between(out.tick(), before, out.now());
        if scan == Scan::Restarted {
            self.feeds.iter_mut().for_each(Feed::reset);
        }
        let files = self.counters.files.iter_mut();
        for (file, feed) in files.zip(&mut self.feeds).filter(|_| scan != Scan::Stale) {
            let (Some(reading), refusals) = (file.value.take(), &mut self.refusals) else {
                continue;
            };
            match (feed, reading) {
                (Feed::Energy { domain, energy }, reading) => {
                    energy.push(reading, at, domain, refusals, out);
                }
                (Feed::Gauge { series, max }, Ok(value)) if value as f64 <= *max => {
                    out.push_at(series, at.timestamp, value as f64);
                }
                (Feed::Gauge { .. }, Ok(_)) => refusals.count(Refusal::Excess),
                (Feed::Gauge { .. }, Err(error)) => {
                    refusals.count(Refusal::Unreadable);
                    if !std::mem::replace(&mut self.is_told, true) {
                        tracing::warn!(%error, "a counter has no reading; this is told once, and counted each time");
                    }
                }
            }
        }
        self.refusals.push(out);
        Ok(())
    }

    fn reset(&mut self) {
        self.feeds.iter_mut().for_each(Feed::reset);
        self.refusals.reset();
    }
}

impl Feed {
    const fn reset(&mut self) {
        if let Self::Energy { energy, .. } = self {
            energy.reset();
        }
    }
}
