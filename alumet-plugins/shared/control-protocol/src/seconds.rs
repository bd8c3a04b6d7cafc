//! Durations in JSON: seconds as a number.

use std::time::Duration;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    if seconds.is_nan() || seconds < 0.0 {
        return Err(D::Error::invalid_value(Unexpected::Float(seconds), &"seconds"));
    }
    // The longest duration is rounded up to a number that is too large for one.
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}
