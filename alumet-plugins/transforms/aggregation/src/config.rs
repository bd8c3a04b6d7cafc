//! What the table `[plugins.aggregation]` holds.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_core::time::Monotonic;
use alumet_shared_metric_names::{Selection, SeriesPattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Function;

/// Which metrics are aggregated, how, and over which time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The length of a window. Windows begin at multiples of it since 1970, so those of `1m` at every full minute.
    pub interval: HumanDuration,
    /// What becomes of the values of a window, or a list: `["mean", "p95", { percentile = 99.9 }]` makes three metrics.
    pub function: Functions,
    /// The series that are aggregated: names of metrics, in which `*` stands for any text, or tables with `metric`,
    /// `resource_kind`, `resource_id`, `consumer_kind`, `consumer_id` and attributes. Others pass unchanged.
    pub metrics: Vec<SeriesPattern>,
    /// How long after its end a window waits for samples of sources that do not say how far they are, or that have
    /// stopped.
    pub lateness: HumanDuration,
    /// Whether the samples that were aggregated are kept, too.
    pub keep_originals: bool,
}

/// One function, or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Functions {
    /// One.
    One(Function),
    /// Several.
    More(Vec<Function>),
}

impl Functions {
    /// All of them.
    pub(crate) const fn all(&self) -> &[Function] {
        match self {
            Self::One(function) => std::slice::from_ref(function),
            Self::More(functions) => functions.as_slice(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: HumanDuration::from_secs(60),
            function: Functions::One(Function::Sum),
            metrics: Vec::new(),
            lateness: HumanDuration::from_secs(5),
            keep_originals: false,
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The key that is wrong and what would be right.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        faults.refuse_polls("interval", *self.interval);
        let longest = HumanDuration::from_secs(366 * 86_400);
        if self.interval > longest {
            faults.add("interval", format!("a window can last {longest} at most"));
        }
        let functions = self.function.all();
        if functions.is_empty() {
            faults.add("function", "at least one is needed, for example \"sum\"");
        }
        for (index, function) in functions.iter().enumerate() {
            if function
                .percent()
                .is_some_and(|percent| !(0.0..=100.0).contains(&percent))
            {
                faults.add(
                    "function",
                    "a percentile is between 0 and 100, for example { percentile = 99.9 }",
                );
            }
            let is_same = |other: &Function| {
                other == function || (other.percent().is_some() && other.percent() == function.percent())
            };
            if functions[..index].iter().any(is_same) {
                faults.add("function", "a function is there twice; remove one");
            }
        }
        faults.keep(Selection::new("metrics", &self.metrics, Monotonic::default()));
        faults.or_ok()
    }
}
