use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::metric::{MetricKind, Quality};
use alumet_core::time::Timestamp;
use alumet_core::unit::Unit;
use serde::{Deserialize, Serialize};

use crate::amount;
use crate::backend::{Backend, Range, SeriesBuckets};
use crate::bucket::{Bucket, Steps};
use crate::budget::Budget;
use crate::error::QueryError;
use crate::identity::{Identity, Label};
use crate::selector::Selector;

/// What is computed of series: a value per interval and series, and of these one per interval and group.
#[derive(Debug, Clone)]
pub struct Query {
    /// Of which series.
    pub selector: Selector,
    /// Of which time.
    pub range: Range,
    /// How long the intervals are; without it, there is one: the range.
    pub step: Option<Duration>,
    /// What is computed of the samples of a series in an interval.
    pub over_time: OverTime,
    /// By what series are grouped; `None` leaves each alone. Series whose units measure different things are in different groups
    /// in any case.
    pub group_by: Option<Vec<Label>>,
    /// What is computed of the values of a group.
    pub combine: Combine,
}

/// What is computed of the samples of a series in an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OverTime {
    /// How much there was: the sum of a delta, the rise of a counter, as [`amount`] has it. A gauge has no sum.
    Sum,
    /// The same per second of the interval.
    Rate,
    /// The mean of the samples.
    Mean,
    /// The smallest sample.
    Min,
    /// The largest sample.
    Max,
    /// The last sample.
    Last,
    /// How many samples there are.
    Count,
    /// The value that this part of the samples does not exceed, from 0 to 1; between two samples linear.
    Quantile(f64),
}

/// What is computed of the values of several series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// Their sum.
    #[default]
    Sum,
    /// Their mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

/// The values of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What the group has in common: of a series that is alone, all that it has.
    pub labels: BTreeMap<String, String>,
    /// The unit of the values; of a rate, what there is of it per second.
    pub unit: Unit,
    /// How the least well known of its series is known.
    pub quality: Quality,
    /// How many series are in it.
    pub series: usize,
    /// The values, in order of time.
    pub points: Vec<Point>,
}

/// A value of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When the interval begins.
    pub at: Timestamp,
    /// The value.
    pub value: f64,
}

impl Query {
    /// Asks a backend. The rows are in the order of their labels.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn run(&self, backend: &dyn Backend, budget: &Budget) -> Result<Vec<Row>, QueryError> {
        let steps = self.steps()?;
        budget.admit_points(steps.count)?;
        let mut series = match self.over_time {
            OverTime::Quantile(part) => quantiles(part, &self.selector, steps, backend, budget).await?,
            OverTime::Sum => amounts(1.0, &self.selector, steps, backend, budget).await?,
            OverTime::Rate => {
                let seconds = steps.step as f64 / 1e9;
                amounts(seconds, &self.selector, steps, backend, budget).await?
            }
            over_time => {
                let found = backend.buckets(&self.selector, steps, budget).await?;
                found.into_iter().map(|found| valued(over_time, found)).collect()
            }
        };
        // So that a sum of floats does not depend on the backend.
        series.sort_by_cached_key(|valued| valued.series.to_string());
        let points = series.iter().map(|valued| valued.points.len() as u64).sum();
        if self.group_by.is_none() {
            budget.admit_points(points)?;
        }
        budget.check()?;
        let rows = self.group(series);
        budget.admit_points(rows.iter().map(|row| row.points.len() as u64).sum())?;
        Ok(rows)
    }

    fn steps(&self) -> Result<Steps, QueryError> {
        let (from, until) = (
            Timestamp::from_nanos(self.range.from),
            Timestamp::from_nanos(self.range.until),
        );
        if from >= until {
            let text = "the range is empty: it must begin before it ends";
            return Err(QueryError::Invalid(text.to_owned()));
        }
        match self.step {
            Some(step) => Steps::aligned(from, until, step),
            None => Ok(Steps::whole(from, until)),
        }
    }

    fn group(&self, series: Vec<Valued>) -> Vec<Row> {
        let mut groups: BTreeMap<(BTreeMap<String, String>, String), Vec<Valued>> = BTreeMap::new();
        for valued in series {
            let labels = match &self.group_by {
                Some(labels) => labels_of(&valued.series, labels),
                None => all_labels(&valued.series),
            };
            let dimension = valued.dimension();
            groups.entry((labels, dimension)).or_default().push(valued);
        }
        let rows = groups.into_iter();
        rows.map(|((labels, _), group)| self.row(labels, &group))
            .collect()
    }

    fn row(&self, labels: BTreeMap<String, String>, group: &[Valued]) -> Row {
        let unit = group[0].unit.clone();
        let mut by_time: BTreeMap<i64, (f64, usize)> = BTreeMap::new();
        for valued in group {
            for (at, value) in &valued.points {
                let value = Unit::convert(*value, &valued.unit, &unit).unwrap_or(*value);
                by_time
                    .entry(*at)
                    .and_modify(|(so_far, count)| {
                        *so_far = self.combine.two(*so_far, value);
                        *count += 1;
                    })
                    .or_insert((value, 1));
            }
        }
        let points = by_time.into_iter().map(|(at, (value, count))| Point {
            at: Timestamp::from_nanos(at),
            value: match self.combine {
                Combine::Mean => value / count as f64,
                _ => value,
            },
        });
        let qualities = group.iter().map(|valued| valued.series.metric.quality);
        Row {
            labels,
            unit,
            quality: qualities.max_by_key(|quality| *quality as u8).unwrap_or_default(),
            series: group.len(),
            points: points.collect(),
        }
    }
}

impl Combine {
    fn two(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Sum | Self::Mean => a + b,
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }
}

/// A series with a value per interval.
struct Valued {
    series: Arc<Identity>,
    unit: Unit,
    points: Vec<(i64, f64)>,
}

impl Valued {
    /// The same for series whose values can be added.
    fn dimension(&self) -> String {
        let plain = self.unit.clone().with_prefix(Unit::ONE.prefix);
        let si = [Unit::JOULE, Unit::WATT, Unit::SECOND, Unit::BYTE, Unit::ONE];
        let same = si
            .into_iter()
            .find(|unit| Unit::convert(1.0, &plain, unit).is_some());
        same.unwrap_or(plain).code().into_owned()
    }
}

fn valued(over_time: OverTime, found: SeriesBuckets) -> Valued {
    let value = |bucket: &Bucket| match over_time {
        OverTime::Mean => bucket.sum / bucket.count as f64,
        OverTime::Min => bucket.min,
        OverTime::Max => bucket.max,
        OverTime::Count => bucket.count as f64,
        OverTime::Last | OverTime::Sum | OverTime::Rate | OverTime::Quantile(_) => bucket.last,
    };
    let points = found.buckets.iter().map(|bucket| (bucket.start, value(bucket)));
    Valued {
        points: points.collect(),
        unit: match over_time {
            OverTime::Count => Unit::ONE,
            _ => found.series.metric.unit.clone(),
        },
        series: found.series,
    }
}

/// How much there was, by so much.
async fn amounts(
    by: f64,
    selector: &Selector,
    steps: Steps,
    backend: &dyn Backend,
    budget: &Budget,
) -> Result<Vec<Valued>, QueryError> {
    let mut all = Vec::new();
    for found in amount::with_neighbours(backend, selector, steps, budget).await? {
        let metric = &found.series.metric;
        let amount = match metric.kind {
            MetricKind::Delta => amount::of_delta,
            MetricKind::Counter => amount::of_counter,
            MetricKind::Gauge => {
                return Err(QueryError::Invalid(format!(
                    "`{}` is a gauge, which has no sum and no rate: ask for its mean",
                    metric.name
                )));
            }
        };
        let mut points = amount::spread(&found.buckets, steps, budget, amount)?;
        points.iter_mut().for_each(|(_, amount)| *amount /= by);
        // What is only next to the range is not in it.
        if !points.is_empty() {
            all.push(Valued {
                unit: metric.unit.clone(),
                series: found.series,
                points,
            });
        }
    }
    Ok(all)
}

async fn quantiles(
    part: f64,
    selector: &Selector,
    steps: Steps,
    backend: &dyn Backend,
    budget: &Budget,
) -> Result<Vec<Valued>, QueryError> {
    if !(0.0..=1.0).contains(&part) {
        let text = format!("a quantile is from 0 to 1, and {part} is not");
        return Err(QueryError::Invalid(text));
    }
    let range = Range {
        from: steps.start,
        until: steps.end(),
    };
    let found = backend.samples(selector, range, None, budget).await?;
    let valued = found.into_iter().map(|found| {
        let mut points = Vec::new();
        let mut values: Vec<f64> = Vec::new();
        let mut current = None;
        for (at, value) in found.iter() {
            let start = steps.start_of(at.as_nanos());
            if start != current {
                points.extend(current.zip(quantile(part, &mut values)));
                values.clear();
                current = start;
            }
            values.extend(Some(value.as_f64()).filter(|value| !value.is_nan()));
        }
        points.extend(current.zip(quantile(part, &mut values)));
        Valued {
            unit: found.series.metric.unit.clone(),
            series: found.series,
            points,
        }
    });
    Ok(valued.collect())
}

/// Linear between the two nearest ranks, as Prometheus and NumPy do it.
fn quantile(part: f64, values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = part * values.len().checked_sub(1)? as f64;
    let (below, above) = (values[rank.floor() as usize], values[rank.ceil() as usize]);
    let share = rank.fract();
    Some(if share == 0.0 {
        below
    } else {
        below + (above - below) * share
    })
}

fn labels_of(series: &Identity, labels: &[Label]) -> BTreeMap<String, String> {
    let labels = labels.iter();
    let texts = labels.map(|label| {
        let text = series.label(label).unwrap_or_default();
        (label.name().to_owned(), text.into_owned())
    });
    texts.collect()
}

fn all_labels(series: &Identity) -> BTreeMap<String, String> {
    let attributes = series
        .attributes
        .iter()
        .map(|(key, _)| Label::Attribute(key.to_string()));
    let labels: Vec<_> = Label::fixed().chain(attributes).collect();
    labels_of(series, &labels)
}

#[cfg(test)]
mod tests {
    use alumet_core::metric::Metric;
    use alumet_core::value::ValueType;
    use alumet_core::{Attributes, Consumer, Resource};

    use crate::budget::Limits;
    use crate::testkit::Listed;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// A series of a node: its kind, its unit and its samples, by seconds.
    type Series<'a> = (&'a str, MetricKind, Unit, &'a [(i64, f64)]);

    fn listed(all: &[Series<'_>]) -> Listed {
        let list = Listed::default();
        for (node, kind, unit, samples) in all {
            let metric = Metric {
                name: "m".into(),
                kind: *kind,
                value_type: ValueType::F64,
                unit: unit.clone(),
                description: "".into(),
                quality: match *node {
                    "b" => Quality::Modelled,
                    _ => Quality::Measured,
                },
            };
            let identity = Identity {
                metric: Arc::new(metric),
                resource: Resource::LocalMachine,
                consumer: Consumer::LocalMachine,
                attributes: Attributes::EMPTY.with("node", (*node).to_owned()),
            };
            for (at, value) in *samples {
                list.push(&identity, Timestamp::from_nanos(at * SECOND), *value);
            }
        }
        list
    }

    fn query(over_time: OverTime) -> Query {
        Query {
            selector: Selector::default(),
            range: Range {
                from: 0,
                until: 20 * SECOND,
            },
            step: Some(Duration::from_secs(10)),
            over_time,
            group_by: None,
            combine: Combine::Sum,
        }
    }

    async fn ask(query: &Query, backend: Listed) -> Result<Vec<Row>, QueryError> {
        query.run(&backend, &Budget::new(Limits::default())).await
    }

    fn values(row: &Row) -> Vec<(i64, f64)> {
        row.points
            .iter()
            .map(|point| (point.at.as_nanos() / SECOND, point.value))
            .collect()
    }

    #[tokio::test]
    async fn each_aggregate_is_what_it_says() {
        // The last one arose after the first interval.
        let samples = [(0, 1.0), (5, 4.0), (10, 2.0), (13, 3.0)];
        for (kind, over_time, wanted) in [
            (MetricKind::Delta, OverTime::Sum, [7.0, 3.0]),
            (MetricKind::Delta, OverTime::Rate, [0.7, 0.3]),
            // 1, 4 is a rise of 3; then it begins again at 2; and from there to 3.
            (MetricKind::Counter, OverTime::Sum, [5.0, 1.0]),
            (MetricKind::Gauge, OverTime::Mean, [2.5, 2.5]),
            (MetricKind::Gauge, OverTime::Min, [1.0, 2.0]),
            (MetricKind::Gauge, OverTime::Max, [4.0, 3.0]),
            (MetricKind::Gauge, OverTime::Last, [4.0, 3.0]),
            (MetricKind::Gauge, OverTime::Count, [2.0, 2.0]),
            (MetricKind::Gauge, OverTime::Quantile(0.5), [2.5, 2.5]),
            (MetricKind::Gauge, OverTime::Quantile(0.75), [3.25, 2.75]),
        ] {
            let backend = listed(&[("a", kind, Unit::JOULE, &samples)]);
            let rows = ask(&query(over_time), backend).await.unwrap();
            assert_eq!(
                values(&rows[0]),
                [(0, wanted[0]), (10, wanted[1])],
                "{over_time:?} of {kind}"
            );
        }
    }

    #[tokio::test]
    async fn a_gauge_has_no_sum() {
        let backend = listed(&[("a", MetricKind::Gauge, Unit::WATT, &[(0, 1.0)])]);
        let error = ask(&query(OverTime::Sum), backend).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`m` is a gauge, which has no sum and no rate: ask for its mean"
        );
    }

    #[tokio::test]
    async fn series_of_a_group_are_added_in_one_unit_and_others_stand_apart() {
        let all = || {
            let kind = MetricKind::Delta;
            listed(&[
                ("a", kind, Unit::JOULE, &[(0, 1.0), (10, 0.0), (15, 2.0)]),
                ("b", kind, Unit::JOULE.milli(), &[(1, 500.0)]),
                ("c", kind, Unit::SECOND, &[(1, 9.0)]),
            ])
        };
        let mut query = query(OverTime::Sum);
        query.group_by = Some(vec![Label::Metric]);
        let rows = ask(&query, all()).await.unwrap();
        let shown: Vec<_> = rows
            .iter()
            .map(|row| (row.unit.code().into_owned(), row.series, values(row)))
            .collect();
        assert_eq!(
            shown,
            [
                ("J".to_owned(), 2, vec![(0, 1.5), (10, 2.0)]),
                ("s".to_owned(), 1, vec![(0, 9.0)]),
            ]
        );
        assert_eq!(rows[0].quality, Quality::Modelled);
        query.combine = Combine::Mean;
        assert_eq!(
            values(&ask(&query, all()).await.unwrap()[0]),
            [(0, 0.75), (10, 2.0)]
        );
        query.group_by = Some(vec!["node".into()]);
        let rows = ask(&query, all()).await.unwrap();
        let nodes: Vec<_> = rows.iter().map(|row| row.labels["node"].as_str()).collect();
        assert_eq!(nodes, ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn a_question_beyond_its_limits_is_refused() {
        let ask = async |limits, query: Query| {
            let samples = [(0, 1.0), (10, 2.0)];
            let backend = listed(&[("a", MetricKind::Delta, Unit::JOULE, &samples)]);
            query.run(&backend, &Budget::new(limits)).await
        };
        let limits = Limits {
            points: 1,
            ..Limits::default()
        };
        let error = ask(limits, query(OverTime::Sum)).await.unwrap_err();
        assert!(matches!(error, QueryError::TooMuch { limit: 1, .. }), "{error}");
        let mut empty = query(OverTime::Sum);
        empty.range.until = 0;
        assert!(matches!(
            ask(Limits::default(), empty).await,
            Err(QueryError::Invalid(_))
        ));
    }
}
