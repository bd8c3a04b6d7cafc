use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::error::QueryError;

/// How much one question may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Series that are looked into.
    pub series: u64,
    /// Samples, or intervals of series, that are read.
    pub samples: u64,
    /// Values in the answer.
    pub points: u64,
    /// Until there is an answer.
    pub duration: Duration,
}

/// Enough for a month of a series at 1 Hz, or for a day of 10 000 series by the minute.
impl Default for Limits {
    fn default() -> Self {
        Self {
            series: 100_000,
            samples: 20_000_000,
            points: 2_000_000,
            duration: Duration::from_secs(30),
        }
    }
}

/// What is left of the limits of one question, and what its answer lacks. Cheap to clone; all clones are the same budget.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    deadline: Instant,
    samples: AtomicU64,
    missing: Mutex<BTreeSet<String>>,
}

impl Budget {
    /// The budget of a question that is asked now.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Inner {
            limits,
            deadline: Instant::now() + limits.duration,
            samples: AtomicU64::new(0),
            missing: Mutex::default(),
        }))
    }

    /// The limits, whatever is used up of them.
    pub fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Notes what the answer lacks, for people: who does not answer, and why.
    pub fn lack(&self, what: String) {
        self.0.missing.lock().insert(what);
    }

    /// What the answer lacks; nothing, if it is complete.
    pub fn missing(&self) -> Vec<String> {
        self.0.missing.lock().iter().cloned().collect()
    }

    /// How long there is still for an answer.
    pub fn time_left(&self) -> Duration {
        self.0.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether there is still time; to be asked before each piece of work of a millisecond or so.
    ///
    /// # Errors
    /// [`QueryError::Deadline`].
    pub fn check(&self) -> Result<(), QueryError> {
        match self.time_left() {
            Duration::ZERO => Err(QueryError::Deadline),
            _ => Ok(()),
        }
    }

    /// Books samples, before they are given away or kept.
    ///
    /// # Errors
    /// When the question has used up its samples or its time.
    pub fn spend(&self, samples: u64) -> Result<(), QueryError> {
        let before = self.0.samples.fetch_add(samples, Ordering::Relaxed);
        within(
            before.saturating_add(samples),
            self.0.limits.samples,
            "samples",
            "ask for a shorter range, fewer series or a longer step",
        )?;
        self.check()
    }

    /// How many samples may still be read.
    pub fn samples_left(&self) -> u64 {
        let spent = self.0.samples.load(Ordering::Relaxed);
        self.0.limits.samples.saturating_sub(spent)
    }

    /// Whether so many series may be looked into.
    ///
    /// # Errors
    /// When these are too many.
    pub fn admit_series(&self, series: u64) -> Result<(), QueryError> {
        let remedy = "name more of what they have, such as the metric or the node";
        within(series, self.0.limits.series, "series", remedy)
    }

    /// Whether an answer may have so many values.
    ///
    /// # Errors
    /// When these are too many.
    pub fn admit_points(&self, points: u64) -> Result<(), QueryError> {
        let remedy = "ask for a longer step, a shorter range or fewer groups";
        within(points, self.0.limits.points, "values in the answer", remedy)
    }
}

fn within(wanted: u64, limit: u64, what: &'static str, remedy: &'static str) -> Result<(), QueryError> {
    if wanted > limit {
        let remedy = remedy.into();
        return Err(QueryError::TooMuch { what, limit, remedy });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_booked_over_all_clones_until_there_are_too_many() {
        let limits = Limits {
            samples: 10,
            ..Limits::default()
        };
        let budget = Budget::new(limits);
        budget.clone().spend(6).unwrap();
        budget.spend(4).unwrap();
        let error = budget.spend(1).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the question needs more than 10 samples: ")
        );
    }

    #[test]
    fn a_question_ends_with_its_time() {
        let limits = Limits {
            duration: Duration::ZERO,
            ..Limits::default()
        };
        assert_eq!(Budget::new(limits).spend(0), Err(QueryError::Deadline));
    }
}
