//! How much of a session is on its way to the disk.

use std::collections::VecDeque;

use tokio::sync::OwnedSemaphorePermit;

/// Batches that the pipeline took and that are not stored yet.
#[derive(Debug)]
pub(crate) struct Window {
    limit: u64,
    bytes: u64,
    batches: VecDeque<UnderWay>,
}

/// A batch that is not stored yet.
#[derive(Debug)]
struct UnderWay {
    sequence: u64,
    bytes: u64,
    _room: Option<OwnedSemaphorePermit>,
}

impl Window {
    pub(crate) const fn new(limit: u64) -> Self {
        Self {
            limit,
            bytes: 0,
            batches: VecDeque::new(),
        }
    }

    /// A batch with that number and so many bytes is on its way, and takes up room until it is stored.
    pub(crate) fn push(&mut self, sequence: u64, bytes: u64, room: Option<OwnedSemaphorePermit>) {
        self.bytes += bytes;
        self.batches.push_back(UnderWay {
            sequence,
            bytes,
            _room: room,
        });
    }

    /// The last batch that is on its way.
    pub(crate) fn last(&self) -> Option<u64> {
        self.batches.back().map(|batch| batch.sequence)
    }

    /// Everything up to `sequence` is stored.
    pub(crate) fn stored(&mut self, sequence: u64) {
        while let Some(first) = self.batches.front()
            && first.sequence <= sequence
        {
            self.bytes -= first.bytes;
            self.batches.pop_front();
        }
    }

    /// Whether more may come. A batch that is larger than the limit comes alone.
    pub(crate) const fn is_open(&self) -> bool {
        self.bytes < self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_closes_at_its_limit_and_opens_when_something_is_stored() {
        let mut window = Window::new(10);
        window.push(1, 6, None);
        assert!(window.is_open());
        window.push(2, 6, None);
        assert!(!window.is_open());
        window.stored(0);
        assert!(!window.is_open());
        window.stored(1);
        assert!(window.is_open());
        window.push(9, 100, None);
        assert!(!window.is_open());
        window.stored(u64::MAX);
        assert!(window.is_open() && window.bytes == 0);
    }
}
