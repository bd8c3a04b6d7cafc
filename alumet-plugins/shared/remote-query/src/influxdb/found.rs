//! What answers of a server are collected into.

use std::collections::BTreeMap;

use alumet_core::Attributes;
use alumet_core::attributes::AttributeValue;
use alumet_core::time::Timestamp;
use alumet_core::value::{Value, ValueType};
use alumet_shared_query::Bucket;
use hashbrown::HashMap;

use super::stored::{Tags, VALUE, decode};

/// Something about series, by their measurements and tags.
#[derive(Debug)]
pub(super) struct Found<T>(pub(super) HashMap<(String, Tags), T>);

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Default> Found<T> {
    /// What is known so far of a series.
    pub(super) fn of(&mut self, measurement: &str, tags: &Tags) -> &mut T {
        let key = (measurement.to_owned(), tags.clone());
        self.0.entry(key).or_default()
    }
}

/// When a series has its first and its last sample, and the type of that.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) first_at: Option<i64>,
    pub(super) last_at: Option<i64>,
    pub(super) value_type: Option<ValueType>,
}

/// Samples of what has the same tags.
#[derive(Debug, Default)]
pub(super) struct Points {
    values: Vec<(i64, Value)>,
    /// What stood beside the values, by their times.
    fields: BTreeMap<i64, Vec<(String, AttributeValue)>>,
}

impl Points {
    /// Adds a field of a point.
    pub(super) fn push(&mut self, field: &str, at: i64, cell: AttributeValue) {
        if field != VALUE {
            let cell = match cell {
                AttributeValue::Text(text) => AttributeValue::Text(decode(&text).into()),
                other => other,
            };
            self.fields.entry(at).or_default().push((field.to_owned(), cell));
            return;
        }
        self.values.extend(number(&cell).map(|value| (at, value)));
    }

    /// The samples, in order of time, of each series: of those that have the same attributes in fields.
    pub(super) fn finish(self) -> HashMap<Attributes, (Vec<Timestamp>, Vec<Value>)> {
        let Self { mut values, fields } = self;
        values.sort_by_key(|(at, _)| *at);
        let mut series: HashMap<Attributes, (Vec<Timestamp>, Vec<Value>)> = HashMap::new();
        for (at, value) in values {
            let attributes = match fields.get(&at) {
                None => Attributes::EMPTY,
                Some(fields) => fields.iter().cloned().collect(),
            };
            let (times, values) = series.entry(attributes).or_default();
            times.push(Timestamp::from_nanos(at));
            values.push(value);
        }
        series
    }
}

/// The number in a cell.
pub(super) fn number(cell: &AttributeValue) -> Option<Value> {
    Some(match cell {
        AttributeValue::U64(value) => Value::U64(*value),
        AttributeValue::I64(value) => Value::I64(*value),
        AttributeValue::F64(value) => Value::F64(*value),
        AttributeValue::Bool(_) | AttributeValue::Text(_) | AttributeValue::ListU64(_) => return None,
    })
}

/// What the server has computed of an interval, by the names that both languages have for it.
#[derive(Debug, Default)]
pub(super) struct Window {
    numbers: BTreeMap<&'static str, f64>,
    first_at: Option<i64>,
    last_at: Option<i64>,
}

impl Window {
    /// What is computed.
    pub(super) const AGGREGATES: [&str; 6] = ["count", "sum", "min", "max", "first", "last"];

    /// Notes a result, and the time of the sample that it is, if it is one and its time is known.
    pub(super) fn set(&mut self, aggregate: &str, number: f64, at: Option<i64>) {
        let known = Self::AGGREGATES.into_iter().find(|known| *known == aggregate);
        self.numbers.extend(known.map(|known| (known, number)));
        match aggregate {
            "first" => self.first_at = at,
            "last" => self.last_at = at,
            _ => {}
        }
    }

    /// The interval that begins at `start`, if all is known of it. `ends` are used where the times of its samples are not known.
    /// That no counter is among these is known, so nothing has risen.
    pub(super) fn bucket(&self, start: i64, ends: (i64, i64)) -> Option<Bucket> {
        let number = |name| self.numbers.get(name).copied();
        Some(Bucket {
            start,
            count: number("count")? as u64,
            sum: number("sum")?,
            min: number("min")?,
            max: number("max")?,
            first: number("first")?,
            last: number("last")?,
            first_at: self.first_at.unwrap_or(ends.0),
            last_at: self.last_at.unwrap_or(ends.1),
            rise: 0.0,
        })
    }
}
