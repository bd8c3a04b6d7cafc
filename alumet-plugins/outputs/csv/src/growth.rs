//! How fast the file grows, which is said once.

use std::time::Duration;

use alumet_core::time::Monotonic;

use crate::config::Config;

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(60);

/// What was written since the first delivery.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    since: Option<Monotonic>,
    bytes: u64,
    is_said: bool,
}

impl Growth {
    /// So many bytes were written; once they tell how fast the file grows, that is said.
    pub(crate) fn written(&mut self, bytes: u64, now: Monotonic, config: &Config) {
        let Some(a_minute) = self.rate(bytes, now) else {
            return;
        };
        let bound = config.most_of_all().map(|most| amount(most as f64));
        tracing::info!(
            path = %config.output_path.display(),
            a_minute = amount(a_minute),
            a_day = amount(a_minute * 24.0 * 60.0),
            bound = bound.as_deref().unwrap_or("none, set `max_total_size` for one"),
            "the output grows as fast as this"
        );
    }

    /// How many bytes come in a minute, once that is known.
    fn rate(&mut self, bytes: u64, now: Monotonic) -> Option<f64> {
        let since = *self.since.get_or_insert(now);
        if self.is_said || since == now {
            // What is written first is not what was measured in between.
            return None;
        }
        self.bytes += bytes;
        let watched = now.since(since);
        self.is_said = watched >= WATCHED;
        self.is_said
            .then(|| self.bytes as f64 * 60.0 / watched.as_secs_f64())
    }
}

/// Two digits and more, with a unit: `2.4 MB`, `310 kB`.
fn amount(bytes: f64) -> String {
    let (mut amount, mut units) = (bytes, ["B", "kB", "MB", "GB", "TB"].into_iter());
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if amount < 999.5 {
            break;
        }
        (amount, unit) = (amount / 1000.0, larger);
    }
    match amount < 9.95 && unit != "B" {
        true => format!("{amount:.1} {unit}"),
        false => format!("{amount:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_what_came_after_the_first_delivery_and_is_said_once() {
        let mut growth = Growth::default();
        let mut rate =
            |bytes, seconds: u64| growth.rate(bytes, Monotonic::from_nanos(seconds * 1_000_000_000));
        assert_eq!(rate(1_000_000, 5), None);
        assert_eq!(rate(100, 35), None);
        assert_eq!(rate(200, 64), None);
        assert_eq!(rate(300, 95), Some(400.0));
        assert_eq!(rate(300, 200), None);
    }

    #[test]
    fn amounts_have_the_digits_that_people_read() {
        for (bytes, text) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (2400.0, "2.4 kB"),
            (310_400.0, "310 kB"),
            (999_600.0, "1.0 MB"),
            (3.4e9, "3.4 GB"),
            (5e16, "50000 TB"),
        ] {
            assert_eq!(amount(bytes), text);
        }
    }
}
