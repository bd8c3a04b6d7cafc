use std::time::Duration;

use crate::error::ApiError;
use crate::lex::duration;

/// The parameters of a request, of its address and of its form.
#[derive(Debug, Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `a=b&c=d`, of the query of an address or of a form.
    pub fn parse(query: &str, form: &[u8]) -> Self {
        let both = [form, query.as_bytes()]
            .into_iter()
            .flat_map(form_urlencoded::parse);
        Self(
            both.map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// The first value of a parameter that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.0.iter().filter(move |(key, _)| key == name);
        values.map(|(_, value)| value.as_str())
    }

    pub(crate) fn demand(&self, name: &str) -> Result<&str, ApiError> {
        let missing = || ApiError::bad_data(format!("the parameter `{name}` is missing"));
        self.get(name).ok_or_else(missing)
    }

    /// A time, as seconds since 1970 or as in RFC 3339, in nanoseconds since 1970.
    pub(crate) fn time(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let time = match text.parse::<f64>() {
            // Milliseconds, as Prometheus has them.
            Ok(seconds) => in_nanos((seconds * 1e3).round() / 1e3),
            Err(_) => {
                let time: Option<jiff::Timestamp> = text.parse().ok();
                time.and_then(|time| i64::try_from(time.as_nanosecond()).ok())
            }
        };
        let wrong = || {
            ApiError::bad_data(format!(
                "`{name}` is {text:?}: write seconds since 1970 or a time such as 2026-01-31T12:00:00Z"
            ))
        };
        time.map(Some).ok_or_else(wrong)
    }

    /// A length of time, in seconds or as `5m`, in nanoseconds; more than nothing.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let nanos = match text.parse::<f64>() {
            Ok(seconds) => in_nanos(seconds),
            Err(_) => duration(text),
        };
        let nanos = nanos.filter(|nanos| *nanos > 0);
        let wrong = || {
            ApiError::bad_data(format!(
                "`{name}` is {text:?}: write seconds or a duration such as 5m, more than 0"
            ))
        };
        nanos.map(Some).ok_or_else(wrong)
    }

    /// How long to wait at most.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>, ApiError> {
        let timeout = self.duration("timeout")?;
        Ok(timeout.map(|nanos| Duration::from_nanos(nanos.unsigned_abs())))
    }

    /// How many entries the answer has at most.
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else {
            return Ok(usize::MAX);
        };
        match text.parse() {
            Ok(0) => Ok(usize::MAX),
            Ok(limit) => Ok(limit),
            Err(_) => Err(ApiError::bad_data(format!(
                "`limit` is {text:?}: write a whole number"
            ))),
        }
    }
}

fn in_nanos(seconds: f64) -> Option<i64> {
    let millis = seconds * 1e3;
    // Whole milliseconds exactly, and less in nanoseconds.
    let nanos = match millis.fract() == 0.0 {
        true if millis.abs() < 9e12 => (millis as i64).checked_mul(1_000_000)?,
        _ => (seconds * 1e9) as i64,
    };
    (seconds.abs() < 9e9).then_some(nanos)
}
