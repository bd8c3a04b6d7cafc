//! A source whose samples are known beforehand.

use alumet_core::duration::HumanDuration;
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::plugin::{Plugin, StartContext, StartError};
use alumet_core::source::{Accumulator, Source};
use alumet_core::unit::Unit;
use alumet_core::value::Number;
use alumet_core::{Catalog, Consumer, Failure, Resource, Series, Value, ValueType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many samples each series has.
pub(crate) const POLLS: u64 = 40;

/// The attribute with the number of the series.
pub(crate) const NUMBER: &str = "number";

/// A series. What it counts or shows is said by its number alone.
#[derive(Debug, Clone)]
pub(crate) struct Sort {
    pub(crate) number: u64,
    pub(crate) kind: MetricKind,
    value_type: ValueType,
    unit: Unit,
    /// What one of this unit is in that of Prometheus.
    pub(crate) base: f64,
    consumer: Consumer,
}

/// All series: each kind with each type, unit and consumer.
pub(crate) fn sorts() -> Vec<Sort> {
    let units = || {
        [
            (Unit::JOULE.milli(), 1e-3),
            (Unit::WATT_HOUR, 3600.0),
            (Unit::SECOND.nano(), 1e-9),
            (Unit::BYTE.kibi(), 1024.0),
            (Unit::ONE, 1.0),
        ]
    };
    let consumers = || {
        [
            Consumer::LocalMachine,
            Consumer::Process { pid: 4711 },
            Consumer::ControlGroup {
                path: "/a.slice/b c,d=\"e\".service".into(),
            },
        ]
    };
    let mut sorts = Vec::new();
    for kind in [MetricKind::Gauge, MetricKind::Delta] {
        for value_type in [ValueType::U64, ValueType::I64, ValueType::F64] {
            for (unit, base) in units() {
                for consumer in consumers() {
                    sorts.push(Sort {
                        number: sorts.len() as u64,
                        kind,
                        value_type,
                        unit: unit.clone(),
                        base,
                        consumer,
                    });
                }
            }
        }
    }
    sorts
}

impl Sort {
    /// What the poll with this number pushes.
    pub(crate) fn value(&self, poll: u64) -> Value {
        let (number, poll) = (self.number.cast_signed(), poll.cast_signed());
        let is_gauge = self.kind == MetricKind::Gauge;
        match self.value_type {
            ValueType::U64 => Value::U64((1 << 40) * self.number + poll.cast_unsigned()),
            ValueType::I64 if is_gauge => Value::I64(20 * number - 100 * poll),
            ValueType::I64 => Value::I64(number + poll),
            ValueType::F64 => {
                let scale = [1e-300, 1e-9, 0.1, 1e15, 1e300][self.number as usize % 5];
                let sign = if is_gauge && poll % 3 == 0 { -1.0 } else { 1.0 };
                Value::F64(sign * scale * (poll as f64 + 1.0))
            }
        }
    }

    fn register<T: Number>(&self, catalog: &Catalog) -> Result<Series<T>, StartError> {
        let metric = catalog.register_metric(self.metric())?;
        let metric = catalog.typed_metric(metric)?;
        let series = catalog.series(metric, Resource::LocalMachine, self.consumer.clone());
        Ok(series.attribute(NUMBER, self.number).register())
    }

    fn metric(&self) -> Metric {
        let unit = self
            .unit
            .code()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        Metric {
            name: format!("{}_{}_{unit}", self.kind, self.value_type).into(),
            kind: self.kind,
            value_type: self.value_type,
            unit: self.unit.clone(),
            description: "For tests.".into(),
            quality: Quality::Measured,
        }
    }
}

/// How often it is polled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Config {
    /// The time between two polls.
    pub(crate) poll_interval: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_millis(20),
        }
    }
}

/// Adds the source.
#[derive(Debug)]
pub(crate) struct SummingPlugin;

impl Plugin for SummingPlugin {
    const ID: &'static str = "summing";
    const SUMMARY: &'static str = "Pushes numbers of every sort, and then no more.";
    type Config = Config;

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let catalog = alumet.catalog().clone();
        let series = |sort: Sort| {
            let series = match sort.value_type {
                ValueType::U64 => Typed::U64(sort.register(&catalog)?),
                ValueType::I64 => Typed::I64(sort.register(&catalog)?),
                ValueType::F64 => Typed::F64(sort.register(&catalog)?),
            };
            Ok::<_, StartError>((sort, series))
        };
        let series = sorts().into_iter().map(series).collect::<Result<_, _>>()?;
        let source = Summing { series, polls: 0 };
        alumet.source("numbers", source).every(*config.poll_interval);
        Ok(Self)
    }
}

struct Summing {
    series: Vec<(Sort, Typed)>,
    polls: u64,
}

enum Typed {
    U64(Series<u64>),
    I64(Series<i64>),
    F64(Series<f64>),
}

impl Source for Summing {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        if self.polls == POLLS {
            return Ok(());
        }
        for (sort, series) in &self.series {
            match (series, sort.value(self.polls)) {
                (Typed::U64(series), Value::U64(value)) => out.push(series, value),
                (Typed::I64(series), Value::I64(value)) => out.push(series, value),
                (Typed::F64(series), Value::F64(value)) => out.push(series, value),
                (_, value) => panic!("{value} has another type than {sort:?}"),
            }
        }
        self.polls += 1;
        Ok(())
    }
}
