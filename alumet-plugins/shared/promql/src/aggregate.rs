//! Several series to one.

use std::collections::BTreeMap;

use alumet_shared_query::Budget;

use crate::error::ApiError;
use crate::eval::{Row, order};
use crate::expr::{Aggregation, Aggregator};
use crate::labels::Labels;
use crate::window::{quantile, sum};

/// Aggregates at so many instants; `parameter` has a number per instant, if the aggregator has one.
///
/// # Errors
/// When a number of series is none, or the budget is used up.
pub(crate) fn aggregate(
    aggregation: &Aggregation,
    parameter: &[f64],
    rows: Vec<Row>,
    count: usize,
    budget: &Budget,
) -> Result<Vec<Row>, ApiError> {
    let is_ranking = matches!(aggregation.aggregator, Aggregator::Topk | Aggregator::Bottomk);
    if is_ranking && let Some(most) = parameter.iter().find(|most| most.is_nan()) {
        return Err(ApiError::execution(format!("{most} is no number of series")));
    }
    let mut groups: BTreeMap<Labels, Vec<Row>> = BTreeMap::new();
    for row in rows {
        let labels = row.labels.restricted(&aggregation.grouping);
        groups.entry(labels).or_default().push(row);
    }
    budget.admit_points((groups.len() * count) as u64)?;
    let mut out = Vec::with_capacity(groups.len());
    for (labels, group) in groups {
        budget.check()?;
        if is_ranking {
            out.extend(ranked(
                aggregation.aggregator == Aggregator::Topk,
                parameter,
                group,
            ));
            continue;
        }
        let mut present = Vec::with_capacity(group.len());
        let values = (0..count).map(|index| {
            present.clear();
            present.extend(group.iter().filter_map(|row| row.values[index]));
            let part = parameter.get(index).copied().unwrap_or(f64::NAN);
            (!present.is_empty()).then(|| aggregation.aggregator.of_values(&present, part))
        });
        let values = values.collect();
        out.push(Row { labels, values });
    }
    Ok(out)
}

impl Aggregator {
    fn of_values(self, values: &[f64], part: f64) -> f64 {
        match self {
            Self::Avg => sum(values) / values.len() as f64,
            Self::Min => values.iter().copied().fold(f64::NAN, f64::min),
            Self::Max => values.iter().copied().fold(f64::NAN, f64::max),
            Self::Count => values.len() as f64,
            Self::Group => 1.0,
            Self::Quantile => quantile(part, values.to_vec()),
            Self::Sum | Self::Topk | Self::Bottomk => sum(values),
        }
    }
}

/// At each instant, the so many largest or smallest; if there is one instant, in this order.
fn ranked(largest: bool, most: &[f64], group: Vec<Row>) -> Vec<Row> {
    let mut chosen: Vec<Vec<Option<f64>>> = vec![vec![None; most.len()]; group.len()];
    let mut ranks: Vec<usize> = (0..group.len()).collect();
    for (index, most) in most.iter().enumerate() {
        let value = |row: &usize| group[*row].values[index];
        let mut present: Vec<usize> = (0..group.len()).filter(|row| value(row).is_some()).collect();
        let number = |row: &usize| value(row).unwrap_or(f64::NAN);
        present.sort_by(|one, other| order(number(one), number(other), largest));
        present.truncate(*most as usize);
        for row in &present {
            chosen[*row][index] = value(row);
        }
        if index == 0 {
            ranks = present;
        }
    }
    if most.len() > 1 {
        ranks = (0..group.len()).collect();
    }
    let rows = ranks.into_iter().map(|row| Row {
        labels: group[row].labels.clone(),
        values: std::mem::take(&mut chosen[row]),
    });
    rows.collect()
}
