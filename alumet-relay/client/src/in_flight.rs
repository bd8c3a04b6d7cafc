//! What was sent and is not acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use alumet_core::spool::Record;

use crate::feed::RecordFeed;

/// Records and gaps that were sent in this session, oldest first.
#[derive(Debug)]
pub(crate) struct InFlight {
    sent: VecDeque<Sent>,
    bytes: u64,
    samples: u64,
    /// The number of the last that was sent, acknowledged or not.
    last: u64,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The number of the last record that it stands for.
    last: u64,
    /// How many samples it stands for.
    samples: u64,
    /// The bytes of its payload.
    bytes: u64,
    /// The checksum of its payload; `None` for a gap.
    checksum: Option<u32>,
    /// The record in place of which a gap was sent because it can never be sent.
    rejected: Option<Record>,
}

/// A server acknowledged what was not sent in this session: by another session, which may be of another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("batch {acknowledged} was acknowledged, but the last that was sent is {sent}")]
pub(crate) struct NotSent {
    acknowledged: u64,
    sent: u64,
}

impl Sent {
    pub(crate) fn record(record: &Record) -> Self {
        Self {
            last: record.sequence,
            samples: u64::from(record.samples),
            bytes: record.payload.len() as u64,
            checksum: Some(record.checksum),
            rejected: None,
        }
    }

    pub(crate) const fn gap(last: u64, samples: u64) -> Self {
        Self {
            last,
            samples,
            bytes: 0,
            checksum: None,
            rejected: None,
        }
    }

    pub(crate) fn rejected(record: &Record) -> Self {
        let without_payload = Record {
            payload: Arc::new([]),
            batch: None,
            ..record.clone()
        };
        Self {
            rejected: Some(without_payload),
            ..Self::gap(record.sequence, u64::from(record.samples))
        }
    }
}

impl InFlight {
    /// Nothing, after everything up to `stored` is acknowledged.
    pub(crate) const fn after(stored: u64) -> Self {
        Self {
            sent: VecDeque::new(),
            bytes: 0,
            samples: 0,
            last: stored,
        }
    }

    pub(crate) fn push(&mut self, sent: Sent) {
        self.bytes += sent.bytes;
        self.samples += sent.samples;
        self.last = self.last.max(sent.last);
        self.sent.push_back(sent);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.sent.len()
    }

    /// How many bytes of payload there are.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many samples there are, lost ones included.
    pub(crate) const fn samples(&self) -> u64 {
        self.samples
    }

    /// Whether more may be sent when so many bytes of payload may be unacknowledged. One record may always be.
    pub(crate) fn has_room(&self, window: u64) -> bool {
        self.sent.is_empty() || self.bytes < window
    }

    /// Everything up to `sequence` is stored: tells the feed, and gives the last that is done with its checksum.
    pub(crate) fn acknowledge(
        &mut self,
        sequence: u64,
        feed: &mut dyn RecordFeed,
    ) -> Result<Option<(u64, Option<u32>)>, NotSent> {
        if sequence > self.last {
            return Err(NotSent {
                acknowledged: sequence,
                sent: self.last,
            });
        }
        let (mut done, mut delivered) = (None, None);
        while self.sent.front().is_some_and(|sent| sent.last <= sequence) {
            let Some(sent) = self.sent.pop_front() else { break };
            self.bytes -= sent.bytes;
            self.samples -= sent.samples;
            done = Some((sent.last, sent.checksum));
            match sent.rejected {
                None => delivered = Some(sent.last),
                Some(record) => {
                    // Those before it were delivered, it was not.
                    if let Some(last) = delivered.take() {
                        feed.acknowledge(last);
                    }
                    feed.reject(&record);
                }
            }
        }
        if let Some(last) = delivered {
            feed.acknowledge(last);
        }
        Ok(done)
    }
}
