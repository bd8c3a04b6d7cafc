//! Instants: wall-clock timestamps for samples, monotonic time for differences, and the clock that gives both.

use std::fmt;
use std::io;
use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::alarm::TimerAlarm;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A point in time as nanoseconds since 1970-01-01T00:00:00 UTC; the time of a sample.
///
/// Covers the years 1677 to 2262. It is what the wall clock showed, steps included: after the clock was set back,
/// timestamps come again. So never subtract two timestamps to get a duration for a rate, and never order samples by them:
/// use [`Monotonic`], which [`Progress`](crate::progress::Progress) gives for the samples of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The timestamp of `nanos` nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch, negative before it.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The time since `earlier`, or `None` if `earlier` is later than `self`.
    pub fn checked_since(self, earlier: Self) -> Option<Duration> {
        let nanos = self.0.checked_sub(earlier.0)?;
        u64::try_from(nanos).ok().map(Duration::from_nanos)
    }

    /// `self + duration`, held at the last representable timestamp.
    pub fn saturating_add(self, duration: Duration) -> Self {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// `self - duration`, held at the first representable timestamp.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(nanos))
    }

    /// RFC 3339 text in UTC with nine decimals, always 30 ASCII bytes: `2026-11-20T07:24:36.123456789Z`.
    pub fn to_rfc3339(self) -> [u8; 30] {
        let seconds = self.0.div_euclid(NANOS_PER_SECOND);
        let nanos = self.0.rem_euclid(NANOS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400);
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        write_digits(&mut text[0..4], year);
        write_digits(&mut text[5..7], month);
        write_digits(&mut text[8..10], day);
        write_digits(&mut text[11..13], of_day / 3600);
        write_digits(&mut text[14..16], of_day / 60 % 60);
        write_digits(&mut text[17..19], of_day % 60);
        write_digits(&mut text[20..29], nanos);
        text
    }
}

/// As RFC 3339 text.
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_rfc3339()
            .iter()
            .try_for_each(|&byte| fmt::Write::write_char(f, char::from(byte)))
    }
}

/// Writes the last `out.len()` decimal digits of a number that is not negative.
fn write_digits(out: &mut [u8], mut number: i64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// The algorithm counts from 1 March of year 0 in eras of 400 years (146 097 days), so that the leap day is the last
/// day of a year: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// A point on the monotonic clock as nanoseconds since an arbitrary start; only differences mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Monotonic(u64);

impl Monotonic {
    /// The instant `nanos` nanoseconds after the arbitrary start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the arbitrary start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time since `earlier`, zero if `earlier` is later than `self`.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

/// The nanoseconds of a duration; at most 2⁶⁴ − 1, which are 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The same instant on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// The wall clock, for the timestamp of samples.
    pub wall: Timestamp,
    /// The monotonic clock, for differences.
    pub monotonic: Monotonic,
}

impl Moment {
    /// Slewing, at most 0.05 %, and what passes between the readings of the two clocks are less in the time between two
    /// polls; more has been set.
    const MOST_DRIFT: Duration = Duration::from_millis(1);

    /// Whether the wall clock was set between this moment and a `later` one: forwards or back, against the monotonic
    /// clock.
    pub fn steps_to(self, later: Self) -> bool {
        let passed = later.monotonic.since(self.monotonic);
        let expected = self.wall.saturating_add(passed);
        let drift = expected.as_nanos().abs_diff(later.wall.as_nanos());
        Duration::from_nanos(drift) > Self::MOST_DRIFT + passed / 1000
    }
}

/// Where time comes from: the system in production, a clock moved by hand in tests.
pub trait Clock: Send + Sync + 'static {
    /// The present on both clocks.
    fn now(&self) -> Moment;

    /// A new alarm that waits on this clock.
    ///
    /// # Errors
    /// When the system cannot give a timer, usually because the process has no file descriptor left.
    fn alarm(&self) -> io::Result<Box<dyn Alarm>>;
}

/// Ends the present or the next [`Alarm::wait`] from another thread.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Lets one thread sleep until a deadline or until it is woken.
pub trait Alarm: Send {
    /// What wakes the thread that waits on this alarm.
    fn waker(&self) -> Waker;

    /// Sleeps until `deadline` (for ever when `None`) or until the waker was called; may also return early.
    fn wait(&mut self, deadline: Option<Monotonic>);
}

/// The clocks of the system: `CLOCK_REALTIME` and `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// Nanoseconds within which both clocks are read without an interruption.
    const TOGETHER: u64 = 2_000;
    const ATTEMPTS: usize = 4;
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        // The kernel has both clocks, and so cannot fail to read them.
        let nanos = |clock| {
            clock_gettime(clock).map_or(0, |time| {
                let seconds = time.tv_sec().saturating_mul(NANOS_PER_SECOND);
                seconds.saturating_add(time.tv_nsec())
            })
        };
        // Never negative.
        let monotonic = || nanos(ClockId::CLOCK_MONOTONIC).cast_unsigned();
        // Whoever is interrupted between the clocks would take two instants for one, and tries again.
        let mut best = (u64::MAX, Moment::default());
        let mut before = monotonic();
        for _ in 0..Self::ATTEMPTS {
            let wall = Timestamp(nanos(ClockId::CLOCK_REALTIME));
            let after = monotonic();
            let apart = after.saturating_sub(before);
            if apart < best.0 {
                let monotonic = Monotonic(before.midpoint(after));
                best = (apart, Moment { wall, monotonic });
            }
            if apart <= Self::TOGETHER {
                break;
            }
            before = after;
        }
        best.1
    }

    fn alarm(&self) -> io::Result<Box<dyn Alarm>> {
        Ok(Box::new(TimerAlarm::new()?))
    }
}

/// How long the machine has been suspended since it was started: `CLOCK_MONOTONIC` stands still meanwhile, and
/// `CLOCK_BOOTTIME` does not.
pub(crate) fn asleep() -> Duration {
    let time = |clock| clock_gettime(clock).map_or(Duration::ZERO, Duration::from);
    // In this order, it is too much by what passes between the two, and never negative.
    let awake = time(ClockId::CLOCK_MONOTONIC);
    time(ClockId::CLOCK_BOOTTIME).saturating_sub(awake)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_instants_print_as_rfc_3339() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(Timestamp::from_nanos(nanos).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn text_agrees_with_an_independent_calendar(nanos: i64) {
            let theirs = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
            prop_assert_eq!(Timestamp::from_nanos(nanos).to_string(), format!("{theirs:.9}"));
        }
    }

    #[test]
    fn a_clock_set_back_gives_no_duration() {
        let (early, late) = (Timestamp::from_nanos(5), Timestamp::from_nanos(9));
        assert_eq!(late.checked_since(early), Some(Duration::from_nanos(4)));
        assert_eq!(early.checked_since(late), None);
        assert_eq!(
            Monotonic::from_nanos(5).since(Monotonic::from_nanos(9)),
            Duration::ZERO
        );
    }

    #[test]
    fn sums_beyond_the_calendar_stay_at_its_ends() {
        let hour = Duration::from_secs(3600);
        let (first, last) = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));
        assert_eq!(last.saturating_add(hour), last);
        assert_eq!(first.saturating_sub(hour), first);
        assert_eq!(first.saturating_add(Duration::MAX), Timestamp::from_nanos(-1));
        assert_eq!(last.saturating_sub(Duration::MAX), Timestamp::from_nanos(0));
        assert_eq!(
            Timestamp::from_nanos(5)
                .saturating_sub(hour)
                .saturating_add(hour)
                .as_nanos(),
            5
        );
        assert_eq!(
            last.checked_since(first),
            None,
            "292 years fit into a duration, but not into an i64"
        );
        let end = Monotonic::from_nanos(u64::MAX);
        assert_eq!(end + hour, end);
        assert_eq!(Monotonic::from_nanos(1) + Duration::MAX, end);
    }
}
