//! The feed with a look at its first record.

use alumet_core::Failure;
use alumet_core::spool::{Record, Spooled};

use crate::feed::RecordFeed;

/// What is to be sent, and what was acknowledged last.
pub(crate) struct Queue<'a> {
    feed: &'a mut dyn RecordFeed,
    /// What was looked at and not taken.
    first: Option<Spooled>,
    /// Whether something was taken since the last rewind.
    taken: bool,
    acknowledged: Option<(u64, Option<u32>)>,
}

impl<'a> Queue<'a> {
    pub(crate) fn new(feed: &'a mut dyn RecordFeed) -> Self {
        Self {
            feed,
            first: None,
            taken: false,
            acknowledged: None,
        }
    }

    pub(crate) fn feed(&self) -> &dyn RecordFeed {
        self.feed
    }

    pub(crate) fn feed_mut(&mut self) -> &mut dyn RecordFeed {
        self.feed
    }

    /// Waits until there is something to be sent; says `false` when nothing comes any more. Can be dropped.
    pub(crate) async fn wait(&mut self) -> Result<bool, Failure> {
        if self.first.is_none() {
            self.first = self.feed.next().await?;
        }
        Ok(self.first.is_some())
    }

    /// Takes what comes next, waiting for it. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Option<Spooled>, Failure> {
        self.wait().await?;
        self.taken |= self.first.is_some();
        Ok(self.first.take())
    }

    /// The number of the first record that a new session may send, after a rewind: correct when something waits, or was
    /// acknowledged in this run.
    pub(crate) fn next_sequence(&self) -> u64 {
        let acknowledged = self.acknowledged.map_or(0, |(last, _)| last);
        match &self.first {
            Some(Spooled::Record(record)) => record.sequence,
            Some(Spooled::Gap(gap)) => gap.first,
            None => acknowledged + 1,
        }
    }

    /// The last record that was acknowledged in this run, with its checksum unless it was a gap.
    pub(crate) const fn acknowledged(&self) -> Option<(u64, Option<u32>)> {
        self.acknowledged
    }

    /// A server has stored everything up to a record.
    pub(crate) fn acknowledge(&mut self, sequence: u64, checksum: Option<u32>) {
        self.feed.acknowledge(sequence);
        self.note(sequence, checksum);
    }

    /// A server cannot take a record, but everything before it.
    pub(crate) fn reject(&mut self, record: &Record) {
        self.feed.acknowledge(record.sequence - 1);
        self.feed.reject(record);
        self.note(record.sequence, None);
    }

    /// The feed was told of an acknowledgement.
    pub(crate) const fn note(&mut self, sequence: u64, checksum: Option<u32>) {
        self.acknowledged = Some((sequence, checksum));
    }

    /// Everything that is not acknowledged is given again.
    pub(crate) async fn rewind(&mut self) {
        if std::mem::take(&mut self.taken) {
            self.first = None;
            self.feed.rewind().await;
        }
    }
}
