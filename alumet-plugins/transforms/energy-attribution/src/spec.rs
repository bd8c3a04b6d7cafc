//! What is to be made of series: formulas and models in one form, compiled from the configuration once.

use alumet_core::Consumer;
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::plugin::Faults;
use alumet_core::series::SeriesInfo;
use alumet_core::unit::Unit;
use alumet_core::value::ValueType;
use alumet_shared_metric_names::{Selector, SeriesKeys};

use crate::config::{Config, Formula, Model, ModelKind, Operand};
use crate::formula::Program;

/// One metric to be made: the series that it needs, in slots, and what is done with them.
#[derive(Debug)]
pub(crate) struct Spec {
    /// The name of the metric.
    pub(crate) name: String,
    pub(crate) slots: Vec<Slot>,
    pub(crate) work: Work,
}

#[derive(Debug)]
pub(crate) enum Work {
    /// The slots of a model have fixed places, see [`Spec::USAGE`] and those that follow it; the first is energy.
    Model {
        kind: ModelKind,
        per_domain: bool,
        /// How much can be used per second, where no series tells what was.
        capacity: Option<f64>,
    },
    /// The slots are the names of the expression.
    Formula(Program),
}

/// The series that have one part in the computation.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Its key in the configuration.
    pub(crate) key: String,
    pub(crate) role: Role,
    selectors: Vec<Selector>,
    /// The attributes by which it selects.
    asked_for: Vec<String>,
    pub(crate) keep_attributes: bool,
    unit: TargetUnit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Its samples are what is computed for: energy, or the `ref` of a formula.
    Energy,
    /// Concerns the resource as a whole.
    Machine,
    /// Of a consumer.
    Consumer,
}

#[derive(Debug)]
enum TargetUnit {
    /// Any, and values are taken as they are.
    Any,
    /// Values are converted if they can be.
    Preferably(Unit),
    /// Values that cannot be converted are refused.
    Only(Unit),
}

/// The part that a series has in a slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) role: Role,
    /// What turns its values into those of the slot.
    pub(crate) factor: f64,
}

impl Spec {
    pub(crate) const USAGE: usize = 1;
    pub(crate) const BUSY: usize = 2;
    pub(crate) const IDLE: usize = 3;
    pub(crate) const COUNTERS: usize = 4;

    /// All that the configuration asks for.
    ///
    /// # Errors
    /// The keys that are wrong.
    pub(crate) fn all(config: &Config) -> Result<Vec<Self>, Faults> {
        let mut faults = Faults::default();
        if config.node_attribute.is_empty() {
            let message = "nodes could not be told apart; name an attribute, for example \"node\"";
            faults.add("node_attribute", message);
        }
        let mut specs = Vec::new();
        for (name, formula) in &config.formulas {
            specs.extend(faults.keep(Self::of_formula(name, formula)));
        }
        for (name, model) in &config.models() {
            if config.formulas.contains_key(name) {
                let message =
                    format!("the formula `{name}` makes a metric of that name already; choose another one");
                faults.add(&format!("models.{name}"), message);
            }
            specs.extend(faults.keep(Self::of_model(name, model)));
        }
        if specs.len() > Self::MOST {
            let message = format!("there can be {} formulas and models at most", Self::MOST);
            faults.add("formulas", message);
        }
        faults.or_ok()?;
        Ok(specs)
    }

    /// One bit each says whom a stream concerns.
    const MOST: usize = 64;

    /// The metric.
    pub(crate) fn metric(&self) -> Metric {
        let description = match &self.work {
            Work::Model { .. } => "Energy that a consumer used. With `part`, what was used by none of them.",
            Work::Formula(_) => "Energy that a consumer used, by a formula.",
        };
        Metric {
            name: self.name.clone().into(),
            kind: MetricKind::Delta,
            value_type: ValueType::F64,
            unit: Unit::JOULE,
            description: description.into(),
            quality: Quality::Modelled,
        }
    }

    fn of_model(name: &str, model: &Model) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let key = |key: &str| format!("models.{name}.{key}");
        for (list, selectors) in [("energy", &model.energy), ("usage", &model.usage)] {
            if selectors.is_empty() {
                faults.add(
                    &key(list),
                    "name at least one series, for example { metric = \"cpu_time_delta\" }",
                );
            }
        }
        if (model.model == ModelKind::Counters) == model.counters.is_empty() {
            let message = "the model `counters` weights counters, and no other does; name some, or choose another model";
            faults.add(&key("counters"), message);
        }
        if let Some(capacity) = model.capacity {
            if !(capacity.is_finite() && capacity > 0.0) {
                faults.add(
                    &key("capacity"),
                    "give what can be used per second, such as 1.0 for the time of a GPU",
                );
            }
            if !model.machine.is_empty() {
                faults.add(
                    &key("capacity"),
                    "`machine` tells what was used; remove one of the two",
                );
            }
        }
        // What all series of a consumer have in common tells who it is.
        let mut slot = |name: &str, role, keys: &[SeriesKeys], unit| {
            Slot::new(key(name), role, keys, true, unit, &mut faults)
        };
        let seconds = || TargetUnit::Preferably(Unit::SECOND);
        let mut slots = vec![
            slot(
                "energy",
                Role::Energy,
                &model.energy,
                TargetUnit::Only(Unit::JOULE),
            ),
            slot("usage", Role::Consumer, &model.usage, seconds()),
            slot("machine", Role::Machine, &model.machine, seconds()),
            slot("idle", Role::Machine, &model.idle, seconds()),
        ];
        let counters = model.counters.iter();
        slots.extend(counters.map(|counter| {
            slot(
                "counters",
                Role::Consumer,
                std::slice::from_ref(counter),
                TargetUnit::Any,
            )
        }));
        faults.or_ok()?;
        Ok(Self {
            name: name.to_owned(),
            slots,
            work: Work::Model {
                kind: model.model,
                per_domain: model.per_domain,
                capacity: model.capacity,
            },
        })
    }

    fn of_formula(name: &str, formula: &Formula) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let key = |key: &str| format!("formulas.{name}.{key}");
        let names = || formula.per_resource.keys().chain(formula.per_consumer.keys());
        if !formula.per_resource.contains_key(&formula.reference) {
            let known: Vec<_> = formula
                .per_resource
                .keys()
                .map(|name| format!("`{name}`"))
                .collect();
            let message = format!(
                "`{}` is not in `per_resource`; there are {}",
                formula.reference,
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            );
            faults.add(&key("ref"), message);
        }
        if formula.per_consumer.is_empty() {
            let message = "name at least one series of consumers, for example cpu_usage = { metric = \"cpu_percent\", kind = \"total\" }";
            faults.add(&key("per_consumer"), message);
        }
        for name in formula.per_consumer.keys() {
            if formula.per_resource.contains_key(name) {
                let message = format!("`{name}` is in `per_resource`, too; give one of them another name");
                faults.add(&key(&format!("per_consumer.{name}")), message);
            }
        }
        let names: Vec<&str> = names().map(String::as_str).collect();
        let program = Program::compile(&formula.expr, &names).map_err(|error| {
            let mut faults = Faults::default();
            faults.add(&key("expr"), error.to_string());
            faults
        });
        let program = faults.keep(program);
        let mut slots = Vec::new();
        for (list, role, operands) in [
            ("per_resource", Role::Machine, &formula.per_resource),
            ("per_consumer", Role::Consumer, &formula.per_consumer),
        ] {
            slots.extend(operands.iter().map(|(name, operand)| {
                let role = if *name == formula.reference {
                    Role::Energy
                } else {
                    role
                };
                let Operand {
                    keep_attributes,
                    series,
                } = operand;
                let (key, keys) = (key(&format!("{list}.{name}")), std::slice::from_ref(series));
                Slot::new(key, role, keys, *keep_attributes, TargetUnit::Any, &mut faults)
            }));
        }
        faults.or_ok()?;
        let Some(program) = program else {
            return Err(Faults::default());
        };
        Ok(Self {
            name: name.to_owned(),
            slots,
            work: Work::Formula(program),
        })
    }

    /// The part of a series in each slot in which it has one.
    ///
    /// # Errors
    /// Why a series that is selected cannot be used.
    pub(crate) fn parts(&self, series: &SeriesInfo) -> Vec<(usize, Result<Part, String>)> {
        let selecting = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.selects(series));
        selecting
            .map(|(index, slot)| (index, self.part(slot, series)))
            .collect()
    }

    fn part(&self, slot: &Slot, series: &SeriesInfo) -> Result<Part, String> {
        let is_model = matches!(self.work, Work::Model { .. });
        let metric = &series.metric;
        if is_model && metric.kind != MetricKind::Delta {
            return Err(format!(
                "`{}` is a {}, and a model shares and weights deltas; choose another metric, or use a formula",
                metric.name, metric.kind
            ));
        }
        let factor = match &slot.unit {
            TargetUnit::Any => 1.0,
            TargetUnit::Preferably(unit) => Unit::convert(1.0, &metric.unit, unit).unwrap_or(1.0),
            TargetUnit::Only(unit) => Unit::convert(1.0, &metric.unit, unit).ok_or_else(|| {
                format!(
                    "`{}` is in `{}`, which is no unit of energy",
                    metric.name,
                    metric.unit.code()
                )
            })?,
        };
        // Counters of the whole machine, from which weights are learnt.
        let is_of_machine =
            is_model && slot.role == Role::Consumer && *series.consumer() == Consumer::LocalMachine;
        let role = if is_of_machine { Role::Machine } else { slot.role };
        Ok(Part { role, factor })
    }

    /// Whether any series has a part in the slot.
    pub(crate) fn is_used(&self, slot: usize) -> bool {
        self.slots
            .get(slot)
            .is_some_and(|slot| !slot.selectors.is_empty())
    }

    pub(crate) const fn is_model(&self) -> bool {
        matches!(self.work, Work::Model { .. })
    }
}

impl Slot {
    /// The slot of what stands under `key`; what cannot be understood is added to `faults`.
    fn new(
        key: String,
        role: Role,
        keys: &[SeriesKeys],
        keep_attributes: bool,
        unit: TargetUnit,
        faults: &mut Faults,
    ) -> Self {
        let selectors = keys
            .iter()
            .map(|keys| Selector::new(&key, keys, faults))
            .collect();
        Self {
            selectors,
            asked_for: keys
                .iter()
                .flat_map(|keys| keys.attributes.keys().cloned())
                .collect(),
            key,
            role,
            keep_attributes,
            unit,
        }
    }

    /// The last part of its key: the name in a formula.
    pub(crate) fn name(&self) -> &str {
        self.key.rsplit('.').next().unwrap_or(&self.key)
    }

    fn selects(&self, series: &SeriesInfo) -> bool {
        self.selectors.iter().any(|selector| selector.matches(series))
    }

    /// Whether it selects by an attribute, which therefore tells nothing new about a consumer.
    pub(crate) fn asks_for(&self, attribute: &str) -> bool {
        self.asked_for.iter().any(|key| key == attribute)
    }
}
