//! Samples, and what is computed of them.

use std::collections::BTreeMap;

use alumet_core::Value;
use alumet_shared_query::{Combine, OverTime, Query, Range, Row, Selector, SeriesSamples};
use axum::response::Response;
use serde::ser::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorBody};

use super::asked::{Answered, Asked};
use super::documented::{Formatting, Grouping, Ranging, Selecting};
use super::format::{Column, Table};
use super::labels::{By, Labels};
use super::parameters::HOUR;
use super::time::millis;

/// How many samples of each series are given without an aggregate.
const SAMPLES: usize = 1000;
/// How many are given at most.
const MOST_SAMPLES: usize = 1_000_000;

/// Values of series or groups.
#[derive(serde::Serialize, ToSchema)]
#[schema(as = QueryAnswer)]
struct Answer<R> {
    /// When the range begins, in milliseconds since 1970.
    from: i64,
    /// When it ends.
    to: i64,
    /// How long each interval is, in milliseconds; null if there is one, or none because these are samples.
    step_ms: Option<u64>,
    /// Whether older samples were left out, because only so many were asked for.
    limited: bool,
    #[schema(value_type = Vec<GroupRow>)]
    rows: Vec<R>,
}

/// The values of a group, or of a series that is alone.
#[derive(serde::Serialize, ToSchema)]
#[schema(as = QueryRow)]
struct GroupRow {
    /// What the group has in common; of a series that is alone, all that it has.
    labels: BTreeMap<String, String>,
    /// A code of UCUM.
    #[schema(example = "J")]
    unit: String,
    /// How the least well known of its series is known: `measured`, `modelled` or `estimated`.
    #[schema(example = "measured")]
    quality: &'static str,
    /// How many series are in it.
    series: usize,
    /// When the interval begins or the sample is, in milliseconds since 1970, with the value; null if that is no number.
    #[schema(value_type = Vec<Vec<Option<f64>>>, example = json!([[1_767_225_600_000_i64, 61.2]]))]
    points: Vec<(i64, f64)>,
}

/// The samples of a series, written as a [`GroupRow`].
#[derive(serde::Serialize)]
struct SampleRow<'a> {
    labels: Labels<'a>,
    unit: std::borrow::Cow<'a, str>,
    quality: &'static str,
    series: usize,
    points: Samples<'a>,
}

struct Samples<'a>(&'a SeriesSamples);

impl Serialize for Samples<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0
                .iter()
                .map(|(at, value)| (millis(at.as_nanos()), Written(value))),
        )
    }
}

/// A value as a number; null if it is none.
pub(super) struct Written(pub(super) Value);

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::U64(value) => serializer.serialize_u64(value),
            Value::I64(value) => serializer.serialize_i64(value),
            Value::F64(value) => serializer.serialize_f64(value),
        }
    }
}

/// Values of series: samples, or what they come to over the range or in intervals.
///
/// `aggregate` is computed of each series, and `combine` of the series of a group. Without `by`, each series stands alone. Series
/// whose units measure different things are never in one group. What a delta or a counter tells is spread evenly over the time since the
/// sample before it, and `sum` and `rate` of an interval have the part that lies in it; without a sample before it in the last ten
/// minutes (or interval, up to an hour), all counts where the sample is. `last` without `step` and `by` is the newest sample, with its
/// time.
#[utoipa::path(get, path = "/query", tag = "series",
    params(Selecting, Ranging, Grouping, Formatting,
        ("aggregate" = Option<String>, Query, description = "`sum` (of a delta, or the rise of a counter), `rate` (the same per second), \
            `mean`, `min`, `max`, `last`, `count`, or a percentile: `p50`, `p99.9`. Without it, samples are given.", example = "mean"),
        ("combine" = Option<String>, Query, description = "`sum`, `mean`, `min` or `max` of the series of a group; `sum` if it is not given."),
        ("limit" = Option<usize>, Query, description = "Without an aggregate: so many samples of each series, the newest; 1000 if it is not \
            given.")),
    responses((status = 200, body = Answered<Answer<GroupRow>>), (status = "default", body = ErrorBody)))]
pub(super) async fn query(mut asked: Asked) -> Result<Response, ApiError> {
    let parameters = &mut asked.parameters;
    let selector = parameters.selector()?;
    let range = parameters.range(HOUR)?;
    let step = parameters.step()?;
    let by = parameters.by().map(By::new);
    let aggregate = parameters.parsed(
        "aggregate",
        "one of sum, rate, mean, min, max, last, count and percentiles such as p99",
        over_time,
    )?;
    let combine = parameters.parsed("combine", "one of sum, mean, min and max", combine)?;
    let limit = parameters.parsed("limit", "a whole number from 0", |text| text.parse().ok())?;
    parameters.finish()?;
    let is_grouped = step.is_some() || by.is_some() || combine.is_some();
    let over_time = match aggregate {
        None if is_grouped => {
            return Err(ApiError::bad_request(
                "`step`, `by` and `combine` are about what is computed: say what with `aggregate`",
            ));
        }
        None => return samples(&asked, &selector, range, Some(limit.unwrap_or(SAMPLES))).await,
        Some(_) if limit.is_some() => {
            return Err(ApiError::bad_request(
                "`limit` is about samples, and `aggregate` gives values of intervals: leave one out",
            ));
        }
        Some(OverTime::Last) if !is_grouped => return samples(&asked, &selector, range, None).await,
        Some(over_time) => over_time,
    };
    let group_by = by.as_ref().map(|by| by.labels.clone());
    let query = Query {
        selector,
        range,
        step,
        over_time,
        group_by,
        combine: combine.unwrap_or_default(),
    };
    let rows = query.run(asked.backend(), asked.budget()).await?;
    let rows = rows
        .into_iter()
        .map(|row| GroupRow::of(row, over_time, &by, asked.host()));
    let body = Answer {
        step_ms: step.map(|step| u64::try_from(step.as_millis()).unwrap_or(u64::MAX)),
        ..Answer::of(range, rows.collect())
    };
    asked.answer(&body, || {
        let lines = || body.rows.iter().map(|row| (row.points.len(), row.labels.iter()));
        let each = |text: fn(&GroupRow) -> String| {
            let rows = body.rows.iter();
            let texts = rows.flat_map(|row| std::iter::repeat_n(text(row), row.points.len()));
            Column::Texts(texts.collect())
        };
        let points = || body.rows.iter().flat_map(|row| &row.points);
        let table = Table::labels(lines());
        let table = table.in_place_of("unit", each(|row| row.unit.clone()));
        let table = table.in_place_of("quality", each(|row| row.quality.to_owned()));
        table
            .with(
                "time",
                Column::Times(points().map(|(at, _)| at * 1_000_000).collect()),
            )
            .with(
                "value",
                Column::Numbers(points().map(|(_, value)| *value).collect()),
            )
    })
}

/// Samples as they are: so many of each series, or only the newest and as if it was computed.
async fn samples(
    asked: &Asked,
    selector: &Selector,
    range: Range,
    limit: Option<usize>,
) -> Result<Response, ApiError> {
    // One more shows whether there are more.
    let newest = limit.map_or(1, |limit| limit.min(MOST_SAMPLES) + 1);
    let mut found = asked
        .backend()
        .samples(selector, range, Some(newest), asked.budget())
        .await?;
    let mut limited = false;
    if let Some(limit) = limit {
        for series in &mut found {
            let more = series.times.len().saturating_sub(limit.min(MOST_SAMPLES));
            limited |= more > 0;
            series.times.drain(..more);
            series.values.drain(..more);
        }
    }
    asked
        .budget()
        .admit_points(found.iter().map(|series| series.times.len() as u64).sum())?;
    found.sort_by_cached_key(|samples| samples.series.to_string());
    let rows = found.iter().map(|samples| SampleRow {
        labels: Labels(&samples.series),
        unit: samples.series.metric.unit.code(),
        quality: samples.series.metric.quality.name(),
        series: 1,
        points: Samples(samples),
    });
    let body = Answer {
        limited,
        ..Answer::of(range, rows.collect())
    };
    asked.answer(&body, || {
        let all = || found.iter().flat_map(SeriesSamples::iter);
        let lines = found.iter().map(|samples| {
            (
                samples.times.len(),
                Labels(&samples.series).to_texts().into_iter(),
            )
        });
        Table::labels(lines)
            .with(
                "time",
                Column::Times(all().map(|(at, _)| at.as_nanos()).collect()),
            )
            .with(
                "value",
                Column::Numbers(all().map(|(_, value)| value.as_f64()).collect()),
            )
    })
}

impl<R> Answer<R> {
    fn of(range: Range, rows: Vec<R>) -> Self {
        Self {
            from: millis(range.from),
            to: millis(range.until),
            step_ms: None,
            limited: false,
            rows,
        }
    }
}

impl GroupRow {
    fn of(row: Row, over_time: OverTime, by: &Option<By>, host: &str) -> Self {
        let mut labels = row.labels;
        let node = labels
            .get_mut("node")
            .filter(|node| by.is_some() && node.is_empty());
        if let Some(node) = node {
            host.clone_into(node);
        }
        let code = row.unit.code();
        let unit = match (over_time, code.strip_suffix('J')) {
            (OverTime::Rate, Some(prefix)) => format!("{prefix}W"),
            (OverTime::Rate, None) => format!("{code}/s"),
            _ => code.into_owned(),
        };
        let points = row.points.iter();
        Self {
            labels,
            unit,
            quality: row.quality.name(),
            series: row.series,
            points: points
                .map(|point| (millis(point.at.as_nanos()), point.value))
                .collect(),
        }
    }
}

fn over_time(text: &str) -> Option<OverTime> {
    Some(match text {
        "sum" => OverTime::Sum,
        "rate" => OverTime::Rate,
        "mean" => OverTime::Mean,
        "min" => OverTime::Min,
        "max" => OverTime::Max,
        "last" => OverTime::Last,
        "count" => OverTime::Count,
        percentile => {
            let percent: f64 = percentile.strip_prefix('p')?.parse().ok()?;
            let is_one = (0.0..=100.0).contains(&percent);
            return is_one.then_some(OverTime::Quantile(percent / 100.0));
        }
    })
}

fn combine(text: &str) -> Option<Combine> {
    Some(match text {
        "sum" => Combine::Sum,
        "mean" => Combine::Mean,
        "min" => Combine::Min,
        "max" => Combine::Max,
        _ => return None,
    })
}
