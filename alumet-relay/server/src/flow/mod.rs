//! Flow control: what a session has on its way to the disk, and how it waits.

#[cfg(test)]
mod model;
mod room;
#[cfg(test)]
mod schedule;

use std::collections::VecDeque;
use std::pin::pin;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use crate::acknowledge::{Answers, acknowledge};
use crate::refusal::{Reason, Refusal};
use crate::session::{begin_anew, stopping, taken_over};

pub(crate) use room::Room;

/// What a batch that is not stored yet needs besides its payload.
const BATCH_BYTES: usize = 256;
/// What a sample needs in memory: its series, timestamp and value.
const SAMPLE_BYTES: usize = 24;

/// The room that a batch takes up, in the window of its session and in that of all clients.
pub(crate) type Held = [Option<OwnedSemaphorePermit>; 2];

/// What a session has on its way to the disk. Whatever the session waits for, it waits in [`Flow::until`].
#[derive(Debug)]
pub(crate) struct Flow {
    window: Room,
    /// That of all clients.
    shared: Room,
    /// The last number of what the pipeline took and is not stored yet, with the room that it takes up until then.
    under_way: VecDeque<(u64, Held)>,
    commits: watch::Receiver<u64>,
    answers: Answers,
    replaced: CancellationToken,
    stop: CancellationToken,
}

impl Flow {
    pub(crate) fn new(
        [window, shared]: [Room; 2],
        commits: watch::Receiver<u64>,
        answers: Answers,
        [replaced, stop]: [CancellationToken; 2],
    ) -> Self {
        Self {
            window,
            shared,
            under_way: VecDeque::new(),
            commits,
            answers,
            replaced,
            stop,
        }
    }

    /// Tells the client what is stored after what it was `told`; see [`acknowledge`].
    pub(crate) fn acknowledging(
        &self,
        told: u64,
        last_call: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        acknowledge(self.commits.clone(), told, self.answers.clone(), last_call)
    }

    /// Waits for something, and gives back meanwhile the room of what is stored: others may wait for that, and the session
    /// itself as well.
    ///
    /// # Errors
    /// When a newer session of the instance takes over or the server stops; or the client goes, and it is not there yet.
    pub(crate) async fn until<T>(&mut self, awaited: impl Future<Output = T>) -> Result<T, Refusal> {
        let mut awaited = pin!(awaited);
        loop {
            tokio::select! {
                biased;
                () = self.replaced.cancelled() => return Err(taken_over()),
                () = self.stop.cancelled() => return Err(stopping()),
                changed = self.commits.changed() => {
                    changed.map_err(|_| begin_anew())?;
                    make_room(&mut self.under_way, *self.commits.borrow_and_update());
                }
                it = &mut awaited => return Ok(it),
                () = self.answers.closed() => {
                    return Err(Refusal::new(Reason::Unavailable, "the client has gone"));
                }
            }
        }
    }

    /// Waits for room for a batch with a payload of so many bytes, which has become so many samples.
    ///
    /// A session has as little under way as its samples take in memory. What all have waits as payloads, but for a few.
    ///
    /// # Errors
    /// See [`Flow::until`].
    pub(crate) async fn room(&mut self, payload: usize, samples: usize) -> Result<Held, Refusal> {
        let (window, shared) = (self.window.clone(), self.shared.clone());
        let waiting = payload.saturating_add(BATCH_BYTES);
        let decoded = waiting.saturating_add(samples.saturating_mul(SAMPLE_BYTES));
        self.until(async { [window.take(decoded).await, shared.take(waiting).await] })
            .await
    }

    /// The pipeline has taken a batch, which keeps its room until it is stored.
    pub(crate) fn sent(&mut self, last: u64, room: Held) {
        self.under_way.push_back((last, room));
    }

    /// Waits until everything up to `last` is stored.
    ///
    /// # Errors
    /// See [`Flow::until`].
    pub(crate) async fn stored(&mut self, last: u64) -> Result<(), Refusal> {
        let mut commits = self.commits.clone();
        // An error means that there is nobody who stores, which `until` hears as well.
        let stored = async { commits.wait_for(|stored| *stored >= last).await.map(drop) };
        self.until(stored).await?.map_err(|_| stopping())
    }

    /// Waits until something is stored that has not the highest number.
    ///
    /// # Errors
    /// See [`Flow::until`].
    pub(crate) async fn stored_again(&mut self, is_stored: impl Fn() -> bool) -> Result<(), Refusal> {
        let mut commits = self.commits.clone();
        let stored = async {
            loop {
                commits.mark_unchanged();
                // An error is heard in `until` as well.
                if is_stored() || commits.changed().await.is_err() {
                    return;
                }
            }
        };
        self.until(stored).await
    }

    /// What is on its way to the disk takes up room until it is there, also without a session: as long as this is awaited.
    pub(crate) fn leave(self) -> impl Future<Output = ()> + use<> {
        let Self {
            mut under_way,
            mut commits,
            stop,
            ..
        } = self;
        async move {
            loop {
                make_room(&mut under_way, *commits.borrow_and_update());
                if under_way.is_empty() {
                    return;
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    changed = commits.changed() => if changed.is_err() { return },
                }
            }
        }
    }
}

fn make_room(under_way: &mut VecDeque<(u64, Held)>, stored: u64) {
    while under_way.front().is_some_and(|(last, _)| *last <= stored) {
        under_way.pop_front();
    }
}
