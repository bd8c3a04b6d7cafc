//! The answer of a poll thread to a request, which a driver that hangs must not keep others waiting for.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::pipeline::element::ElementKey;
use crate::pipeline::message::Problem;
use crate::pipeline::shared::Shared;

/// What a poll thread has been asked and has not answered yet.
pub(crate) struct Answer {
    pub(super) thread: String,
    pub(super) asked: Instant,
    /// Disconnected when the request has been carried out.
    pub(super) problems: Receiver<Problem>,
}

/// How long a request waits for a poll that holds its thread up.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// A poll that had lasted so long when the request came is not waited for.
    found: Duration,
    /// Another one, which the request may have caused, is waited for until it has lasted so long.
    caused: Duration,
}

/// A poll thread neither answered in time nor was it in a poll: it waits for an output.
pub(crate) struct Late;

impl Patience {
    /// The longest time that any request waits.
    pub(crate) const LONGEST: Duration = Duration::from_secs(5);
    /// For what can as well be done later.
    pub(crate) const LITTLE: Self = Self::of(Duration::from_millis(100), Duration::from_secs(2));
    /// For what somebody wants of these very sources.
    pub(crate) const SOME: Self = Self::of(Duration::from_secs(1), Self::LONGEST);
    /// For a thread of which nothing but a sign of life is wanted.
    pub(crate) const ALL: Self = Self::of(Self::LONGEST, Self::LONGEST);

    const fn of(found: Duration, caused: Duration) -> Self {
        Self { found, caused }
    }
}

/// Waits until all have answered; a source that holds its thread up for too long is a problem.
pub(crate) fn wait(answers: Vec<Answer>, shared: &Shared, patience: Patience) -> Result<Vec<Problem>, Late> {
    let mut problems = Vec::new();
    for answer in answers {
        answer.wait(shared, patience, &mut problems)?;
    }
    Ok(problems)
}

impl Answer {
    /// How often it is looked whether the thread hangs.
    const LOOK: Duration = Duration::from_millis(20);

    fn wait(self, shared: &Shared, patience: Patience, problems: &mut Vec<Problem>) -> Result<(), Late> {
        loop {
            match self.problems.recv_timeout(Self::LOOK) {
                Ok(problem) => problems.push(problem),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    let is_late = self.asked.elapsed() >= Patience::LONGEST;
                    match shared.polled_on(&self.thread) {
                        Some((element, since)) if is_late || patience.ends(since, self.asked) => {
                            let seconds = since.elapsed().as_secs_f64();
                            let error = format!(
                                "it has been in a poll for {seconds:.1} s; what was asked waits for the end of it"
                            );
                            tracing::warn!(%element, "{error}");
                            problems.push(Problem { element, error });
                            return Ok(());
                        }
                        None if is_late => return Err(Late),
                        Some(_) | None => {}
                    }
                }
            }
        }
    }
}

impl Patience {
    /// Whether a poll that began at `since` is not waited for any longer by a request of `asked`.
    fn ends(self, since: Instant, asked: Instant) -> bool {
        asked.saturating_duration_since(since) >= self.found || since.elapsed() >= self.caused
    }
}

impl Shared {
    /// The source that this thread is polling, and since when.
    pub(crate) fn polled_on(&self, thread: &str) -> Option<(ElementKey, Instant)> {
        self.elements.lock().iter().find_map(|element| {
            let since = element.cell.polling()?;
            let is_here = self.thread_of(&element.cell).as_deref() == Some(thread);
            is_here.then(|| (element.cell.key().clone(), since))
        })
    }
}
