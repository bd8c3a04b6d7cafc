//! The energy of a program and of the machine, added up from the samples of a run, over all and by phase.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::output::{Delivering, Delivery, Output};
use alumet_core::pipeline::mark;
use alumet_core::series::SeriesInfo;
use alumet_core::time::Timestamp;
use alumet_core::unit::Unit;
use alumet_core::{AttributeValue, Attributes, Consumer, Failure, Resource, SeriesMap};
use parking_lot::Mutex;

use crate::measured::{CPU_TIME, GPU_ENERGY, METRIC_PREFIX, MeasuredTree};

/// Adds up all energy, the emissions that it causes, and the CPU time of the program.
#[derive(Default)]
pub(crate) struct EnergyOutput {
    lines: SeriesMap<Line>,
    /// Attributes of the run, which say nothing of what is measured.
    labels: Vec<String>,
    pub(crate) energy: Energy,
}

/// What becomes of the samples of a series.
enum Line {
    /// They are added to the total at this place.
    Total(usize),
    /// A phase begins with each.
    Phase(String),
    Nothing,
}

/// What an [`EnergyOutput`] has added up.
#[derive(Clone, Default)]
pub(crate) struct Energy(pub(super) Arc<Mutex<Amounts>>);

/// All amounts.
#[derive(Default)]
pub(super) struct Amounts {
    pub(super) totals: Vec<Total>,
    /// Where phases begin and what they are called, in order; what was before the first is none of them.
    pub(super) phases: Vec<(Timestamp, String)>,
    /// The control groups about which more is known than their path.
    pub(super) groups: BTreeMap<Arc<str>, Attributes>,
}

/// The amount of one series.
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
    /// Before the first phase and in each, in the unit of the series.
    by_phase: Vec<f64>,
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
    /// A process that uses a GPU, of which the end tells whether it is one of the program.
    Process(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// In joules.
    Energy,
    /// In joules, of a GPU, which are in no other energy of the program.
    GpuEnergy,
    /// In grams of CO₂.
    Carbon,
    /// In seconds.
    CpuTime,
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
        let mut amounts = self.energy.0.lock();
        let Amounts {
            totals,
            phases,
            groups,
        } = &mut *amounts;
        for sample in delivery.samples() {
            let value = sample.value().as_f64();
            let line = self.lines.get_or_insert_with(sample.series, || {
                let Some(series) = delivery.catalog().describe(sample.series) else {
                    return Line::Nothing;
                };
                if let Consumer::ControlGroup { path } = series.consumer()
                    && !series.attributes().is_empty()
                {
                    groups.insert(Arc::clone(path), series.attributes().clone());
                }
                if let Some(name) = phase_of(&series) {
                    return Line::Phase(name);
                }
                let total = Total::of(&series, &self.labels, value);
                total.map_or(Line::Nothing, |total| {
                    totals.push(total);
                    Line::Total(totals.len() - 1)
                })
            });
            match line {
                Line::Total(line) => {
                    // Until that instant it belongs to the phase before: so are marks made.
                    let phase = phases.partition_point(|(begins, _)| *begins < sample.timestamp);
                    totals[*line].add(value, phase);
                }
                Line::Phase(name) => {
                    let at = phases.partition_point(|(begins, _)| *begins <= sample.timestamp);
                    phases.insert(at, (sample.timestamp, name.clone()));
                }
                Line::Nothing => {}
            }
        }
        Ok(Delivering::done())
    }
}

impl Energy {
    /// The control groups about which a plugin has told more than their path, with what that is.
    pub(crate) fn groups(&self) -> Vec<(Arc<str>, Attributes)> {
        let amounts = self.0.lock();
        let groups = amounts.groups.iter();
        groups
            .map(|(path, known)| (Arc::clone(path), known.clone()))
            .collect()
    }

    /// The amounts, of which none is contained in another one of the same metric and owner. What a process of `tree` used of a
    /// GPU is the program's, one amount for each GPU.
    pub(super) fn take(&self, tree: Option<&MeasuredTree>) -> Amounts {
        let mut amounts = std::mem::take(&mut *self.0.lock());
        amounts.assign(|pid| tree.is_some_and(|tree| tree.has_had(pid)));
        let whole: Vec<_> = amounts
            .totals
            .iter()
            .filter(|total| !total.is_part)
            .map(Total::key)
            .collect();
        amounts
            .totals
            .retain(|total| !total.is_part || !whole.contains(&total.key()));
        amounts
    }
}

impl Amounts {
    /// Adds up what the processes of the program used, and drops what others did.
    pub(super) fn assign(&mut self, is_of_program: impl Fn(u32) -> bool) {
        for mut total in std::mem::take(&mut self.totals) {
            if let Whose::Process(pid) = total.whose {
                if !is_of_program(pid) {
                    continue;
                }
                total.whose = Whose::Program;
                let is_same = |other: &&mut Total| other.key() == total.key() && other.what == total.what;
                if let Some(known) = self.totals.iter_mut().find(is_same) {
                    for (phase, amount) in total.by_phase.iter().enumerate() {
                        known.add_amount(*amount, phase);
                    }
                    continue;
                }
            }
            self.totals.push(total);
        }
    }

    /// The sum of what somebody had in a phase, 0 being what was before the first.
    pub(super) fn of_phase(&self, phase: usize, quantity: Quantity, whose: &[Whose]) -> f64 {
        let amounts = self
            .totals
            .iter()
            .filter(|total| total.quantity == quantity && whose.contains(&total.whose));
        amounts.map(|total| total.in_phase(phase)).sum()
    }
}

impl Total {
    /// The amount of a series, nothing so far; none if it is nothing that is added up, or that of another
    /// consumer.
    pub(super) fn of(series: &SeriesInfo, labels: &[String], first: f64) -> Option<Self> {
        let (quantity, factor) = quantity(&series.metric)?;
        // Emissions tell of which energy they are.
        let energy = series
            .attributes()
            .get("energy_metric")
            .map(AttributeValue::to_string);
        let energy = energy.as_deref().unwrap_or(&series.metric.name);
        let is_of_tree = energy.starts_with(METRIC_PREFIX);
        let is_of_gpu = energy == GPU_ENERGY;
        let part = series.attributes().get("part").map(AttributeValue::to_string);
        let whose = match (series.consumer(), part.as_deref()) {
            (Consumer::LocalMachine, Some("idle")) if is_of_tree => Whose::Idle,
            (Consumer::LocalMachine, Some(_)) if is_of_tree => Whose::Others,
            (Consumer::LocalMachine, None) => Whose::Machine,
            (_, None) if is_of_tree => Whose::Program,
            (Consumer::Process { pid }, None) if is_of_gpu => Whose::Process(*pid),
            _ => return None,
        };
        let quantity = match quantity {
            Quantity::Energy if is_of_gpu => Quantity::GpuEnergy,
            quantity => quantity,
        };
        let mut what = series.metric.name.trim_end_matches("_delta").replace('_', " ");
        for (key, value) in series.attributes().iter() {
            if key != "part" && labels.iter().all(|label| **label != *key) {
                let _ = write!(what, " {value}");
            }
        }
        // The joules of a GPU are in none of the machine's.
        let is_part = !is_of_gpu && *series.resource() != Resource::LocalMachine;
        if is_of_gpu {
            what = series.resource().to_string();
        } else if is_part {
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
            by_phase: Vec::new(),
            last: match series.metric.kind {
                MetricKind::Counter => first,
                MetricKind::Gauge | MetricKind::Delta => 0.0,
            },
        })
    }

    /// Adds the next value, which is of that phase.
    pub(super) fn add(&mut self, value: f64, phase: usize) {
        let amount = match self.kind {
            MetricKind::Delta => value,
            MetricKind::Gauge | MetricKind::Counter => value - std::mem::replace(&mut self.last, value),
        };
        self.add_amount(amount, phase);
    }

    fn add_amount(&mut self, amount: f64, phase: usize) {
        if self.by_phase.len() <= phase {
            self.by_phase.resize(phase + 1, 0.0);
        }
        self.by_phase[phase] += amount;
    }

    fn key(&self) -> (Whose, String) {
        (self.whose, self.metric.clone())
    }

    /// In joules, grams or seconds.
    pub(super) fn amount(&self) -> f64 {
        self.factor * self.by_phase.iter().sum::<f64>()
    }

    fn in_phase(&self, phase: usize) -> f64 {
        self.factor * self.by_phase.get(phase).copied().unwrap_or(0.0)
    }
}

/// The name of the phase that begins with a sample of the series.
fn phase_of(series: &SeriesInfo) -> Option<String> {
    let is_mark = series.metric.name == mark::PHASE.doc.name;
    let name = series.attributes().get("phase").filter(|_| is_mark)?;
    Some(name.to_string())
}

/// Of what a metric tells an amount, if it is one of those, and the factor to its unit.
fn quantity(metric: &Metric) -> Option<(Quantity, f64)> {
    if metric.name == CPU_TIME.doc.name {
        return Some((
            Quantity::CpuTime,
            Unit::convert(1.0, &metric.unit, &Unit::SECOND)?,
        ));
    }
    if let Some(factor) = Unit::convert(1.0, &metric.unit, &Unit::JOULE) {
        return Some((Quantity::Energy, factor));
    }
    let factor = Unit::convert(1.0, &metric.unit, &CARBON)?;
    Some((Quantity::Carbon, factor))
}

/// As `energy-to-carbon` has it.
const CARBON: Unit = Unit::custom("g{CO2eq}", "gCO₂eq");
