//! Programs that are run again and again, and what can be said of them then.

mod export;
mod plan;
mod report;
mod statistics;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::summary::Summary;

pub(crate) use plan::{Plan, Variant};
use statistics::{Comparison, Statistics};

/// What the runs of all variants have given.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) warmup: u32,
    variants: Vec<VariantResult>,
    /// Of each other variant against the first.
    comparisons: Vec<Compared>,
}

/// What the runs of one variant have given.
#[derive(Debug, Serialize)]
struct VariantResult {
    /// The command for people.
    name: String,
    parameters: BTreeMap<String, String>,
    statistics: BTreeMap<Quantity, Statistics>,
    /// How joules are known: `measured`, `modelled` or `estimated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    energy_quality: Option<&'static str>,
    runs: Vec<Summary>,
}

/// One variant against the first.
#[derive(Debug, Serialize)]
struct Compared {
    name: String,
    quantities: BTreeMap<Quantity, Comparison>,
}

/// What is compared, each in its base unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Quantity {
    DurationSeconds,
    CpuSeconds,
    EnergyJoules,
    PeakMemoryBytes,
    AgentCpuSeconds,
}

impl Quantity {
    const ALL: [Self; 5] = [
        Self::DurationSeconds,
        Self::CpuSeconds,
        Self::EnergyJoules,
        Self::PeakMemoryBytes,
        Self::AgentCpuSeconds,
    ];

    /// That of one run, if it is known.
    fn of(self, run: &Summary) -> Option<f64> {
        let usage = run.usage.as_ref();
        match self {
            Self::DurationSeconds => Some(run.duration_seconds),
            Self::CpuSeconds => usage.map(|usage| usage.cpu_user_seconds + usage.cpu_system_seconds),
            Self::EnergyJoules => run.energy.program.as_ref().map(|program| program.joules),
            Self::PeakMemoryBytes => usage.map(|usage| usage.peak_memory_of_all_bytes as f64),
            Self::AgentCpuSeconds => Some(run.agent_cpu_seconds),
        }
    }
}

impl Results {
    /// Of the runs of each variant.
    pub(crate) fn new(warmup: u32, all: Vec<(Variant, Vec<Summary>)>) -> Self {
        let variants: Vec<_> = all
            .into_iter()
            .map(|(variant, runs)| VariantResult::new(variant, runs))
            .collect();
        let comparisons = match variants.split_first() {
            Some((base, others)) => others.iter().map(|other| other.against(base)).collect(),
            None => Vec::new(),
        };
        Self {
            warmup,
            variants,
            comparisons,
        }
    }
}

impl VariantResult {
    fn new(variant: Variant, runs: Vec<Summary>) -> Self {
        let statistics = Quantity::ALL.into_iter().filter_map(|quantity| {
            // What is not known of each run is not known.
            let values: Option<Vec<f64>> = runs.iter().map(|run| quantity.of(run)).collect();
            Some((quantity, Statistics::of(&values?)?))
        });
        let energy = runs.iter().find_map(|run| run.energy.program.as_ref());
        Self {
            statistics: statistics.collect(),
            energy_quality: energy.map(|energy| energy.quality.name()),
            name: variant.name,
            parameters: variant.parameters,
            runs,
        }
    }

    fn against(&self, base: &Self) -> Compared {
        let quantities = self.statistics.iter().filter_map(|(quantity, own)| {
            let comparison = own.against(base.statistics.get(quantity)?)?;
            (*quantity != Quantity::AgentCpuSeconds).then_some((*quantity, comparison))
        });
        Compared {
            name: self.name.clone(),
            quantities: quantities.collect(),
        }
    }
}
