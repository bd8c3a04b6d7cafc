use std::collections::BTreeSet;
use std::sync::Arc;

use alumet_core::Timestamp;
use alumet_core::metric::MetricKind;
use alumet_shared_prometheus_names::{Naming, help, kind_word};
use alumet_shared_query::{Backend, Budget, Limits, Matcher, Range};

use crate::answer::{AllMetadata, Answer, BuildInfo, Data, Dot, Line, Metadata, Sample, Seconds};
use crate::error::ApiError;
use crate::eval::{Evaluation, LOOKBACK, Times, Value, selections};
use crate::expr::{Expr, Type};
use crate::labels::{Labels, NAME};
use crate::load::load;
use crate::parameters::Parameters;
use crate::parse::{parse, parse_selector};
use crate::select::{find, sample_name};

/// How many values of a series an answer may have, as in Prometheus.
const MOST_STEPS: i64 = 11_000;

/// Answers the questions of the HTTP API of Prometheus. Each function is the endpoint of the same name.
#[derive(Clone)]
pub struct Api {
    /// Who has the series.
    pub backend: Arc<dyn Backend>,
    /// How they are called.
    pub naming: Naming,
    /// How much a question may need.
    pub limits: Limits,
}

impl Api {
    /// The value of an expression at one time; without one, `now`.
    ///
    /// # Errors
    /// When the question is wrong, not supported, or too large; or the backend does not answer.
    pub async fn query(&self, parameters: &Parameters, now: Timestamp) -> Result<Answer<Data>, ApiError> {
        let expr = parse(parameters.demand("query")?)?;
        let at = parameters.time("time")?.unwrap_or_else(|| {
            let millis = now.as_nanos().div_euclid(1_000_000);
            millis * 1_000_000
        });
        let times = Times {
            start: at,
            end: at,
            step: 1,
            lookback: parameters.duration("lookback_delta")?.unwrap_or(LOOKBACK),
        };
        let first = |values: &[f64]| Sample {
            at: Seconds(at),
            value: values.first().copied().unwrap_or(f64::NAN),
        };
        let budget = self.budget(parameters)?;
        let data = match self.value(expr, times, &budget).await? {
            Value::Scalar(values) => Data::Scalar(first(&values)),
            Value::Text(text) => Data::String((Seconds(at), text)),
            Value::Vector(rows) => {
                let dots = rows.into_iter().filter_map(|row| {
                    let value = row.values.first().copied().flatten()?;
                    Some(Dot {
                        metric: row.labels,
                        value: first(&[value]),
                    })
                });
                Data::Vector(dots.collect())
            }
            Value::Matrix(series) => {
                let lines = series.into_iter().map(|series| {
                    let samples = series.times.into_iter().zip(series.values);
                    Line {
                        metric: series.labels,
                        values: samples
                            .map(|(at, value)| Sample {
                                at: Seconds(at),
                                value,
                            })
                            .collect(),
                    }
                });
                Data::Matrix(lines.collect())
            }
        };
        Ok(Answer::of(data).lacking(&budget))
    }

    /// The values of an expression from one time until another.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn query_range(&self, parameters: &Parameters) -> Result<Answer<Data>, ApiError> {
        let expr = parse(parameters.demand("query")?)?;
        for name in ["start", "end", "step"] {
            parameters.demand(name)?;
        }
        let (Some(start), Some(end)) = (parameters.time("start")?, parameters.time("end")?) else {
            return Err(ApiError::bad_data("`start` or `end` is missing"));
        };
        let step = parameters.duration("step")?.unwrap_or(i64::MAX);
        if end < start {
            return Err(ApiError::bad_data("`end` is before `start`"));
        }
        if (end - start) / step > MOST_STEPS {
            return Err(ApiError::bad_data(format!(
                "the answer would have more than {MOST_STEPS} values per series: make `step` longer"
            )));
        }
        if !matches!(expr.kind(), Type::Scalar | Type::Vector) {
            let text = format!(
                "over time, an expression is a scalar or an instant vector, and not a {}",
                expr.kind()
            );
            return Err(ApiError::bad_data(text));
        }
        let times = Times {
            start,
            end,
            step,
            lookback: parameters.duration("lookback_delta")?.unwrap_or(LOOKBACK),
        };
        let line = |metric, values: Vec<Option<f64>>| {
            let samples = times.iter().zip(values);
            let samples = samples.filter_map(|(at, value)| {
                let at = Seconds(at);
                value.map(|value| Sample { at, value })
            });
            Line {
                metric,
                values: samples.collect(),
            }
        };
        let budget = self.budget(parameters)?;
        let mut lines: Vec<Line> = match self.value(expr, times, &budget).await? {
            Value::Scalar(values) => vec![line(Labels::default(), values.into_iter().map(Some).collect())],
            other => other
                .rows()
                .into_iter()
                .map(|row| line(row.labels, row.values))
                .collect(),
        };
        lines.retain(|line| !line.values.is_empty());
        lines.sort_by(|one, other| one.metric.cmp(&other.metric));
        Ok(Answer::of(Data::Matrix(lines)).lacking(&budget))
    }

    /// The series that match one of the `match[]`.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn series(&self, parameters: &Parameters) -> Result<Answer<Vec<Labels>>, ApiError> {
        parameters.demand("match[]")?;
        let budget = self.budget(parameters)?;
        limited(self.matching(parameters, &budget).await?, parameters, &budget)
    }

    /// The names of the labels of the series that match.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn labels(&self, parameters: &Parameters) -> Result<Answer<Vec<Arc<str>>>, ApiError> {
        let budget = self.budget(parameters)?;
        let series = self.matching(parameters, &budget).await?;
        let names: BTreeSet<Arc<str>> = series.iter().flat_map(Labels::names).cloned().collect();
        limited(names, parameters, &budget)
    }

    /// The values that a label has in the series that match.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn label_values(
        &self,
        label: &str,
        parameters: &Parameters,
    ) -> Result<Answer<Vec<String>>, ApiError> {
        let budget = self.budget(parameters)?;
        let series = self.matching(parameters, &budget).await?;
        let values: BTreeSet<&str> = series.iter().map(|labels| labels.get(label)).collect();
        let values = values.into_iter().filter(|value| !value.is_empty());
        limited(values.map(str::to_owned), parameters, &budget)
    }

    /// What is known about metrics, or about one `metric`.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn metadata(&self, parameters: &Parameters) -> Result<Answer<AllMetadata>, ApiError> {
        let named = parameters.get("metric").map(|name| Matcher::equal(NAME, name));
        let matchers: Vec<Matcher> = named.into_iter().collect();
        let budget = self.budget(parameters)?;
        let found = find(&*self.backend, &self.naming, &matchers, Range::ALL, &budget).await?;
        let metrics: BTreeSet<(String, Metadata)> = found
            .iter()
            .map(|found| {
                let metric = &found.series.metric;
                let metadata = Metadata {
                    r#type: kind_word(metric.kind != MetricKind::Gauge),
                    help: help(metric),
                    unit: self.naming.family(metric, false).unit,
                };
                (sample_name(&self.naming, metric), metadata)
            })
            .collect();
        let mut all = AllMetadata::new();
        for (name, metadata) in metrics {
            all.entry(name).or_default().push(metadata);
        }
        let Answer { data, warnings, .. } = limited(all, parameters, &budget)?;
        let mut answer = Answer::of(data.into_iter().collect());
        answer.warnings = warnings;
        Ok(answer)
    }

    /// What clients are told about the program, by which they choose what they ask.
    pub const fn build_info() -> Answer<BuildInfo> {
        Answer::of(BuildInfo {
            version: "3.0.0",
            application: "Alumet",
        })
    }

    fn budget(&self, parameters: &Parameters) -> Result<Budget, ApiError> {
        let mut limits = self.limits;
        if let Some(timeout) = parameters.timeout()? {
            limits.duration = limits.duration.min(timeout);
        }
        Ok(Budget::new(limits))
    }

    /// Reads what an expression needs, once for all instants, and evaluates it where it keeps nobody from working.
    async fn value(&self, expr: Expr, times: Times, budget: &Budget) -> Result<Value, ApiError> {
        let mut loaded = Vec::new();
        for (selection, function) in selections(&expr) {
            let wanted = times.wanted(selection, function);
            let matchers = &selection.matchers;
            loaded.push(load(&*self.backend, &self.naming, matchers, wanted, budget).await?);
        }
        let budget = budget.clone();
        let evaluate = move || {
            let mut evaluation = Evaluation {
                times,
                budget: &budget,
                loaded: loaded.into_iter(),
            };
            evaluation.value(&expr)
        };
        tokio::task::spawn_blocking(evaluate).await?
    }

    /// The series that match one of the `match[]`, or all if there is none.
    async fn matching(&self, parameters: &Parameters, budget: &Budget) -> Result<BTreeSet<Labels>, ApiError> {
        let selectors = parameters.all("match[]").map(parse_selector);
        let mut selectors = selectors.collect::<Result<Vec<_>, _>>()?;
        if selectors.is_empty() {
            selectors.push(Vec::new());
        }
        let range = Range {
            from: parameters.time("start")?.unwrap_or(i64::MIN),
            until: parameters
                .time("end")?
                .map_or(i64::MAX, |end| end.saturating_add(1)),
        };
        if range.from >= range.until {
            return Err(ApiError::bad_data("`end` is before `start`"));
        }
        let mut all = BTreeSet::new();
        for matchers in selectors {
            let found = find(&*self.backend, &self.naming, &matchers, range, budget).await?;
            all.extend(found.into_iter().map(|found| found.labels));
        }
        Ok(all)
    }
}

/// As many as the parameter `limit` allows.
fn limited<T>(
    all: impl IntoIterator<Item = T>,
    parameters: &Parameters,
    budget: &Budget,
) -> Result<Answer<Vec<T>>, ApiError> {
    let limit = parameters.limit()?;
    let mut all = all.into_iter();
    let mut answer = Answer::of(all.by_ref().take(limit).collect()).lacking(budget);
    if all.next().is_some() {
        answer.warnings.push("results truncated due to limit".to_owned());
    }
    Ok(answer)
}
