use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::pipeline::backlog::Backlog;

use super::account::Account;

/// How far a writer has got: which deliveries are open, and what the spool can be told.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// In the order in which they were begun; the first is open.
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    first: u64,
    /// The last record that is done and that the spool was not told of.
    done: Option<u64>,
    /// Samples of records that were not delivered and are booked already.
    pub(super) refused: u64,
    /// When the spool was told, or could not be.
    told: Option<Instant>,
    /// Whether it could not be told then.
    is_put_off: bool,
    /// Whether the output knows where it stands, so that telling the spool costs a write to its disk.
    pub(super) has_position: bool,
    /// Whether it has gone back to where it was.
    pub(super) is_resumed: bool,
}

#[derive(Debug)]
struct Entry {
    /// How many of its parts are not done.
    open: usize,
    /// The last record that is done with it.
    last: Option<u64>,
}

impl Progress {
    /// The spool is told as often as this while much is written: an output may have to wait for its disk each time.
    const PAUSE: Duration = Duration::from_millis(200);

    /// A delivery begins; gives its number.
    pub(super) fn open(&mut self, last: Option<u64>) -> u64 {
        self.entries.push_back(Entry { open: 1, last });
        self.first + self.entries.len() as u64 - 1
    }

    /// A part of a delivery is in two parts now.
    pub(super) fn divide(&mut self, number: u64) {
        if let Some(entry) = self.entry(number) {
            entry.open += 1;
        }
    }

    /// A part of a delivery is done.
    pub(super) fn close(&mut self, number: u64) {
        if let Some(entry) = self.entry(number) {
            entry.open -= 1;
        }
        while let Some(entry) = self.entries.front()
            && entry.open == 0
        {
            self.done = entry.last.or(self.done);
            self.first += 1;
            self.entries.pop_front();
        }
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(index)
    }

    /// Whether there is something that the spool was not told.
    pub(super) const fn has_news(&self) -> bool {
        self.done.is_some()
    }

    /// When the spool is to be told; `None` if there is nothing to tell, or nothing to wait for.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.done?;
        let told = self.told.filter(|_| self.has_position);
        Some(told.map_or(now, |told| told + Self::PAUSE))
    }

    /// The spool cannot be told now.
    pub(super) const fn put_off(&mut self, now: Instant) {
        self.told = Some(now);
        self.is_put_off = true;
    }

    /// Whether what was delivered last might not survive a crash.
    pub(super) const fn is_put_off(&self) -> bool {
        self.is_put_off
    }

    /// There is no spool.
    pub(super) const fn forget(&mut self) {
        self.done = None;
        self.refused = 0;
    }

    /// Tells the spool, and the ledger.
    pub(super) fn tell(&mut self, backlog: &Backlog, position: Option<Vec<u8>>, account: &Account) {
        let Some(done) = self.done.take() else { return };
        let samples = backlog.reader.acknowledge(done, position);
        let refused = self.refused.min(samples);
        self.refused -= refused;
        self.told = Some(Instant::now());
        self.is_put_off = false;
        account.delivered_from_spool(samples - refused);
    }
}
