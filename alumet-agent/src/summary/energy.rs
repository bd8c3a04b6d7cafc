//! The energy of a program and of the machine, added up from the samples of a run.

use std::fmt::Write;
use std::sync::Arc;

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::output::{Delivering, Delivery, Output};
use alumet_core::series::SeriesInfo;
use alumet_core::unit::Unit;
use alumet_core::{AttributeValue, Consumer, Failure, Resource, SeriesMap};
use parking_lot::Mutex;

use crate::measured::METRIC_PREFIX;

/// Adds up all energy, and the emissions that it causes.
#[derive(Default)]
pub(crate) struct EnergyOutput {
    lines: SeriesMap<Option<usize>>,
    /// Attributes of the run, which say nothing of what is measured.
    labels: Vec<String>,
    pub(crate) energy: Energy,
}

/// What an [`EnergyOutput`] has added up.
#[derive(Clone, Default)]
pub(crate) struct Energy(pub(super) Arc<Mutex<Vec<Total>>>);

/// The amount of one series over the whole time.
#[derive(Debug)]
pub(super) struct Total {
    pub(super) whose: Whose,
    pub(super) quantity: Quantity,
    /// What is measured: the metric, the attributes, the resource.
    pub(super) what: String,
    /// Whether it is of a part of the machine only.
    pub(super) is_part: bool,
    metric: String,
    pub(super) quality: Quality,
    kind: MetricKind,
    factor: f64,
    sum: f64,
    first: f64,
    last: f64,
}

/// Who used it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The program with its descendants.
    Program,
    /// Nobody: the machine would have used it without any load.
    Idle,
    /// Somebody else on the machine.
    Others,
    /// Everybody on the machine.
    Machine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// In joules.
    Energy,
    /// In grams of CO₂.
    Carbon,
}

impl EnergyOutput {
    /// Of a run whose samples bear these attributes.
    pub(crate) fn new(labels: impl IntoIterator<Item = String>) -> Self {
        Self {
            labels: labels.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Output for EnergyOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let mut totals = self.energy.0.lock();
        for sample in delivery.samples() {
            let value = sample.value().as_f64();
            let line = self.lines.get_or_insert_with(sample.series, || {
                let series = delivery.catalog().describe(sample.series)?;
                totals.push(Total::of(&series, &self.labels, value)?);
                Some(totals.len() - 1)
            });
            if let Some(total) = line.and_then(|line| totals.get_mut(line)) {
                total.add(value);
            }
        }
        Ok(Delivering::done())
    }
}

impl Energy {
    /// The amounts, of which none is contained in another one of the same metric and owner.
    pub(super) fn totals(&self) -> Vec<Total> {
        let mut totals = std::mem::take(&mut *self.0.lock());
        let whole: Vec<_> = totals
            .iter()
            .filter(|total| !total.is_part)
            .map(Total::key)
            .collect();
        totals.retain(|total| !total.is_part || !whole.contains(&total.key()));
        totals
    }
}

impl Total {
    /// The amount of a series, nothing so far; none if it is neither energy nor emissions, or those of another consumer.
    pub(super) fn of(series: &SeriesInfo, labels: &[String], first: f64) -> Option<Self> {
        let (quantity, factor) = quantity(&series.metric)?;
        // Emissions tell of which energy they are.
        let energy = series
            .attributes()
            .get("energy_metric")
            .map(AttributeValue::to_string);
        let energy = energy.as_deref().unwrap_or(&series.metric.name);
        let is_of_tree = energy.starts_with(METRIC_PREFIX);
        let part = series.attributes().get("part").map(AttributeValue::to_string);
        let whose = match (series.consumer(), part.as_deref()) {
            (Consumer::LocalMachine, Some("idle")) if is_of_tree => Whose::Idle,
            (Consumer::LocalMachine, Some(_)) if is_of_tree => Whose::Others,
            (Consumer::LocalMachine, None) => Whose::Machine,
            (_, None) if is_of_tree => Whose::Program,
            _ => return None,
        };
        let mut what = series.metric.name.trim_end_matches("_delta").replace('_', " ");
        for (key, value) in series.attributes().iter() {
            if key != "part" && labels.iter().all(|label| **label != *key) {
                let _ = write!(what, " {value}");
            }
        }
        let is_part = *series.resource() != Resource::LocalMachine;
        if is_part {
            let _ = write!(what, " ({})", series.resource());
        }
        Some(Self {
            whose,
            quantity,
            what,
            is_part,
            metric: series.metric.name.to_string(),
            quality: series.metric.quality,
            kind: series.metric.kind,
            factor,
            sum: 0.0,
            first,
            last: first,
        })
    }

    pub(super) fn add(&mut self, value: f64) {
        self.sum += value;
        self.last = value;
    }

    fn key(&self) -> (Whose, String) {
        (self.whose, self.metric.clone())
    }

    /// In joules or grams.
    pub(super) fn amount(&self) -> f64 {
        self.factor
            * match self.kind {
                MetricKind::Gauge => self.last,
                MetricKind::Delta => self.sum,
                MetricKind::Counter => self.last - self.first,
            }
    }
}

/// Of what a metric tells an amount, if it is one of those, and the factor to its unit.
fn quantity(metric: &Metric) -> Option<(Quantity, f64)> {
    if let Some(factor) = Unit::convert(1.0, &metric.unit, &Unit::JOULE) {
        return Some((Quantity::Energy, factor));
    }
    let factor = Unit::convert(1.0, &metric.unit, &CARBON)?;
    Some((Quantity::Carbon, factor))
}

/// As `energy-to-carbon` has it.
const CARBON: Unit = Unit::custom("g{CO2eq}", "gCO₂eq");
