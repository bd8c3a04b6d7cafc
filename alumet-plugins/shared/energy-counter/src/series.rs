//! A counter and the series of energy that it feeds.

use std::fmt::Display;
use std::time::Duration;

use alumet_core::Series;
use alumet_core::source::Accumulator;
use alumet_core::time::Monotonic;
use alumet_reader_kernel_file::ReadError;

use crate::{EnergyCounter, Interval, ReadAt, Refusal, Refusals};

/// What cannot be read twice in a row is tried again after this time.
const PAUSE: Duration = Duration::from_secs(1);

/// A delta series of energy and the counter that feeds it.
#[derive(Debug)]
pub struct EnergySeries {
    series: Series<f64>,
    counter: EnergyCounter,
    per_unit: f64,
    has_failed: bool,
    retry_at: Option<Monotonic>,
    /// A bit for each reason that was told.
    told: u8,
}

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// The counter has gone, or could not be read a second time: there is no sample, and the next one begins anew.
    Gone,
    /// It is still gone.
    Absent,
    /// It could not be read once: there is no sample, and the next one tells for both intervals.
    Missing,
    /// The series begins, or begins anew, with a 0.
    Begun,
    /// So much was counted, in the unit of the series.
    Counted(f64),
}

impl EnergySeries {
    /// A series that begins with the next reading of `counter`, which counts `per_unit` for one unit of the series.
    pub const fn new(series: Series<f64>, counter: EnergyCounter, per_unit: f64) -> Self {
        Self {
            series,
            counter,
            per_unit,
            has_failed: false,
            retry_at: None,
            told: 0,
        }
    }

    /// Whether it is to be read at this tick: what is gone is not asked at each.
    pub fn is_due(&self, now: Monotonic) -> bool {
        self.retry_at.is_none_or(|at| now >= at)
    }

    /// Pushes what was counted up to this reading; `name` is for the log.
    pub fn push(
        &mut self,
        reading: Result<u64, ReadError>,
        at: ReadAt,
        name: &dyn Display,
        refusals: &mut Refusals,
        out: &mut Accumulator<'_>,
    ) -> Outcome {
        let value = match reading {
            Ok(value) => value,
            Err(error) => return self.fail(&error, at.after.monotonic, name, refusals),
        };
        self.has_failed = false;
        self.retry_at = None;
        let outcome = match self.counter.update(value, at) {
            Interval::Begins => Outcome::Begun,
            Interval::Counted(count) => Outcome::Counted(count as f64 / self.per_unit),
            Interval::Refused(refusal) => {
                refusals.count(refusal);
                if self.is_news(refusal) {
                    let reason = refusal.as_str();
                    tracing::warn!(
                        %name, reason,
                        "the energy of an interval is not known and left out; this is told once, and counted each time"
                    );
                }
                Outcome::Begun
            }
        };
        let energy = match outcome {
            Outcome::Counted(energy) => energy,
            _ => 0.0,
        };
        out.push_at(&self.series, at.timestamp, energy);
        outcome
    }

    /// Lets the series begin again with the next reading, as after a pause.
    pub const fn reset(&mut self) {
        self.counter.reset();
        self.has_failed = false;
        self.retry_at = None;
    }

    fn fail(
        &mut self,
        error: &ReadError,
        now: Monotonic,
        name: &dyn Display,
        refusals: &mut Refusals,
    ) -> Outcome {
        let retry_at = Some(now + PAUSE);
        if self.retry_at.is_some() {
            self.retry_at = retry_at;
            return Outcome::Absent;
        }
        refusals.count(Refusal::Unreadable);
        if self.is_news(Refusal::Unreadable) {
            tracing::warn!(%name, %error, "an energy counter cannot be read; this is told once, and counted each time");
        }
        if error.is_temporary() && !std::mem::replace(&mut self.has_failed, true) {
            return Outcome::Missing;
        }
        self.counter.reset();
        self.retry_at = retry_at;
        Outcome::Gone
    }

    const fn is_news(&mut self, refusal: Refusal) -> bool {
        let bit = 1 << refusal as u8;
        let is_news = self.told & bit == 0;
        self.told |= bit;
        is_news
    }
}
