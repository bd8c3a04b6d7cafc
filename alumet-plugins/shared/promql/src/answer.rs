//! Answers, with the shape that they have in the HTTP API of Prometheus
//! (<https://prometheus.io/docs/prometheus/latest/querying/api/>).

use std::collections::BTreeMap;

use alumet_shared_query::Budget;
use serde::{Serialize, Serializer};

use crate::labels::Labels;

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer<T> {
    status: &'static str,
    /// What was asked for.
    pub data: T,
    /// What is missing in it, for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The value of an expression.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub enum Data {
    /// Series with several samples.
    Matrix(Vec<Line>),
    /// Series with one sample.
    Vector(Vec<Dot>),
    /// A number.
    Scalar(Sample),
    /// A text, with the time for which it was asked in seconds.
    String((Seconds, String)),
}

/// A series of a matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Its labels.
    pub metric: Labels,
    /// Its samples.
    pub values: Vec<Sample>,
}

/// A series of a vector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dot {
    /// Its labels.
    pub metric: Labels,
    /// Its sample.
    pub value: Sample,
}

/// A sample; `[seconds, "text"]` in JSON.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it is.
    pub at: Seconds,
    /// Its value.
    pub value: f64,
}

/// An instant in nanoseconds since 1970; seconds, with milliseconds, in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub i64);

/// What is known about a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Metadata {
    /// `counter` or `gauge`.
    pub r#type: &'static str,
    /// What it is.
    pub help: String,
    /// The word for its unit.
    pub unit: String,
}

/// What is known about all metrics, by name.
pub type AllMetadata = BTreeMap<String, Vec<Metadata>>;

/// What clients are told about the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildInfo {
    /// The version of Prometheus whose answers these are like.
    pub version: &'static str,
    /// Which program it is.
    pub application: &'static str,
}

impl<T> Answer<T> {
    pub(crate) const fn of(data: T) -> Self {
        Self {
            status: "success",
            data,
            warnings: Vec::new(),
        }
    }

    /// With what the answer lacks.
    pub(crate) fn lacking(mut self, budget: &Budget) -> Self {
        self.warnings.extend(budget.missing());
        self
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.0.div_euclid(1_000_000);
        match millis % 1000 {
            0 => serializer.serialize_i64(millis / 1000),
            _ => serializer.serialize_f64(millis as f64 / 1e3),
        }
    }
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.at, text(self.value)).serialize(serializer)
    }
}

/// The shortest text that means the number, as Go's `strconv` writes it: with an exponent if it is very large or very small.
fn text(value: f64) -> String {
    let size = value.abs();
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if size == 0.0 || (1e-6..1e21).contains(&size) || value.is_nan() {
        return value.to_string();
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_written_as_prometheus_writes_them() {
        for (value, expected) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (0.000_001, "0.000001"),
            (1.5e-7, "1.5e-07"),
            (-2e-100, "-2e-100"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(text(value), expected);
        }
        let json = |nanos| serde_json::to_string(&Seconds(nanos)).unwrap();
        assert_eq!(json(1_700_000_000_000_000_000), "1700000000");
        assert_eq!(json(1_700_000_000_123_999_999), "1700000000.123");
        assert_eq!(json(-500_000_000), "-0.5");
    }
}
