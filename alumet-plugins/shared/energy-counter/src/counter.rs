//! The model: readings in, increments out.

use std::time::Duration;

use alumet_core::Timestamp;
use alumet_core::counter::{Counter, CounterRange, Increment};
use alumet_core::source::Tick;
use alumet_core::time::Moment;

use crate::Refusal;

/// Up to so much later than the energy was spent a counter shows it: RAPL is brought up to date about every millisecond, and
/// more seldom while the processor sleeps.
const LAG: Duration = Duration::from_millis(10);

/// By so much, and a thousandth of the interval, the wall clock may gain on the monotonic one without a suspension: it is
/// slewed by at most 500 ppm.
const SLEW: Duration = Duration::from_secs(1);

/// A sample has the time of its tick unless it was read so much later.
const LATE: Duration = Duration::from_millis(1);

/// When a counter was read.
#[derive(Debug, Clone, Copy)]
pub struct ReadAt {
    /// The wall clock and the monotonic clock just before.
    pub before: Moment,
    /// Both just after.
    pub after: Moment,
    /// The time of the sample: that of the tick, or the middle of the reading if that was more than a millisecond later.
    pub timestamp: Timestamp,
}

impl ReadAt {
    /// A reading of this tick that took place between two instants.
    pub fn between(tick: Tick, before: Moment, after: Moment) -> Self {
        let half = after.monotonic.since(before.monotonic) / 2;
        let is_late = (before.monotonic + half).since(tick.monotonic) > LATE;
        Self {
            before,
            after,
            timestamp: match is_late {
                true => before.wall.saturating_add(half),
                false => tick.timestamp,
            },
        }
    }
}

/// What a counter counted since its previous reading, in its own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Nothing is known of what was before: the series begins with a 0.
    Begins,
    /// This much, and no doubt about it.
    Counted(u64),
    /// It is not known how much: the series begins anew with a 0.
    Refused(Refusal),
}

/// A cumulative counter of energy, whose readings are believed only if nothing speaks against them.
#[derive(Debug, Clone)]
pub struct EnergyCounter {
    counter: Counter,
    last: Option<(u64, Moment)>,
    /// What it showed before it fell the last time, until it shows that again.
    fell_from: Option<u64>,
    /// Why the previous reading may have been nonsense: then the way back from it is none that was counted.
    suspicion: Option<Refusal>,
}

impl EnergyCounter {
    /// A counter without a reading; `max_rate` is more than can be counted in a second.
    pub fn new(range: CounterRange, max_rate: f64) -> Self {
        Self {
            counter: Counter::new(range).with_max_rate(max_rate),
            last: None,
            fell_from: None,
            suspicion: None,
        }
    }

    /// What was counted up to this reading.
    pub fn update(&mut self, value: u64, at: ReadAt) -> Interval {
        let Some((last, since)) = self.last.replace((value, at.before)) else {
            self.counter.update(value);
            return Interval::Begins;
        };
        // From before the previous reading until after this one: no less than what lies between the two.
        let elapsed = at.after.monotonic.since(since.monotonic) + LAG;
        let increment = self.counter.update_at(value, Some(elapsed));
        let is_back = self.fell_from.take_if(|height| *height <= value).is_some();
        let counted = match increment {
            _ if was_suspended(since, at.before) => Err(Refusal::Suspended),
            Increment::First => return Interval::Begins,
            Increment::Reset(_) => {
                self.fell_from = Some(last);
                Err(Refusal::Reset)
            }
            Increment::Excess(_) => Err(Refusal::Excess),
            Increment::Ambiguous { .. } => Err(Refusal::Ambiguous),
            // A count that comes back after a fall was reset, or has shown nonsense in between.
            Increment::Delta(delta) if is_back || value.checked_sub(last) != Some(delta) => {
                Err(Refusal::Reset)
            }
            Increment::Delta(delta) | Increment::Wrapped(delta) => Ok(delta),
        };
        match (counted, std::mem::replace(&mut self.suspicion, counted.err())) {
            (Ok(count), None) => Interval::Counted(count),
            (Ok(_), Some(refusal)) | (Err(refusal), _) => Interval::Refused(refusal),
        }
    }

    /// Forgets the previous reading, as after a pause.
    pub const fn reset(&mut self) {
        self.counter.reset();
        self.last = None;
        self.fell_from = None;
        self.suspicion = None;
    }
}

/// Whether the wall clock went on while the monotonic one stood still. Counters can be set to zero meanwhile, and rise above
/// what they showed before. A wall clock that is set forward looks the same.
pub(crate) fn was_suspended(since: Moment, now: Moment) -> bool {
    let monotonic = now.monotonic.since(since.monotonic);
    let wall = now.wall.checked_since(since.wall).unwrap_or_default();
    wall > monotonic + monotonic / 1000 + SLEW
}
