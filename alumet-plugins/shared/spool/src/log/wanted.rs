//! What was damaged before an output had it: its senders may still have it.

use std::collections::BTreeMap;
use std::time::Duration;

use alumet_core::spool::{Claim, InstanceId, Wanted};
use alumet_core::time::Timestamp;

use crate::record::WantedBatch;

/// The batches that their senders are asked for again. What nobody has any more stays a gap, and is forgotten in the end.
#[derive(Debug, Default)]
pub(crate) struct Wanting {
    batches: BTreeMap<(InstanceId, u64), State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    since: Timestamp,
    is_claimed: bool,
}

impl Wanting {
    /// For how long a batch is asked for: about as long as agents keep what was acknowledged.
    const AGE: Duration = Duration::from_secs(24 * 60 * 60);
    /// How many there are at most.
    const MOST: usize = 65_536;

    /// Since when what is still wanted is.
    pub(crate) fn since(now: Timestamp) -> Timestamp {
        now.saturating_sub(Self::AGE)
    }

    pub(crate) fn room(&self) -> usize {
        Self::MOST.saturating_sub(self.batches.len())
    }

    pub(crate) fn add(&mut self, wanted: impl IntoIterator<Item = WantedBatch>) {
        for batch in wanted {
            let state = State {
                since: batch.since,
                is_claimed: false,
            };
            self.batches.insert((batch.sender, batch.sequence), state);
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = WantedBatch> {
        self.batches
            .iter()
            .map(|(&(sender, sequence), state)| WantedBatch {
                sender,
                sequence,
                since: state.since,
            })
    }

    pub(crate) fn has(&self, sender: InstanceId, sequence: u64) -> bool {
        self.batches.contains_key(&(sender, sequence))
    }

    /// It is stored again.
    pub(crate) fn remove(&mut self, sender: InstanceId, sequence: u64) {
        self.batches.remove(&(sender, sequence));
    }

    pub(crate) fn forget_before(&mut self, since: Timestamp) {
        self.batches.retain(|_, state| state.since >= since);
    }

    /// What a sender is asked for.
    pub(crate) fn of(&self, sender: InstanceId, now: Timestamp) -> Wanted {
        let mut wanted = Wanted::default();
        for batch in self.all().filter(|batch| batch.since >= Self::since(now)) {
            let next = batch.sequence;
            match wanted.numbers.last_mut() {
                _ if batch.sender != sender => wanted.of_others = true,
                Some(range) if range.end() + 1 == next => *range = *range.start()..=next,
                _ => wanted.numbers.push(next..=next),
            }
        }
        wanted
    }

    pub(crate) fn claim(&mut self, sender: InstanceId, sequence: u64) -> Claim {
        let Some(state) = self.batches.get_mut(&(sender, sequence)) else {
            return Claim::Void;
        };
        match std::mem::replace(&mut state.is_claimed, true) {
            true => Claim::Taken,
            false => Claim::Granted,
        }
    }
}
