//! From cumulative readings to increments: wraps, resets, falls and returns, and the delta series that they feed.
//!
//! **A delta series begins, and begins again after a gap, with a 0 at the instant from which it counts.** So every other
//! sample says what happened since the sample before it: the first interval is whole, a rate is always defined, and
//! nothing that a sample counts lies in a time that it does not say. A *gap* is where the increment since the previous
//! reading is not known: the counter was reset, wrapped perhaps more than once, or the source was paused. A poll that
//! failed is none: the next increment covers both intervals.
//!
//! [`DeltaSeries`] keeps the rule for a source; one that computes its increments otherwise takes
//! [`Increment::delta`], or pushes the 0 itself. A source that knows when its counter was zero, such as the birth of a
//! process, pushes the 0 at that time and then what was counted since.

use std::time::Duration;

use crate::series::Series;
use crate::source::Accumulator;
use crate::time::Monotonic;

/// Turns the successive readings of a cumulative counter into increments.
///
/// A reading below the previous one is a wrap when the range is known and a wrap is plausible, otherwise a reset. A
/// bound ([`with_max_rate`](Self::with_max_rate)) says what is plausible. Give a 64-bit counter a bound, or [`CounterRange::Unknown`]: without either, a reset reads as a wrap
/// with a huge increment.
///
/// ```
/// # use alumet_core::counter::{Counter, CounterRange, Increment};
/// let mut energy = Counter::new(CounterRange::Max(999));
/// assert_eq!(energy.update(990), Increment::First);
/// assert_eq!(energy.update(995), Increment::Delta(5));
/// assert_eq!(energy.update(4), Increment::Wrapped(9));
/// ```
#[derive(Debug, Clone)]
pub struct Counter {
    range: CounterRange,
    max_rate: Option<f64>,
    ascent: Ascent,
}

/// The last reading of a count that only rises, and the height from which it fell.
///
/// A count can fall to zero for a reading or two and come back (`lxcfs`, a network driver, a machine that wakes up). A
/// rise over more than half of the way back to the former height is that return: only what lies above the height was
/// counted. Where a count was really reset, the interval in which it passes its former height can thus be billed too
/// low; none is ever billed for what was counted before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ascent {
    last: Option<u64>,
    /// Not above the last reading, unless the count fell.
    height: u64,
}

/// Where a counter starts again from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CounterRange {
    /// Not known, or never: any fall is a reset.
    #[default]
    Unknown,
    /// After 2³² − 1.
    Bits32,
    /// After 2⁶⁴ − 1.
    Bits64,
    /// After this value, which the counter can still show.
    Max(u64),
}

/// What a counter counted since its previous reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Increment {
    /// The first reading: there is nothing to compare with.
    First,
    /// The counter rose by this much, or stayed.
    Delta(u64),
    /// The counter passed the end of its range once and counted this much.
    Wrapped(u64),
    /// The counter started anew and has counted this much since. What it counted between the previous reading and
    /// the reset is lost.
    Reset(u64),
    /// The counter rose by more than the interval can have held. How much of it was counted is not known.
    Excess(u64),
    /// The interval was long enough for more wraps than the readings show: `delta` is the least that was counted, and
    /// any number of whole ranges may be missing.
    Ambiguous {
        /// The smallest increment that explains the readings.
        delta: u64,
    },
}

/// A delta series and the cumulative counter that feeds it.
///
/// Pushes a 0 where the series begins and where it begins again, and what was counted otherwise.
#[derive(Debug, Clone)]
pub struct DeltaSeries {
    series: Series<u64>,
    counter: Counter,
    read_at: Option<Monotonic>,
}

impl Counter {
    /// A counter without a previous reading and without bounds.
    pub const fn new(range: CounterRange) -> Self {
        Self {
            range,
            max_rate: None,
            ascent: Ascent {
                last: None,
                height: 0,
            },
        }
    }

    /// Bounds what can be counted per second, such as the maximum power for an energy counter. Only readings that come
    /// with their interval are judged by it; a rate that is negative or not finite is no bound.
    #[must_use]
    pub fn with_max_rate(mut self, per_second: f64) -> Self {
        self.max_rate = (per_second.is_finite() && per_second >= 0.0).then_some(per_second);
        self
    }

    /// The increment up to this reading, when the time since the previous one is not known.
    pub fn update(&mut self, value: u64) -> Increment {
        self.update_at(value, None)
    }

    /// The increment up to this reading, which was taken `elapsed` (on the monotonic clock) after the previous one.
    pub fn update_at(&mut self, value: u64, elapsed: Option<Duration>) -> Increment {
        let bound = self.bound(elapsed);
        let is_held = |delta: u64| bound.is_none_or(|bound| u128::from(delta) <= bound);
        let Some(previous) = self.ascent.last else {
            self.ascent.update(value);
            return Increment::First;
        };
        let wrapped = self.wrapped(previous, value).filter(|delta| is_held(*delta));
        let increment = match wrapped {
            Some(delta) => {
                self.ascent = Ascent::from(value);
                Increment::Wrapped(delta)
            }
            None => match self.ascent.update(value) {
                Some(delta) if is_held(delta) => Increment::Delta(delta),
                Some(delta) => return Increment::Excess(delta),
                None => return Increment::Reset(value),
            },
        };
        match increment {
            Increment::Delta(delta) | Increment::Wrapped(delta) if self.may_hide_a_wrap(delta, bound) => {
                Increment::Ambiguous { delta }
            }
            certain => certain,
        }
    }

    /// Forgets the previous reading, so that the next one is the first again; range and bounds stay.
    pub const fn reset(&mut self) {
        self.ascent = Ascent {
            last: None,
            height: 0,
        };
    }

    /// The most that can have been counted in the interval; none if no bound applies.
    fn bound(&self, elapsed: Option<Duration>) -> Option<u128> {
        // The conversion saturates, so that an absurdly long interval is merely a very large bound.
        Some((self.max_rate? * elapsed?.as_secs_f64()).ceil() as u128)
    }

    /// The increment if the counter went once past its end; none if it has none or did not fall, or if the previous
    /// reading was already beyond it and so proves the range wrong.
    fn wrapped(&self, previous: u64, value: u64) -> Option<u64> {
        if value >= previous {
            return None;
        }
        let up_to_the_end = self.range.max()?.checked_sub(previous)?;
        // `value + 1 <= previous`, so that the sum is at most the maximum.
        Some(up_to_the_end + value + 1)
    }

    /// Whether one more whole range (`max + 1`) than assumed would still be plausible.
    fn may_hide_a_wrap(&self, delta: u64, bound: Option<u128>) -> bool {
        let (Some(max), Some(bound)) = (self.range.max(), bound) else {
            return false;
        };
        u128::from(delta) + u128::from(max) < bound
    }
}

impl Ascent {
    /// A count that showed this.
    pub const fn from(reading: u64) -> Self {
        Self {
            last: Some(reading),
            height: 0,
        }
    }

    /// What was counted up to this reading; none for the first one and where the count fell.
    pub fn update(&mut self, reading: u64) -> Option<u64> {
        let last = self.last.replace(reading)?;
        let Some(rise) = reading.checked_sub(last) else {
            self.height = self.height.max(last);
            return None;
        };
        let way_back = self.height.saturating_sub(last);
        if rise <= way_back / 2 {
            return Some(rise);
        }
        let height = std::mem::take(&mut self.height).max(last);
        Some(reading.saturating_sub(height))
    }
}

impl CounterRange {
    /// The highest value that the counter can show; none if it is not known.
    pub const fn max(self) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::Bits32 => Some(u32::MAX as u64),
            Self::Bits64 => Some(u64::MAX),
            Self::Max(max) => Some(max),
        }
    }
}

impl Increment {
    /// What a delta series shows, in the counter's unit: the increment if it is certain, otherwise the 0 with which the
    /// series begins anew.
    ///
    /// What a counter shows after a reset is not known to have happened in this interval: a device that returns, or
    /// that corrects its count downwards, would give its whole life.
    pub const fn delta(self) -> u64 {
        match self {
            Self::Delta(delta) | Self::Wrapped(delta) => delta,
            Self::First | Self::Reset(_) | Self::Excess(_) | Self::Ambiguous { .. } => 0,
        }
    }
}

impl DeltaSeries {
    /// A series that begins with the next reading of `counter`.
    pub const fn new(series: Series<u64>, counter: Counter) -> Self {
        Self {
            series,
            counter,
            read_at: None,
        }
    }

    /// Pushes what was counted up to this reading, taken at the tick of `out`.
    pub fn push(&mut self, out: &mut Accumulator<'_>, reading: u64) {
        let now = out.tick().monotonic;
        let elapsed = self.read_at.replace(now).map(|before| now.since(before));
        let delta = self.counter.update_at(reading, elapsed).delta();
        out.push(&self.series, delta);
    }

    /// Lets the series begin again with the next reading, as after a pause.
    pub const fn reset(&mut self) {
        self.counter.reset();
        self.read_at = None;
    }
}
