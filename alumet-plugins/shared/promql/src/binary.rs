//! Operators between two expressions.

use std::collections::HashMap;

use alumet_shared_query::Budget;

use crate::error::ApiError;
use crate::eval::{Row, Value, map_steps, united};
use crate::expr::{Binary, Cardinality, Labelling, Operator};
use crate::labels::Labels;

/// Both sides together, at so many instants.
///
/// # Errors
/// When series cannot be matched, or the budget is used up.
pub(crate) fn binary(
    binary: &Binary,
    left: Value,
    right: Value,
    count: usize,
    budget: &Budget,
) -> Result<Value, ApiError> {
    let operator = binary.operator;
    Ok(match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            let both = left.into_iter().zip(right);
            Value::Scalar(both.map(|(left, right)| operator.number(left, right)).collect())
        }
        (Value::Vector(rows), Value::Scalar(scalar)) => {
            let of = |value, index: usize| binary.value(value, scalar[index], value);
            Value::Vector(binary.each(rows, of)?)
        }
        (Value::Scalar(scalar), Value::Vector(rows)) => {
            let of = |value, index: usize| binary.value(scalar[index], value, value);
            Value::Vector(binary.each(rows, of)?)
        }
        (left, right) if operator.is_of_sets() => {
            Value::Vector(united(set(binary, left.rows(), right.rows(), count))?)
        }
        (left, right) => Value::Vector(binary.match_up(left.rows(), right.rows(), budget)?),
    })
}

impl Binary {
    /// The value of both sides; `kept` is that of a comparison that is right.
    fn value(&self, left: f64, right: f64, kept: f64) -> Option<f64> {
        let value = self.operator.number(left, right);
        match self.operator.is_comparison() && !self.returns_bool {
            true => (value == 1.0).then_some(kept),
            false => Some(value),
        }
    }

    /// Whether the result has the names of the left side.
    const fn keeps_name(&self) -> bool {
        self.operator.is_comparison() && !self.returns_bool
    }

    fn each(&self, mut rows: Vec<Row>, of: impl Fn(f64, usize) -> Option<f64>) -> Result<Vec<Row>, ApiError> {
        if !self.keeps_name() {
            return map_steps(rows, of);
        }
        for row in &mut rows {
            for (index, value) in row.values.iter_mut().enumerate() {
                *value = value.and_then(|value| of(value, index));
            }
        }
        Ok(rows)
    }

    /// Series with series that have the same labels, of those that count. As `VectorBinop` of
    /// <https://github.com/prometheus/prometheus/blob/main/promql/engine.go>.
    fn match_up(&self, left: Vec<Row>, right: Vec<Row>, budget: &Budget) -> Result<Vec<Row>, ApiError> {
        let is_swapped = matches!(self.cardinality, Cardinality::OneToMany(_));
        let (many, one) = if is_swapped { (right, left) } else { (left, right) };
        let mut groups: HashMap<Labels, (Vec<Row>, Vec<Row>)> = HashMap::new();
        for row in one {
            groups
                .entry(row.labels.restricted(&self.matching))
                .or_default()
                .1
                .push(row);
        }
        let mut order = Vec::new();
        for row in many {
            let key = row.labels.restricted(&self.matching);
            if let Some(group) = groups.get_mut(&key) {
                if group.0.is_empty() {
                    order.push(key);
                }
                group.0.push(row);
            }
        }
        let mut out = Vec::new();
        for key in order {
            budget.check()?;
            let Some((many, one)) = groups.remove(&key) else {
                continue;
            };
            self.match_group(&key, (&many, &one), is_swapped, budget, &mut out)?;
        }
        united(out)
    }

    fn match_group(
        &self,
        key: &Labels,
        (many, ones): (&[Row], &[Row]),
        is_swapped: bool,
        budget: &Budget,
        out: &mut Vec<Row>,
    ) -> Result<(), ApiError> {
        let count = ones.first().map_or(0, |row| row.values.len());
        let mut taken = vec![false; count];
        for index in 0..count {
            if ones.iter().filter(|row| row.values[index].is_some()).count() > 1 {
                let side = if is_swapped { "left" } else { "right" };
                return Err(ApiError::execution(format!(
                    "several series on the {side} side match {key}: many-to-many matching is not allowed, so name more \
                     labels in `on`"
                )));
            }
        }
        for (row, one) in many.iter().flat_map(|row| ones.iter().map(move |one| (row, one))) {
            budget.check()?;
            let values = row.values.iter().zip(&one.values).map(|(many, one)| {
                let (many, one) = ((*many)?, (*one)?);
                let (left, right) = if is_swapped { (one, many) } else { (many, one) };
                self.value(left, right, left)
            });
            let values: Vec<_> = values.collect();
            if values.iter().all(Option::is_none) {
                continue;
            }
            if matches!(self.cardinality, Cardinality::OneToOne) {
                for (taken, value) in taken.iter_mut().zip(&values) {
                    if *taken && value.is_some() {
                        return Err(ApiError::execution(format!(
                            "several series on the left side match {key}: write `group_left` or `group_right` if that is \
                             meant"
                        )));
                    }
                    *taken |= value.is_some();
                }
            }
            budget.admit_points(((out.len() + 1) * count) as u64)?;
            let labels = self.labels(&row.labels, &one.labels);
            out.push(Row { labels, values });
        }
        Ok(())
    }

    /// The labels of what comes of two series.
    fn labels(&self, many: &Labels, one: &Labels) -> Labels {
        let mut labels = many.clone();
        if !self.keeps_name() {
            labels = labels.without_name();
        }
        match &self.cardinality {
            Cardinality::OneToOne => match &self.matching {
                Labelling::Only(_) => labels.restricted(&self.matching),
                Labelling::Except(list) => {
                    for name in list {
                        labels.set(name, "");
                    }
                    labels
                }
            },
            Cardinality::ManyToOne(included) | Cardinality::OneToMany(included) => {
                for name in included {
                    labels.set(name, one.get(name));
                }
                labels
            }
        }
    }
}

/// What is in both, in one of them, or only in the left one.
fn set(binary: &Binary, left: Vec<Row>, right: Vec<Row>, count: usize) -> Vec<Row> {
    fn presence(binary: &Binary, rows: &[Row], count: usize) -> HashMap<Labels, Vec<bool>> {
        let mut present: HashMap<Labels, Vec<bool>> = HashMap::new();
        for row in rows {
            let key = row.labels.restricted(&binary.matching);
            let present = present.entry(key).or_insert_with(|| vec![false; count]);
            for (present, value) in present.iter_mut().zip(&row.values) {
                *present |= value.is_some();
            }
        }
        present
    }
    /// Leaves the values where the other side has some, or has none.
    fn filter(binary: &Binary, rows: &mut [Row], other: &HashMap<Labels, Vec<bool>>, wanted: bool) {
        for row in rows {
            let there = other.get(&row.labels.restricted(&binary.matching));
            for (index, value) in row.values.iter_mut().enumerate() {
                let is_there = there.is_some_and(|there| there[index]);
                *value = value.filter(|_| is_there == wanted);
            }
        }
    }
    let (mut left, mut right) = (left, right);
    match binary.operator {
        Operator::Or => {
            filter(binary, &mut right, &presence(binary, &left, count), false);
            left.extend(right);
        }
        operator => {
            let wanted = operator == Operator::And;
            filter(binary, &mut left, &presence(binary, &right, count), wanted);
        }
    }
    left
}

impl Operator {
    /// Of two numbers; of a comparison, 1 if it is right, and otherwise 0.
    fn number(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Sub => left - right,
            Self::Mul => left * right,
            Self::Div => left / right,
            Self::Mod => left % right,
            Self::Pow => left.powf(right),
            Self::Atan2 => left.atan2(right),
            Self::Equal => (left == right).into(),
            Self::NotEqual => (left != right).into(),
            Self::Greater => (left > right).into(),
            Self::Less => (left < right).into(),
            Self::GreaterOrEqual => (left >= right).into(),
            Self::LessOrEqual => (left <= right).into(),
            // They are of series.
            Self::And | Self::Or | Self::Unless => f64::NAN,
        }
    }
}
