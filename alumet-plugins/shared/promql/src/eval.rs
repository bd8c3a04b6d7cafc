//! Evaluates an expression for all steps at once, from samples that were read before.

use std::cmp::Ordering;
use std::collections::HashMap;

use alumet_shared_query::{Budget, Matcher, Operator, Range};

use crate::aggregate::aggregate;
use crate::binary::binary;
use crate::error::ApiError;
use crate::expr::{At, Expr, Selection};
use crate::function::{Function, Window};
use crate::labels::Labels;
use crate::load::{INTERVALS, Wanted};
use crate::scraped::Series;
use crate::window::{Slice, Slider};

/// For how long the newest sample counts, in nanoseconds, unless something else is asked for: as `--query.lookback-delta`.
pub(crate) const LOOKBACK: i64 = 300_000_000_000;

/// The instants for which an expression is evaluated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// The first, in nanoseconds since 1970.
    pub(crate) start: i64,
    /// The last that may be one.
    pub(crate) end: i64,
    /// From one to the next; at least 1.
    pub(crate) step: i64,
    /// For how long the newest sample counts.
    pub(crate) lookback: i64,
}

impl Times {
    pub(crate) fn count(&self) -> usize {
        (self.end.saturating_sub(self.start) / self.step) as usize + 1
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> + use<> {
        let Self { start, step, .. } = *self;
        (0..self.count()).map(move |index| start + index as i64 * step)
    }

    /// The times of samples that a selection means at this instant: after the first, until the second.
    fn window(&self, selection: &Selection, at: i64) -> (i64, i64) {
        let at = match selection.at {
            None => at,
            Some(At::Start) => self.start,
            Some(At::End) => self.end,
            Some(At::Time(at)) => at,
        };
        let end = at.saturating_sub(selection.offset);
        (end.saturating_sub(selection.window.unwrap_or(self.lookback)), end)
    }

    /// What must be read for a selection, which is the argument of `function`.
    pub(crate) fn wanted(&self, selection: &Selection, function: Option<Function>) -> Wanted {
        let last = self.start + (self.count() as i64 - 1) * self.step;
        let (from, _) = self.window(selection, self.start);
        let (_, until) = self.window(selection, last);
        Wanted {
            range: Range {
                from: from.saturating_add(1),
                until: until.saturating_add(1),
            },
            newest: selection.window.is_none() && (self.count() == 1 || selection.at.is_some()),
            values: function.is_none_or(Function::needs_values),
            longest: self.longest(selection, function),
        }
    }

    /// The longest intervals of which what samples came to is enough, in nanoseconds; 0 if all samples are needed.
    fn longest(&self, selection: &Selection, function: Option<Function>) -> i64 {
        use Window::{Avg, Count, Irate, Max, Min, Quantile, Sum};
        let (_, end) = self.window(selection, self.start);
        let step = if self.count() > 1 { self.step } else { 0 };
        match (function, selection.window) {
            (Some(Function::Window(Irate | Quantile)), _) => 0,
            // Windows of whole intervals.
            (Some(Function::Window(Avg | Sum | Min | Max | Count)), Some(window)) => {
                let is_whole = |interval: &i64| [window, step, end].iter().all(|one| one % interval == 0);
                INTERVALS.into_iter().rfind(is_whole).unwrap_or(0)
            }
            // Some samples of each window, as if there had been fewer scrapes.
            (Some(Function::Window(_)), Some(window)) => window / 4,
            (_, Some(_)) => 0,
            (_, None) => self.lookback.min(step),
        }
    }
}

/// What an expression is, at each instant.
#[derive(Debug)]
pub(crate) enum Value {
    Scalar(Vec<f64>),
    Vector(Vec<Row>),
    Matrix(Vec<Series>),
    Text(String),
}

/// A series of a vector.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) labels: Labels,
    /// One per instant.
    pub(crate) values: Vec<Option<f64>>,
}

/// The selections of an expression, each with the function whose argument it is, in the order in which they are evaluated.
pub(crate) fn selections(expr: &Expr) -> Vec<(&Selection, Option<Function>)> {
    fn collect<'a>(
        expr: &'a Expr,
        function: Option<Function>,
        out: &mut Vec<(&'a Selection, Option<Function>)>,
    ) {
        match expr {
            Expr::Number(_) | Expr::Text(_) => {}
            Expr::Selection(selection) => out.push((selection, function)),
            Expr::Negation(of) => collect(of, None, out),
            Expr::Call(function, arguments) => {
                for argument in arguments {
                    collect(argument, Some(*function), out);
                }
            }
            Expr::Aggregation(aggregation) => {
                if let Some(parameter) = &aggregation.parameter {
                    collect(parameter, None, out);
                }
                collect(&aggregation.of, None, out);
            }
            Expr::Binary(binary) => {
                collect(&binary.left, None, out);
                collect(&binary.right, None, out);
            }
        }
    }
    let mut out = Vec::new();
    collect(expr, None, &mut out);
    out
}

/// Evaluates, with what was read for each of the [`selections`].
#[derive(Debug)]
pub(crate) struct Evaluation<'a, I> {
    pub(crate) times: Times,
    pub(crate) budget: &'a Budget,
    pub(crate) loaded: I,
}

impl<I: Iterator<Item = Vec<Series>>> Evaluation<'_, I> {
    /// The value of an expression.
    ///
    /// # Errors
    /// When series cannot be matched, or the budget is used up.
    pub(crate) fn value(&mut self, expr: &Expr) -> Result<Value, ApiError> {
        self.budget.check()?;
        let count = self.times.count();
        match expr {
            Expr::Number(number) => Ok(Value::Scalar(vec![*number; count])),
            Expr::Text(text) => Ok(Value::Text(text.clone())),
            Expr::Selection(selection) if selection.window.is_some() => {
                let series = self.loaded.next().unwrap_or_default();
                Ok(Value::Matrix(series))
            }
            Expr::Selection(selection) => {
                let newest = |times: &[i64], values: &[f64]| times.last().and(values.last()).copied();
                self.newest(selection, newest).map(Value::Vector)
            }
            Expr::Negation(of) => match self.value(of)? {
                Value::Scalar(values) => Ok(Value::Scalar(values.into_iter().map(|value| -value).collect())),
                other => map(other.rows(), |value| -value).map(Value::Vector),
            },
            Expr::Call(function, arguments) => self.call(*function, arguments),
            Expr::Aggregation(aggregation) => {
                let parameter = aggregation.parameter.as_ref();
                let parameter = match parameter.map(|parameter| self.value(parameter)).transpose()? {
                    Some(parameter) => parameter.numbers(count),
                    None => Vec::new(),
                };
                let rows = self.value(&aggregation.of)?.rows();
                aggregate(aggregation, &parameter, rows, count, self.budget).map(Value::Vector)
            }
            Expr::Binary(of) => {
                let left = self.value(&of.left)?;
                let right = self.value(&of.right)?;
                binary(of, left, right, count, self.budget)
            }
        }
    }

    /// Something of the newest sample of each series, at each instant.
    fn newest(
        &mut self,
        selection: &Selection,
        of: impl Fn(&[i64], &[f64]) -> Option<f64>,
    ) -> Result<Vec<Row>, ApiError> {
        self.slide(selection, |slice| of(slice.times, slice.values))
    }

    /// Something of the samples in a window of each series, at each instant.
    fn slide(
        &mut self,
        selection: &Selection,
        mut of: impl FnMut(Slice<'_>) -> Option<f64>,
    ) -> Result<Vec<Row>, ApiError> {
        let loaded = self.loaded.next().unwrap_or_default();
        self.budget
            .admit_points((loaded.len() * self.times.count()) as u64)?;
        let mut rows = Vec::with_capacity(loaded.len());
        for series in loaded {
            let mut slider = Slider::new(&series);
            let mut values = Vec::with_capacity(self.times.count());
            for at in self.times.iter() {
                let (start, end) = self.times.window(selection, at);
                let slice = slider.slide(start, end);
                if slice.times.len() > 1000 {
                    self.budget.check()?;
                }
                values.push(of(slice));
            }
            self.budget.check()?;
            let labels = series.labels;
            rows.push(Row { labels, values });
        }
        Ok(rows)
    }

    fn call(&mut self, function: Function, arguments: &[Expr]) -> Result<Value, ApiError> {
        let count = self.times.count();
        if let (Function::Window(window), Some(Expr::Selection(selection))) = (function, arguments.last()) {
            let parts = match arguments {
                [part, _] => self.value(part)?.numbers(count),
                _ => vec![f64::NAN; count],
            };
            // Windows come by series and then by time.
            let mut parts = parts.iter().cycle();
            let rows = self.slide(selection, |slice| {
                let part = parts.next().copied().unwrap_or(f64::NAN);
                window.of(slice, part)
            })?;
            return Ok(Value::Vector(match window {
                Window::Last => rows,
                _ => renamed(rows)?,
            }));
        }
        if let (Function::Timestamp, [Expr::Selection(selection)]) = (function, arguments) {
            let time = |times: &[i64], _: &[f64]| times.last().map(|at| *at as f64 / 1e9);
            return Ok(Value::Vector(renamed(self.newest(selection, time)?)?));
        }
        let values = arguments.iter().map(|argument| self.value(argument));
        let mut values = values.collect::<Result<Vec<_>, _>>()?.into_iter();
        let mut next = || values.next().unwrap_or(Value::Vector(Vec::new()));
        let first = next();
        Ok(match function {
            Function::Time => Value::Scalar(self.times.iter().map(|at| at as f64 / 1e9).collect()),
            Function::Vector => Value::Vector(vec![Row {
                labels: Labels::default(),
                values: first.numbers(count).into_iter().map(Some).collect(),
            }]),
            Function::Scalar => Value::Scalar(only(&first.rows(), count)),
            Function::Math(of) => Value::Vector(map(first.rows(), of)?),
            Function::Round => {
                let to = match next() {
                    Value::Scalar(to) => to,
                    _ => vec![1.0; count],
                };
                // Of two that are as near, the larger one.
                let round = |value: f64, index: usize| {
                    let inverse = 1.0 / to[index];
                    Some((value * inverse + 0.5).floor() / inverse)
                };
                Value::Vector(map_steps(first.rows(), round)?)
            }
            Function::Clamp | Function::ClampMin | Function::ClampMax => {
                let low = match function {
                    Function::ClampMax => vec![f64::NEG_INFINITY; count],
                    _ => next().numbers(count),
                };
                let high = match function {
                    Function::ClampMin => vec![f64::INFINITY; count],
                    _ => next().numbers(count),
                };
                let clamp = |value: f64, index: usize| {
                    let (low, high) = (low[index], high[index]);
                    match low > high {
                        true => None,
                        false if value.is_nan() || low.is_nan() || high.is_nan() => Some(f64::NAN),
                        false => Some(value.clamp(low, high)),
                    }
                };
                Value::Vector(map_steps(first.rows(), clamp)?)
            }
            Function::Timestamp => {
                let times: Vec<f64> = self.times.iter().map(|at| at as f64 / 1e9).collect();
                Value::Vector(map_steps(first.rows(), |_, index| Some(times[index]))?)
            }
            Function::Sort | Function::SortDesc => {
                let mut rows = first.rows();
                sort(&mut rows, matches!(function, Function::SortDesc));
                Value::Vector(rows)
            }
            Function::Absent => Value::Vector(vec![absent(arguments, &first.rows(), count)]),
            Function::Window(_) => Value::Vector(Vec::new()),
        })
    }
}

impl Value {
    /// Of a scalar, its numbers.
    pub(crate) fn numbers(self, count: usize) -> Vec<f64> {
        match self {
            Self::Scalar(numbers) => numbers,
            _ => vec![f64::NAN; count],
        }
    }

    /// Of a vector, its series.
    pub(crate) fn rows(self) -> Vec<Row> {
        match self {
            Self::Vector(rows) => rows,
            _ => Vec::new(),
        }
    }
}

fn map(rows: Vec<Row>, of: impl Fn(f64) -> f64) -> Result<Vec<Row>, ApiError> {
    map_steps(rows, |value, _| Some(of(value)))
}

/// Something of each value and the number of its instant; what comes of it has no name.
pub(crate) fn map_steps(
    mut rows: Vec<Row>,
    of: impl Fn(f64, usize) -> Option<f64>,
) -> Result<Vec<Row>, ApiError> {
    for row in &mut rows {
        for (index, value) in row.values.iter_mut().enumerate() {
            *value = value.and_then(|value| of(value, index));
        }
    }
    renamed(rows)
}

/// The series without their names.
fn renamed(mut rows: Vec<Row>) -> Result<Vec<Row>, ApiError> {
    for row in &mut rows {
        row.labels = std::mem::take(&mut row.labels).without_name();
    }
    united(rows)
}

/// Series with the same labels as one: they may not have values at the same instant.
///
/// # Errors
/// When they have.
pub(crate) fn united(rows: Vec<Row>) -> Result<Vec<Row>, ApiError> {
    let mut by_labels = HashMap::with_capacity(rows.len());
    let mut out: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        let index = *by_labels.entry(row.labels.clone()).or_insert(out.len());
        let Some(other) = out.get_mut(index) else {
            out.push(row);
            continue;
        };
        for (value, more) in other.values.iter_mut().zip(row.values) {
            if value.is_some() && more.is_some() {
                let text = format!("several series would be {} at the same time", row.labels);
                return Err(ApiError::execution(text));
            }
            *value = value.or(more);
        }
    }
    Ok(out)
}

/// At each instant, the value of the only series that has one.
fn only(rows: &[Row], count: usize) -> Vec<f64> {
    let only = |index| {
        let mut values = rows.iter().filter_map(|row: &Row| row.values[index]);
        let first = values.next().filter(|_| values.next().is_none());
        first.unwrap_or(f64::NAN)
    };
    (0..count).map(only).collect()
}

/// Sorts by the first values; what is no number comes last.
fn sort(rows: &mut [Row], descending: bool) {
    rows.sort_by(|one, other| {
        let [one, other] = [one, other].map(|row| row.values.first().copied().flatten().unwrap_or(f64::NAN));
        order(one, other, descending)
    });
}

/// The order of two values; what is no number comes last.
pub(crate) fn order(one: f64, other: f64, descending: bool) -> Ordering {
    one.is_nan().cmp(&other.is_nan()).then_with(|| {
        let order = one.partial_cmp(&other).unwrap_or(Ordering::Equal);
        if descending { order.reverse() } else { order }
    })
}

/// 1 where no series has a value, with the labels that are demanded of the series.
fn absent(arguments: &[Expr], rows: &[Row], count: usize) -> Row {
    let mut labels = Labels::default();
    if let [Expr::Selection(selection)] = arguments {
        for (index, matcher) in selection.matchers.iter().enumerate() {
            let name = matcher.label().name();
            let is_same = |other: &Matcher| other.label().name() == name;
            let is_again = selection.matchers[..index].iter().any(is_same);
            let value = match matcher.operator() {
                Operator::Equal if !is_again => matcher.value(),
                _ => "",
            };
            labels.set(name, value);
        }
    }
    let values = (0..count).map(|index| {
        let is_absent = rows.iter().all(|row| row.values[index].is_none());
        is_absent.then_some(1.0)
    });
    Row {
        labels: labels.without_name(),
        values: values.collect(),
    }
}
