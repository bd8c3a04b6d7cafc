//! The parts of the machine against its own meter, measured for some seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::metric::MetricKind;
use alumet_core::output::{Delivering, Delivery, Output};
use alumet_core::pipeline::PipelineBuilder;
use alumet_core::plugin::Finding;
use alumet_core::series::SeriesInfo;
use alumet_core::time::Timestamp;
use alumet_core::unit::Unit;
use alumet_core::{Failure, SeriesMap};
use parking_lot::Mutex;

use crate::app::{App, PowerOf};
use crate::setup::{EnabledPlugin, Setup};

const SUBJECT: &str = "balance";

/// The power of the parts needs two readings of each, and more say more.
const SPAN: Duration = Duration::from_secs(4);
/// Meters are slow.
const PATIENCE: Duration = Duration::from_secs(15);
/// By so much the parts can seem to draw more than the whole, which is not measured in the same moments.
const TOLERANCE: f64 = 1.05;

/// Measures with the enabled plugins whose metrics are those of a meter or a part; nothing if there is not one of each.
pub(super) fn findings(app: &App, setup: &Setup) -> Vec<Finding> {
    let measures = |list: &[PowerOf], plugin: &EnabledPlugin| {
        let metrics = plugin.descriptor.metrics();
        metrics
            .iter()
            .any(|metric| list.iter().any(|power| power.metric == metric.name))
    };
    let (meters, parts) = (&app.power_meters, &app.power_parts);
    if ![meters, parts]
        .iter()
        .all(|list| setup.plugins.iter().any(|plugin| measures(list, plugin)))
    {
        return Vec::new();
    }
    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut builder = PipelineBuilder::new().root(&setup.settings.system_root);
    for plugin in &setup.plugins {
        if measures(meters, plugin) || measures(parts, plugin) {
            // That one cannot start is told where it is looked at.
            let _ = builder.described_plugin(&plugin.descriptor, &plugin.config);
        }
    }
    builder.output(
        SUBJECT,
        Watching {
            wanted: [meters.clone(), parts.clone()],
            places: SeriesMap::new(),
            seen: Arc::clone(&seen),
        },
    );
    let Ok(pipeline) = builder.start() else {
        return Vec::new();
    };
    let begin = Instant::now();
    let is_known = |seen: &Seen| seen.watts(true).next().is_some();
    while begin.elapsed() < SPAN || (begin.elapsed() < PATIENCE && !is_known(&seen.lock())) {
        std::thread::sleep(Duration::from_millis(100));
    }
    pipeline.stop(Duration::from_secs(2));
    let seen = seen.lock();
    seen.judge(parts, meters)
}

/// What was measured: of the meters and of the parts, by the place in their list and the series.
#[derive(Default)]
struct Seen(Vec<Power>);

/// The power that a series tells.
struct Power {
    is_meter: bool,
    /// The place in the list, and of what it is: of several of one thing the largest contains the others.
    what: (usize, String),
    kind: MetricKind,
    to_watts: f64,
    first: Option<Timestamp>,
    last: Timestamp,
    sum: f64,
    count: u32,
}

/// Notes the samples of meters and parts.
struct Watching {
    /// The meters and the parts.
    wanted: [Vec<PowerOf>; 2],
    places: SeriesMap<Option<usize>>,
    seen: Arc<Mutex<Seen>>,
}

impl Output for Watching {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let Self { wanted, places, seen } = self;
        let seen = &mut seen.lock().0;
        for sample in delivery.samples() {
            let place = places.get_or_insert_with(sample.series, || {
                let series = delivery.catalog().describe(sample.series)?;
                seen.push(Power::of(&series, wanted)?);
                Some(seen.len() - 1)
            });
            if let Some(place) = *place {
                seen[place].add(sample.timestamp, sample.value().as_f64());
            }
        }
        Ok(Delivering::done())
    }
}

impl Power {
    /// Of a series, if it is wanted.
    fn of(series: &SeriesInfo, wanted: &[Vec<PowerOf>; 2]) -> Option<Self> {
        let is_of = |power: &PowerOf| {
            let has = |(key, value): (&str, &str)| {
                let attribute = series.attributes().get(key);
                attribute.is_some_and(|attribute| attribute.to_string() == value)
            };
            series.metric.name == power.metric && power.attribute.is_none_or(has)
        };
        let found = |list: &[PowerOf]| list.iter().position(is_of);
        let (is_meter, place) = match (found(&wanted[0]), found(&wanted[1])) {
            (Some(place), _) => (true, place),
            (None, place) => (false, place?),
        };
        let kind = series.metric.kind;
        let unit = match kind {
            MetricKind::Gauge => Unit::WATT,
            MetricKind::Delta | MetricKind::Counter => Unit::JOULE,
        };
        Some(Self {
            is_meter,
            what: (place, series.resource().to_string()),
            kind,
            to_watts: Unit::convert(1.0, &series.metric.unit, &unit)?,
            first: None,
            last: Timestamp::default(),
            sum: 0.0,
            count: 0,
        })
    }

    fn add(&mut self, at: Timestamp, value: f64) {
        let is_first = self.first.is_none();
        self.first.get_or_insert(at);
        self.last = at;
        // A delta before the first sample is of an unknown time.
        if self.kind == MetricKind::Gauge || !is_first {
            self.sum += value;
            self.count += 1;
        }
    }

    fn watts(&self) -> Option<f64> {
        let per = match self.kind {
            MetricKind::Gauge => f64::from(self.count),
            _ => self.last.checked_since(self.first?)?.as_secs_f64(),
        };
        (self.count > 0 && per > 0.0).then(|| self.sum * self.to_watts / per)
    }
}

impl Seen {
    /// The power of each thing, in the order of the list: of the meters, or of the parts.
    fn watts(&self, is_meter: bool) -> impl Iterator<Item = (usize, f64)> {
        let mut largest = BTreeMap::<&(usize, String), f64>::new();
        for power in self.0.iter().filter(|power| power.is_meter == is_meter) {
            if let Some(watts) = power.watts() {
                let known = largest.entry(&power.what).or_default();
                *known = known.max(watts);
            }
        }
        largest.into_iter().map(|((place, _), watts)| (*place, watts))
    }

    fn judge(&self, parts: &[PowerOf], meters: &[PowerOf]) -> Vec<Finding> {
        let mut by_name = Vec::<(&str, f64)>::new();
        for (place, watts) in self.watts(false) {
            let name = parts[place].what;
            match by_name.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += watts,
                None => by_name.push((name, watts)),
            }
        }
        let sum: f64 = by_name.iter().map(|(_, watts)| watts).sum();
        if sum <= 0.0 {
            return Vec::new();
        }
        let named: Vec<_> = by_name
            .iter()
            .map(|(name, watts)| format!("{name} {watts:.1} W"))
            .collect();
        let finding = |(place, watts): (usize, f64)| {
            let whole = meters[place].what;
            let detail = format!(
                "{}: {:.0} % of the {watts:.1} W that {whole} shows",
                named.join(" + "),
                100.0 * sum / watts
            );
            match sum > watts * TOLERANCE {
                true => Finding::limited(
                    SUBJECT,
                    detail,
                    "parts cannot draw more than the whole: look again under a steady load, for meters are slow, and whether the \
                     meter is that of this machine",
                ),
                false => Finding::works(SUBJECT, detail),
            }
        };
        self.watts(true).map(finding).collect()
    }
}
