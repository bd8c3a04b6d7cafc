//! What supervision of all elements has in common: catching panics, pausing ever longer, logging without flooding.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::failure::{Failure, Remedy};
use crate::time::Monotonic;

use super::element::{ElementCell, ElementKey, ElementState};

/// Calls an element; a panic becomes a failure that asks for a restart.
pub(crate) fn guard<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // The element is reset before it is used again, so that a broken state is not seen.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| Err(panicked(&*payload)))
}

/// Awaits an element; a panic becomes a failure that asks for a restart.
pub(crate) async fn guard_async<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut call = pin!(call);
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context)))
            .unwrap_or_else(|payload| Poll::Ready(Err(panicked(&*payload))))
    })
    .await
}

fn panicked(payload: &(dyn Any + Send)) -> Failure {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Failure::panicked(text)
}

/// The state of an element after a failure.
pub(crate) const fn state_after(remedy: Remedy) -> ElementState {
    match remedy {
        Remedy::Retry | Remedy::Skip | Remedy::Split => ElementState::Failing,
        Remedy::Restart => ElementState::Restarting,
        Remedy::End => ElementState::Ended,
    }
}

/// Pauses that double from one attempt to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Backoff {
    /// Before a source or transform is started again.
    pub(crate) const RESTART: Self = Self {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(60),
    };
    /// Before a batch is written again.
    pub(crate) const WRITE: Self = Self {
        first: Duration::from_millis(100),
        longest: Duration::from_secs(10),
    };

    /// The pause after the `attempt`-th failure in a row, counted from 1.
    pub(crate) fn after(self, attempt: u32) -> Duration {
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(self.longest)
    }

    /// The same, shortened by up to a half at random, so that a thousand agents do not come back at the same instant.
    pub(crate) fn after_with_jitter(self, attempt: u32) -> Duration {
        // Each of these has keys of its own, from the randomness of the system.
        let random = RandomState::new().hash_one(attempt);
        self.after(attempt)
            .mul_f64(1.0 - 0.5 * (random as f64 / u64::MAX as f64))
    }
}

/// Logs a failure, but of a row only the first and then those at powers of two.
pub(crate) fn log_failure(key: &ElementKey, failure: &Failure, in_a_row: u32) {
    if !in_a_row.is_power_of_two() {
        return;
    }
    match failure.remedy() {
        Remedy::Restart => {
            tracing::error!(element = %key, error = %failure, in_a_row, "the element failed and will be restarted");
        }
        Remedy::End => tracing::info!(element = %key, reason = %failure, "the element has ended"),
        Remedy::Retry => {
            tracing::warn!(element = %key, error = %failure, in_a_row, "the element failed and will try again");
        }
        Remedy::Skip | Remedy::Split => {
            tracing::warn!(element = %key, error = %failure, in_a_row, "the element skipped an input");
        }
    }
}

/// Notes a call of an element that went well.
pub(crate) fn succeeded(cell: &ElementCell, samples: u64, busy: Duration) {
    if cell.succeeded(samples, busy) {
        log_recovery(cell.key());
    }
}

/// Notes a failure of an element; says how often it has failed in a row.
pub(crate) fn failed(cell: &ElementCell, failure: &Failure, samples: u64, busy: Duration) -> u32 {
    let state = state_after(failure.remedy());
    let in_a_row = cell.failed(state, &failure.to_string(), samples, busy);
    log_failure(cell.key(), failure, in_a_row);
    in_a_row
}

/// Notes what came of a call of an element at `now`; says when it may be called again, if the failure asks for a restart.
pub(crate) fn judge(
    cell: &ElementCell,
    result: Result<(), Failure>,
    samples: u64,
    busy: Duration,
    now: Monotonic,
) -> Option<Monotonic> {
    let Err(failure) = result else {
        succeeded(cell, samples, busy);
        return None;
    };
    let in_a_row = failed(cell, &failure, samples, busy);
    (failure.remedy() == Remedy::Restart).then(|| now + Backoff::RESTART.after(in_a_row))
}

/// Resets an element with `call`.
pub(crate) fn reset(key: &ElementKey, call: impl FnOnce()) {
    let guarded = guard(|| {
        call();
        Ok(())
    });
    if let Err(failure) = guarded {
        tracing::error!(element = %key, error = %failure, "the element could not be reset");
    }
}

pub(crate) fn log_recovery(key: &ElementKey) {
    tracing::info!(element = %key, "the element works again");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<_> = [1, 2, 3, 7, 8, 100]
            .map(|n| Backoff::RESTART.after(n).as_secs())
            .into();
        assert_eq!(pauses, [1, 2, 4, 60, 60, 60]);
    }

    #[test]
    fn a_panic_is_a_failure_with_its_message() {
        let failure = guard::<()>(|| panic!("sensor {} is gone", 3)).unwrap_err();
        assert_eq!(failure.remedy(), Remedy::Restart);
        assert_eq!(failure.to_string(), "it panicked: sensor 3 is gone");
    }
}
