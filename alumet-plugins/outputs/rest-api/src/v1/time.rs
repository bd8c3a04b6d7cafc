//! Times and durations as clients write them.

use std::time::Duration;

use alumet_core::Timestamp;
use alumet_core::duration::HumanDuration;
use alumet_shared_query::QueryError;

/// RFC 3339, seconds since 1970 with or without a fraction, `now`, or `now-5m`.
///
/// # Errors
/// When it is none of these, or not within 1678 to 2262.
pub(super) fn instant(text: &str, now: Timestamp) -> Result<Timestamp, QueryError> {
    let wrong = || {
        QueryError::Invalid(format!(
            "`{text}` is no time: write it as `2026-01-31T12:00:00Z`, as seconds since 1970, or as `now-5m`"
        ))
    };
    if let Some(ago) = text.strip_prefix("now") {
        return match ago.strip_prefix('-') {
            None if ago.is_empty() => Ok(now),
            None => Err(wrong()),
            Some(ago) => Ok(now.saturating_sub(duration(ago)?)),
        };
    }
    if let Ok(seconds) = text.parse::<f64>() {
        let nanos = seconds * 1e9;
        let is_known = nanos.abs() < i64::MAX as f64;
        return is_known
            .then(|| Timestamp::from_nanos(nanos as i64))
            .ok_or_else(wrong);
    }
    // A `+` that was not written as `%2B` arrives as a space.
    let instant: jiff::Timestamp = text.replace(' ', "+").parse().map_err(|_| wrong())?;
    let nanos = i64::try_from(instant.as_nanosecond()).map_err(|_| wrong())?;
    Ok(Timestamp::from_nanos(nanos))
}

/// `500ms`, `1m 30s`, `1d`, or seconds without a unit.
///
/// # Errors
/// When it is none of these.
pub(super) fn duration(text: &str) -> Result<Duration, QueryError> {
    let seconds = text.parse::<f64>().ok();
    let plain = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let duration = plain.or_else(|| Some(*text.parse::<HumanDuration>().ok()?));
    duration.ok_or_else(|| {
        QueryError::Invalid(format!(
            "`{text}` is no duration: write it as `500ms`, `30s`, `5m`, `1h`, `1d` or `1w`"
        ))
    })
}

/// Milliseconds since 1970.
pub(super) const fn millis(nanos: i64) -> i64 {
    nanos.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

    #[test]
    fn every_way_to_write_a_time_is_understood() {
        for (text, nanos) in [
            ("now", 1_700_000_000_000_000_000),
            ("now-5m", 1_699_999_700_000_000_000),
            ("now-1w", 1_699_395_200_000_000_000),
            ("1.5", 1_500_000_000),
            ("-1", -1_000_000_000),
            ("1970-01-01T00:00:01.5Z", 1_500_000_000),
            ("1970-01-01T02:00:01+02:00", 1_000_000_000),
            ("1970-01-01T02:00:01 02:00", 1_000_000_000),
        ] {
            let read = instant(text, NOW).unwrap();
            assert_eq!(read, Timestamp::from_nanos(nanos), "{text}");
        }
        for wrong in [
            "",
            "later",
            "now-",
            "now+5m",
            "now-x",
            "nowish",
            "1e300",
            "NaN",
            "2026-01-01",
            "9999-01-01T00:00:00Z",
        ] {
            assert!(instant(wrong, NOW).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_way_to_write_a_duration_is_understood() {
        for (text, millis) in [
            ("500ms", 500),
            ("1m 30s", 90_000),
            ("1d", 86_400_000),
            ("0.25", 250),
        ] {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for wrong in ["", "-1", "5 parsecs", "inf", "1e300"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_understood_or_refused(text in ".{0,40}") {
            let _ = instant(&text, NOW);
            let _ = instant(&format!("now-{text}"), NOW);
        }
    }
}
