//! Energy from readings of power.

use std::time::Duration;

use alumet_core::Series;
use alumet_core::source::Accumulator;
use alumet_core::time::Moment;

use crate::ReadAt;
use crate::counter::was_suspended;

/// A delta series of energy that is integrated from readings of power, each joined with the next by a straight line
/// (trapezoidal rule). What it makes is modelled: it does not know what the power was in between.
#[derive(Debug)]
pub struct PowerIntegral {
    series: Series<f64>,
    per_second: f64,
    last: Option<(f64, Moment)>,
    has_failed: bool,
}

impl PowerIntegral {
    /// A series that begins with the next reading; `per_second` is the energy, in the unit of the series, that one unit of
    /// power makes in a second.
    pub const fn new(series: Series<f64>, per_second: f64) -> Self {
        Self {
            series,
            per_second,
            last: None,
            has_failed: false,
        }
    }

    /// The series.
    pub const fn series(&self) -> &Series<f64> {
        &self.series
    }

    /// Pushes the energy since the previous reading; a 0 where the series begins, or the machine was suspended in between. Each
    /// change of the power errs by at most half an interval of its height.
    pub fn push(&mut self, power: f64, at: ReadAt, out: &mut Accumulator<'_>) {
        self.push_mean(power, Duration::ZERO, at, out);
    }

    /// The same for the mean of the `window` before, which is what the power was in the part of the interval that it covers: over
    /// any time, all changes err by at most one window of their height, at its two ends.
    pub fn push_mean(&mut self, power: f64, window: Duration, at: ReadAt, out: &mut Accumulator<'_>) {
        self.has_failed = false;
        let energy = match self.last.replace((power, at.before)) {
            Some((before, since)) if !was_suspended(since, at.before) => {
                let elapsed = at.before.monotonic.since(since.monotonic);
                let covered = elapsed.min(window);
                let rest = f64::midpoint(before, power) * (elapsed - covered).as_secs_f64();
                (power * covered.as_secs_f64() + rest) * self.per_second
            }
            _ => 0.0,
        };
        out.push_at(&self.series, at.timestamp, energy);
    }

    /// Notes that a reading is missing. The straight line bridges one; after two in a row the series begins anew.
    pub const fn miss(&mut self) {
        if self.has_failed {
            self.last = None;
        }
        self.has_failed = true;
    }

    /// Lets the series begin again with the next reading, as after a pause.
    pub const fn reset(&mut self) {
        self.last = None;
        self.has_failed = false;
    }
}
