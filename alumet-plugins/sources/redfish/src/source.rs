//! The source: asks, and makes samples of the answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::counter::CounterRange;
use alumet_core::pipeline::EventSink;
use alumet_core::plugin::{StartContext, StartError};
use alumet_core::progress::{Progress, StreamId};
use alumet_core::source::{Accumulator, EventSource, Tick};
use alumet_core::time::{Clock, Moment, Monotonic};
use alumet_core::{CancellationToken, Consumer, Failure, Resource as Measured, Series, async_trait};
use alumet_shared_energy_counter::{EnergyCounter, EnergySeries, ReadAt, Refusal, Refusals};
use globset::GlobSet;
use serde_json::Value as Json;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::device::{Bmc, Got, Quantity, Reading, Resource, Shown, age, discover, shown};
use crate::metrics;

/// More than any chassis can draw, even one with a rack in it.
const MAX_WATTS: f64 = 1e6;

/// What a counter shows is kept in millijoules.
const PER_JOULE: f64 = 1e3;

/// No counter has reached this, and up to here millijoules are exact.
const MAX_MILLIJOULES: f64 = 9e15;

/// What has vanished is looked for no more often.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// How long the end of the program waits for the end of the session.
const LOGOUT: Duration = Duration::from_secs(2);

/// Asks a controller again and again.
pub(crate) struct RedfishSource {
    bmc: Bmc,
    chassis: GlobSet,
    interval: Duration,
    clock: Arc<dyn Clock>,
    stream: StreamId,
    power: MetricHandle<f64>,
    energy: MetricHandle<f64>,
    refusals: Refusals,
    /// In the order in which they are asked.
    resources: Vec<Asked>,
    listed: Option<Monotonic>,
    has_vanished: bool,
    /// Whether it was told that a part does not answer.
    is_told: bool,
}

/// A resource that is asked for.
struct Asked {
    resource: Resource,
    /// In the order of the readings.
    feeds: Vec<Feed>,
    /// When the controller took the last reading, as it says.
    taken: Option<Json>,
}

/// Where a reading goes.
enum Feed {
    Power(Series<f64>),
    Energy(EnergySeries),
}

impl RedfishSource {
    pub(crate) fn new(
        bmc: Bmc,
        chassis: GlobSet,
        interval: Duration,
        alumet: &StartContext<'_>,
    ) -> Result<Self, StartError> {
        let refused = alumet.metric(&metrics::REDFISH_REFUSED_VALUES)?;
        Ok(Self {
            bmc,
            chassis,
            interval,
            clock: alumet.clock(),
            stream: StreamId::new(),
            power: alumet.metric(&metrics::REDFISH_POWER)?,
            energy: alumet.metric(&metrics::REDFISH_ENERGY)?,
            refusals: Refusals::register(alumet.catalog(), refused),
            resources: Vec::new(),
            listed: None,
            has_vanished: false,
            is_told: false,
        })
    }

    async fn ask(&mut self, out: &EventSink, stop: &CancellationToken) -> Result<Infallible, Failure> {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            run_until(stop, ticks.tick()).await?;
            self.round(out, stop).await?;
        }
    }

    /// Asks for everything once.
    async fn round(&mut self, out: &EventSink, stop: &CancellationToken) -> Result<(), Failure> {
        let now = out.now().monotonic;
        let is_due = self.listed.is_none_or(|at| now.since(at) >= LIST_EVERY);
        if self.resources.is_empty() || (self.has_vanished && is_due) {
            let found = run_until(stop, discover(&mut self.bmc, &self.chassis)).await??;
            self.take(found, out.catalog());
            (self.listed, self.has_vanished) = (Some(now), false);
        }
        let (mut trouble, mut has_answer) = (None, false);
        for position in 0..self.resources.len() {
            let before = out.now();
            let path = &self.resources[position].resource.path;
            let got = run_until(stop, self.bmc.get(path)).await?;
            let after = out.now();
            match got {
                Ok(Got::Resource(json, date)) => {
                    has_answer = true;
                    let mut batch = out.batch();
                    let clock = Arc::clone(&self.clock);
                    let tick = Tick {
                        timestamp: after.wall,
                        monotonic: after.monotonic,
                        missed: 0,
                    };
                    let mut samples = Accumulator::new(&mut batch, tick, &*clock);
                    self.push(position, &json, at(before, after, &json, date), &mut samples);
                    batch.set_progress(Progress {
                        stream: self.stream,
                        until: after,
                    });
                    out.send(batch)
                        .await
                        .map_err(|stopped| Failure::end(stopped.to_string()))?;
                }
                Ok(Got::Gone) => self.has_vanished = true,
                Ok(Got::Refused(reason)) => {
                    self.refusals.count(Refusal::Unreadable);
                    trouble = Some(reason);
                }
                // It would keep the others waiting; in the next round it is the last.
                Err(failure) => {
                    self.refusals.count(Refusal::Unreadable);
                    self.resources.rotate_left(position + 1);
                    trouble = Some(failure.to_string());
                    break;
                }
            }
        }
        match trouble {
            Some(reason) if !has_answer => return Err(Failure::retry(reason)),
            Some(reason) if !std::mem::replace(&mut self.is_told, true) => tracing::warn!(
                reason,
                "a part of what the management controller has cannot be read; this is told once, and counted each time"
            ),
            _ => {}
        }
        Ok(())
    }

    /// Takes what was found. Counters that stay go on.
    fn take(&mut self, found: Vec<Resource>, catalog: &Catalog) {
        let old = std::mem::take(&mut self.resources);
        let mut known: Vec<_> = old
            .into_iter()
            .flat_map(|Asked { resource, feeds, .. }| {
                let path = resource.path;
                let readings = resource.readings.into_iter().zip(feeds);
                readings.map(move |(reading, feed)| (path.clone(), reading, feed))
            })
            .collect();
        let asked = |resource: Resource| {
            let feed = |reading: &Reading| {
                let is_same =
                    |(path, other, _): &(String, Reading, Feed)| *path == resource.path && other == reading;
                match known.iter().position(is_same) {
                    Some(position) => known.swap_remove(position).2,
                    None => self.feed(&resource.chassis, reading, catalog),
                }
            };
            Asked {
                feeds: resource.readings.iter().map(feed).collect(),
                resource,
                taken: None,
            }
        };
        self.resources = found.into_iter().map(asked).collect();
    }

    fn feed(&self, chassis: &str, reading: &Reading, catalog: &Catalog) -> Feed {
        let series = |metric| {
            let series = catalog.series(metric, Measured::LocalMachine, Consumer::LocalMachine);
            let series = series.attribute("chassis", chassis);
            series.attribute("sensor", reading.sensor.as_str()).register()
        };
        match reading.quantity {
            Quantity::Power => Feed::Power(series(self.power)),
            Quantity::Energy(joules) => {
                // A coarse counter may rise by one unit in the shortest interval.
                let max_watts = MAX_WATTS + joules / self.interval.as_secs_f64();
                let counter = EnergyCounter::new(CounterRange::Unknown, max_watts * PER_JOULE);
                Feed::Energy(EnergySeries::new(series(self.energy), counter, PER_JOULE))
            }
        }
    }

    /// Pushes what a resource shows.
    fn push(&mut self, position: usize, json: &Json, at: ReadAt, out: &mut Accumulator<'_>) {
        let Asked {
            resource,
            feeds,
            taken,
        } = &mut self.resources[position];
        let time = json.get("ReadingTime").filter(|time| time.is_string());
        let is_old = time.is_some() && time == taken.as_ref();
        *taken = time.cloned();
        for (reading, feed) in resource.readings.iter().zip(feeds).filter(|_| !is_old) {
            let number = match shown(json, reading) {
                Shown::Number(number) => number,
                Shown::Unknown => continue,
                Shown::Nonsense => f64::NAN,
                Shown::Nothing => {
                    self.has_vanished = true;
                    continue;
                }
            };
            match (reading.quantity, feed) {
                (_, Feed::Power(series)) if (0.0..=MAX_WATTS).contains(&number) => {
                    out.push_at(series, at.timestamp, number);
                }
                (Quantity::Energy(joules), Feed::Energy(energy))
                    if (0.0..=MAX_MILLIJOULES).contains(&(number * joules * PER_JOULE)) =>
                {
                    let count = (number * joules * PER_JOULE).round() as u64;
                    energy.push(Ok(count), at, &resource.path, &mut self.refusals, out);
                }
                _ => self.refusals.count(Refusal::Excess),
            }
        }
        self.refusals.push(out);
    }
}

#[async_trait]
impl EventSource for RedfishSource {
    async fn run(&mut self, out: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        let Err(failure) = self.ask(&out, &stop).await;
        if !stop.is_cancelled() {
            return Err(failure);
        }
        if let Err(failure) = timeout(LOGOUT, self.bmc.log_out()).await.unwrap_or(Ok(())) {
            tracing::debug!(%failure, "the session is left to the management controller, which ends it after a while");
        }
        Ok(())
    }
}

/// Waits for something until it is to stop.
async fn run_until<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Result<T, Failure> {
    let done = stop.run_until_cancelled(work).await;
    done.ok_or_else(|| Failure::end("the pipeline stops"))
}

/// When a resource was read: as the controller says, else in the middle of the question.
fn at(before: Moment, after: Moment, json: &Json, date: Option<i64>) -> ReadAt {
    let half = after.monotonic.since(before.monotonic) / 2;
    let age = age(json, date).unwrap_or_default();
    ReadAt {
        before,
        after,
        timestamp: after.wall.saturating_sub(half + age),
    }
}
