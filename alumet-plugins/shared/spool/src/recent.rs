//! The batches of the newest records, so that an output that keeps up need not decode them.

use std::collections::VecDeque;
use std::sync::Arc;

use alumet_core::batch::Batch;

/// The batches of the newest records.
///
/// A batch keeps the series that it names from being forgotten, so there are never many.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    batches: VecDeque<(u64, Arc<Batch>)>,
    samples: usize,
}

impl Recent {
    const MAX_BATCHES: usize = 64;
    const MAX_SAMPLES: usize = 262_144;

    pub(crate) fn push(&mut self, sequence: u64, batch: Arc<Batch>) {
        self.samples += batch.len();
        self.batches.push_back((sequence, batch));
        while self.batches.len() > Self::MAX_BATCHES || self.samples > Self::MAX_SAMPLES {
            self.pop();
        }
    }

    /// Lets go of the batches of records up to that number.
    pub(crate) fn forget(&mut self, sequence: u64) {
        while let Some((number, _)) = self.batches.front()
            && *number <= sequence
        {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some((_, batch)) = self.batches.pop_front() {
            self.samples -= batch.len();
        }
    }

    /// The batch of a record.
    pub(crate) fn get(&self, sequence: u64) -> Option<Arc<Batch>> {
        let index = self
            .batches
            .binary_search_by_key(&sequence, |(number, _)| *number)
            .ok()?;
        self.batches.get(index).map(|(_, batch)| Arc::clone(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alumet_core::catalog::Catalog;

    #[test]
    fn only_the_newest_batches_are_kept_until_they_are_done() {
        let catalog = Catalog::new();
        let mut recent = Recent::default();
        for sequence in 1..=100 {
            recent.push(sequence, Arc::new(catalog.batch()));
        }
        assert!(recent.get(36).is_none());
        assert!(recent.get(37).is_some());
        recent.forget(98);
        assert!(recent.get(98).is_none());
        assert!(recent.get(99).is_some());
    }
}
