//! What the table `[plugins.energy-attribution]` holds.

use std::collections::BTreeMap;

use alumet_core::duration::HumanDuration;
use alumet_shared_metric_names::SeriesKeys;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metrics::{ATTRIBUTED_ENERGY, ATTRIBUTED_GPU_ENERGY, PROCESS_TREE_ENERGY};

/// How energy is shared: by formulas, and by models that need none.
///
/// Without any formula and model there are three models, `attributed_energy`, `process_tree_energy` and `attributed_gpu_energy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// A formula for each metric that is to be made, by the name of that metric.
    pub formulas: BTreeMap<String, Formula>,
    /// A built-in model for each metric that is to be made, by the name of that metric.
    pub models: BTreeMap<String, Model>,
    /// The attribute by which nodes are told apart, where a relay server receives them: its `node_attribute`.
    pub node_attribute: String,
}

/// An expression over series, evaluated for each consumer at each sample of one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Formula {
    /// The expression, in joules; the names in it are those of `per_resource` and `per_consumer`.
    pub expr: String,
    /// The name, in `per_resource`, of the series whose samples say when the formula is evaluated. The others are aligned with it.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Has no effect any more: how long samples are kept follows from how often their sources are polled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_time: Option<HumanDuration>,
    /// The series that belong to a resource and to no consumer, by their name in the expression.
    pub per_resource: BTreeMap<String, Operand>,
    /// The series of the consumers, by their name in the expression.
    #[serde(default)]
    pub per_consumer: BTreeMap<String, Operand>,
}

/// The series that a name of an expression stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Operand {
    /// Whether the result has the attributes of the series.
    #[serde(default = "yes")]
    pub keep_attributes: bool,
    /// Which series are meant.
    #[serde(flatten)]
    pub series: SeriesKeys,
}

/// A way to share energy that needs no formula, and shares out exactly what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// How the energy is shared.
    pub model: ModelKind,
    /// The energy that is shared: deltas in a unit of energy. Of series that are measured, modelled or estimated, only those of the best
    /// quality that the node has are taken.
    pub energy: Vec<SeriesKeys>,
    /// What the consumers used: deltas, of CPU time for example.
    pub usage: Vec<SeriesKeys>,
    /// What was used on the whole machine, in the unit of `usage`. As long as there is no such series nothing is attributed; if
    /// none is named, what the consumers used is all.
    #[serde(default)]
    pub machine: Vec<SeriesKeys>,
    /// How much can be used per second, in the unit of `usage`, in place of `machine`: 1 for the time of a GPU, so that the energy of the
    /// time in which it did nothing stays unattributed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<f64>,
    /// The time in which the CPUs of the machine were idle. With `machine`, it tells the models `share_idle` and `counters` when the
    /// machine is quiet.
    #[serde(default)]
    pub idle: Vec<SeriesKeys>,
    /// What the model `counters` weights, one weight for each selector: deltas of the consumers and, if there are such, of the machine.
    #[serde(default)]
    pub counters: Vec<SeriesKeys>,
    /// Whether each series of energy is shared on its own, under its resource and attributes, instead of their sum.
    #[serde(default)]
    pub per_domain: bool,
}

/// How a model shares energy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// All of it by use.
    Share,
    /// What the machine needs while nobody uses it is kept apart, as it was learnt in quiet times; the rest by use.
    ShareIdle,
    /// As `share_idle`, with a weight for each counter that is learnt from the power of the machine.
    Counters,
}

const fn yes() -> bool {
    true
}

impl Default for Config {
    fn default() -> Self {
        Self {
            formulas: BTreeMap::new(),
            models: BTreeMap::new(),
            node_attribute: "node".to_owned(),
        }
    }
}

impl Config {
    /// The models that are configured, or those that are there when nothing is.
    pub(crate) fn models(&self) -> BTreeMap<String, Model> {
        if !self.models.is_empty() || !self.formulas.is_empty() {
            return self.models.clone();
        }
        let of_cpu = |kind: &str, kinds| SeriesKeys {
            consumer_kind: Some([kind].into()),
            attributes: [("kind".to_owned(), kinds)].into(),
            ..all("cpu_time_delta")
        };
        let everybody = vec![
            of_cpu("process", ["user", "system"].into()),
            of_cpu("cgroup", ["total"].into()),
        ];
        let tree = vec![all("process_tree_cpu_time")];
        BTreeMap::from([
            (ATTRIBUTED_ENERGY.name().to_owned(), Model::of_machine(everybody)),
            (PROCESS_TREE_ENERGY.name().to_owned(), Model::of_machine(tree)),
            (ATTRIBUTED_GPU_ENERGY.name().to_owned(), Model::of_gpus()),
        ])
    }
}

impl Model {
    /// Shares the energy of packages and memory, or the estimated energy of the machine, by CPU time.
    ///
    /// `package` contains `pp0`, `pp1` and `core`, `platform` contains `package`, and totals contain what they sum: none of these
    /// is added.
    fn of_machine(usage: Vec<SeriesKeys>) -> Self {
        let of_resource = |metric, resource: &str, key: &str, values| SeriesKeys {
            resource_kind: Some([resource].into()),
            attributes: [(key.to_owned(), values)].into(),
            ..all(metric)
        };
        let rapl =
            |resource, domain: &str| of_resource("rapl_consumed_energy", resource, "domain", [domain].into());
        let cpus = |states| {
            vec![of_resource(
                "kernel_cpu_time",
                "local_machine",
                "cpu_state",
                states,
            )]
        };
        Self {
            model: ModelKind::ShareIdle,
            energy: vec![
                rapl("cpu_package", "package"),
                rapl("dram", "dram"),
                all("estimated_consumed_energy"),
            ],
            usage,
            // `user` and `nice` contain `guest` and `guest_nice`; what was stolen, others used.
            machine: cpus(["user", "nice", "system", "irq", "softirq"].into()),
            idle: cpus(["idle", "iowait"].into()),
            capacity: None,
            counters: Vec::new(),
            per_domain: false,
        }
    }

    /// Shares the energy of each GPU by the time in which it worked for each process.
    fn of_gpus() -> Self {
        let of = |metric, key: &str, value: &str| SeriesKeys {
            attributes: [(key.to_owned(), [value].into())].into(),
            ..all(metric)
        };
        Self {
            model: ModelKind::Share,
            energy: vec![
                all("nvml_energy_consumption"),
                all("nvml_estimated_energy_consumption"),
                all("amd_gpu_energy_consumption"),
                // It contains that of the chip.
                of("intel_gpu_energy", "domain", "card"),
            ],
            // An attribute by which is selected is none of the result: there, the engines are one.
            usage: vec![
                all("nvml_process_sm_time"),
                all("amd_gpu_process_engine_gfx"),
                of("amd_gpu_process_engine_time", "engine", "compute"),
                of("intel_gpu_process_engine_time", "engine", "*"),
            ],
            machine: Vec::new(),
            capacity: Some(1.0),
            idle: Vec::new(),
            counters: Vec::new(),
            per_domain: true,
        }
    }
}

/// All series of a metric.
fn all(metric: &str) -> SeriesKeys {
    SeriesKeys {
        metric: Some([metric].into()),
        ..SeriesKeys::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With each list of one text as that text.
    fn in_short(value: toml::Value) -> toml::Value {
        match value {
            toml::Value::Array(list) => match list.as_slice() {
                [toml::Value::String(text)] => toml::Value::String(text.clone()),
                _ => toml::Value::Array(list.into_iter().map(in_short).collect()),
            },
            toml::Value::Table(table) => {
                let pairs = table.into_iter().map(|(key, value)| (key, in_short(value)));
                toml::Value::Table(pairs.collect())
            }
            other => other,
        }
    }

    #[test]
    fn the_readme_shows_the_models_that_are_there_by_default() {
        let readme = include_str!("../README.md");
        let (_, text) = readme.split_once("in full:\n\n```toml\n").unwrap();
        let (text, _) = text
            .split_once("\n[plugins.energy-attribution.models.process_tree_energy]")
            .unwrap();
        let table: toml::Table = text.parse().unwrap();
        let shown: Config = table["plugins"]["energy-attribution"].clone().try_into().unwrap();
        for name in [ATTRIBUTED_ENERGY.name(), ATTRIBUTED_GPU_ENERGY.name()] {
            let model = |config: &Config| {
                let model = config.models()[name].clone();
                in_short(toml::Value::try_from(model).unwrap())
            };
            assert_eq!(model(&shown), model(&Config::default()));
        }
    }
}
