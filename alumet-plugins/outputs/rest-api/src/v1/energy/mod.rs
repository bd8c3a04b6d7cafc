//! Energy: how many joules there were, whose, and how that is known.
//!
//! No joule counts twice. Of the meters of a machine those count that contain the others (`meters`). Of the metrics that attribute
//! energy to consumers, one counts on each node, and either control groups or processes (`consumers`). Machines count unless the
//! question is about something that only consumers have; where there is nothing of one sort, the other counts.

mod account;
mod consumers;
mod joules;
mod meters;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use alumet_shared_query::{Label, QueryError, Range, Steps};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorBody};

use self::account::{Account, Question, Row};
use super::asked::{Answered, Asked};
use super::documented::{Formatting, Grouping, Ranging, Selecting};
use super::format::{Column, Table};
use super::labels::By;
use super::parameters::HOUR;
use super::time::millis;

/// How many rows `top` gives.
const TOP: usize = 10;
/// How many it gives at most.
const MOST: usize = 1000;

/// Joules of a range.
#[derive(Serialize, ToSchema)]
struct Energy<'a> {
    /// When the range, or its first interval, begins, in milliseconds since 1970.
    from: i64,
    /// When it ends.
    to: i64,
    /// The sum of the rows.
    #[schema(example = 111.0)]
    joules: f64,
    /// In the order of their labels.
    rows: Vec<EnergyRow<'a>>,
}

/// The joules of a group.
#[derive(Serialize, ToSchema)]
struct EnergyRow<'a> {
    /// What the group has in common.
    labels: &'a BTreeMap<String, String>,
    #[schema(example = 61.2)]
    joules: f64,
    /// How the least well known of its series is known: `measured`, `modelled` or `estimated`.
    #[schema(example = "measured")]
    quality: &'static str,
    /// The metrics that tell it.
    #[schema(example = json!(["rapl_consumed_energy"]))]
    metrics: &'a BTreeSet<String>,
    /// With `step`: when intervals begin, in milliseconds since 1970, with the joules in each.
    #[schema(value_type = Option<Vec<Vec<f64>>>, example = json!([[1_767_225_600_000_i64, 61.2]]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<Vec<(i64, f64)>>,
}

/// The groups with the most joules.
#[derive(Serialize, ToSchema)]
struct Top<'a> {
    /// When the range begins, in milliseconds since 1970.
    from: i64,
    /// When it ends.
    to: i64,
    /// The largest first.
    rows: Vec<TopRow<'a>>,
    others: Others,
    total: Total,
}

/// A group with much energy.
#[derive(Serialize, ToSchema)]
struct TopRow<'a> {
    /// What the group has in common; with `by=consumer` and `by=resource`, also the attributes that none of its series contradicts.
    labels: &'a BTreeMap<String, String>,
    joules: f64,
    /// The mean over the range.
    watts: f64,
    /// How the least well known of its series is known: `measured`, `modelled` or `estimated`.
    quality: &'static str,
}

/// The groups that are not shown.
#[derive(Serialize, ToSchema)]
struct Others {
    joules: f64,
    /// How many there are.
    rows: usize,
}

/// All groups.
#[derive(Serialize, ToSchema)]
struct Total {
    joules: f64,
}

impl Asked {
    async fn account(
        &self,
        selector: &alumet_shared_query::Selector,
        steps: Steps,
        by: &By,
    ) -> Result<Account, QueryError> {
        let question = Question {
            selector,
            steps,
            by,
            host: self.host(),
            backend: self.backend(),
            budget: self.budget(),
        };
        question.answer().await
    }
}

/// The joules of machines, or of consumers, with none counted twice. They are spread over time as those of `query`.
///
/// **Machines** count, unless the parameters select series of consumers, or `by` names what only consumers have: `consumer`,
/// `namespace`, `part`, …. On each node the meter counts that contains the others: one of the whole node, or else the processor
/// (`package` and `dram`) and each GPU. What begins or ends within the range gives way to what has all of it. A power is integrated
/// where nothing counts energy of as much, and then the quality is `modelled`.
///
/// **Consumers** have what was attributed to them: control groups (pods, jobs, services), or processes where no control group is
/// measured and with `consumer_kind=process`. Each group's row has what it used besides the selected groups below it, so that rows
/// add up; select one group to have all that is in it. What was nobody's stands in rows of its own, with the label `part`: `idle` or
/// `unattributed`. Of several metrics that attribute, `attributed_energy` counts; name another with `metric`.
///
/// A node without meters counts with what was attributed on it, and machines and GPUs whose energy was not attributed stand beside
/// consumers as `local_machine`.
#[utoipa::path(get, path = "/energy", tag = "energy", params(Selecting, Ranging, Grouping, Formatting),
    responses((status = 200, body = Answered<Energy>), (status = "default", body = ErrorBody)))]
pub(super) async fn energy(mut asked: Asked) -> Result<Response, ApiError> {
    let parameters = &mut asked.parameters;
    let selector = parameters.selector()?;
    let range = parameters.range(HOUR)?;
    let step = parameters.step()?;
    let by = By::new(parameters.by().unwrap_or_default());
    parameters.finish()?;
    let (from, until) = bounds(range);
    let steps = match step {
        Some(step) => Steps::aligned(from, until, step)?,
        None => Steps::whole(from, until),
    };
    let account = asked.account(&selector, steps, &by).await?;
    let rows = account.rows.iter().map(|row| EnergyRow {
        labels: &row.labels,
        joules: row.joules,
        quality: row.quality.name(),
        metrics: &row.metrics,
        points: step.map(|_| {
            row.points
                .iter()
                .map(|(at, joules)| (millis(*at), *joules))
                .collect()
        }),
    });
    let body = Energy {
        from: millis(steps.start),
        to: millis(steps.end()),
        joules: account.joules,
        rows: rows.collect(),
    };
    asked.answer(&body, || match step {
        None => table(account.rows.iter()).with(
            "joules",
            Column::Numbers(account.rows.iter().map(|row| row.joules).collect()),
        ),
        Some(_) => {
            let points = || account.rows.iter().flat_map(|row| &row.points);
            let lines = account
                .rows
                .iter()
                .map(|row| (row.points.len(), row.labels.iter()));
            Table::labels(lines)
                .with("time", Column::Times(points().map(|(at, _)| *at).collect()))
                .with(
                    "joules",
                    Column::Numbers(points().map(|(_, joules)| *joules).collect()),
                )
        }
    })
}

/// Who has used the most: as `energy`, ordered by joules.
///
/// Drill down with what the rows are labelled with: `by=node`, then `node=…&by=consumer`, then
/// `node=…&consumer_kind=process&match=cgroup=~PATH(/.*)?` for the processes of the pod, job, container or service whose control
/// group has this path, dots and the like escaped with `\`, and with `resource_kind=gpu&by=resource` for the GPUs that these use.
#[utoipa::path(get, path = "/top", tag = "energy",
    params(Selecting, Ranging, Formatting,
        ("by" = Option<Vec<String>>, Query, description = "Labels, with commas between them; `consumer` if it is not given."),
        ("n" = Option<usize>, Query, description = "How many rows; 10 if it is not given, at most 1000.")),
    responses((status = 200, body = Answered<Top>), (status = "default", body = ErrorBody)))]
pub(super) async fn top(mut asked: Asked) -> Result<Response, ApiError> {
    let parameters = &mut asked.parameters;
    let selector = parameters.selector()?;
    let range = parameters.range(HOUR)?;
    let by = parameters.by().filter(|by| !by.is_empty());
    let by = By::new(by.unwrap_or_else(|| vec![Label::from("consumer")]));
    let most = parameters.count("n", TOP, MOST)?;
    parameters.finish()?;
    let (from, until) = bounds(range);
    let mut account = asked.account(&selector, Steps::whole(from, until), &by).await?;
    account
        .rows
        .sort_by(|one, other| other.joules.total_cmp(&one.joules));
    let (shown, others) = account.rows.split_at(most.min(account.rows.len()));
    let seconds = range.until.saturating_sub(range.from) as f64 / 1e9;
    let rows = shown.iter().map(|row| TopRow {
        labels: &row.labels,
        joules: row.joules,
        watts: row.joules / seconds,
        quality: row.quality.name(),
    });
    let body = Top {
        from: millis(range.from),
        to: millis(range.until),
        rows: rows.collect(),
        others: Others {
            joules: others.iter().fold(0.0, |sum, row| sum + row.joules),
            rows: others.len(),
        },
        total: Total {
            joules: account.joules,
        },
    };
    asked.answer(&body, || {
        table(shown.iter())
            .with(
                "joules",
                Column::Numbers(body.rows.iter().map(|row| row.joules).collect()),
            )
            .with(
                "watts",
                Column::Numbers(body.rows.iter().map(|row| row.watts).collect()),
            )
    })
}

fn bounds(range: Range) -> (alumet_core::Timestamp, alumet_core::Timestamp) {
    (
        alumet_core::Timestamp::from_nanos(range.from),
        alumet_core::Timestamp::from_nanos(range.until),
    )
}

/// One line for each row.
fn table<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> Table {
    let quality = rows.clone().map(|row| row.quality.name().to_owned());
    Table::labels(rows.map(|row| (1, row.labels.iter())))
        .in_place_of("quality", Column::Texts(quality.collect()))
}
