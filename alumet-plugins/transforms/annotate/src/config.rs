//! What the table `[plugins.annotate]` holds.

use std::collections::BTreeMap;

use alumet_core::AttributeValue;
use alumet_core::plugin::Faults;
use alumet_core::time::Monotonic;
use alumet_shared_metric_names::{Selection, SeriesPattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is added to which series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Attributes with their values: texts, numbers or truth values.
    pub attributes: BTreeMap<String, Constant>,
    /// Facts about the host that are added under their names, as they are at the start.
    pub host: Vec<HostFact>,
    /// The series that get them: names of metrics, in which `*` stands for any text, or tables with `metric`, `resource_kind`,
    /// `resource_id`, `consumer_kind`, `consumer_id` and attributes.
    pub metrics: Vec<SeriesPattern>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Constant {
    /// A text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A floating point number.
    Float(f64),
    /// A truth value.
    Bool(bool),
}

/// A fact about the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum HostFact {
    /// Its name in the network.
    Hostname,
    /// The release of its kernel.
    Kernel,
    /// The model of its CPUs.
    CpuModel,
    /// What identifies its installation.
    MachineId,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            attributes: BTreeMap::new(),
            host: Vec::new(),
            metrics: vec!["*".into()],
        }
    }
}

impl Config {
    /// The series that get attributes.
    ///
    /// # Errors
    /// The patterns that cannot be understood.
    pub(crate) fn selection(&self, now: Monotonic) -> Result<Selection, Faults> {
        Selection::new("metrics", &self.metrics, now)
    }
}

impl From<Constant> for AttributeValue {
    fn from(constant: Constant) -> Self {
        match constant {
            Constant::Text(text) => text.into(),
            Constant::Integer(integer) => u64::try_from(integer).map_or(Self::I64(integer), Self::U64),
            Constant::Float(float) => float.into(),
            Constant::Bool(truth) => truth.into(),
        }
    }
}
