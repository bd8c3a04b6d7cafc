//! What an output does with the spool.

use std::sync::Arc;

use alumet_core::batch::Batch;
use alumet_core::failure::Failure;
use alumet_core::spool::{Record, SpoolReader, Spooled, Wake};

use crate::log::Log;
use crate::spool::Batches;

/// Reads the spool for one output.
pub(crate) struct Reader {
    output: String,
    log: Arc<Log>,
    batches: Arc<Batches>,
    _bell: Arc<Wake>,
}

impl Reader {
    pub(crate) fn new(output: &str, wake: Wake, log: Arc<Log>, batches: Arc<Batches>) -> Self {
        log.change(output, |state| state.open_cursor(output));
        Self {
            _bell: log.bells.hang(wake),
            output: output.to_owned(),
            log,
            batches,
        }
    }
}

impl SpoolReader for Reader {
    fn forget(&self) {
        self.log.change(&self.output, |state| {
            state.cursors.remove(&self.output);
            state.go_back(&self.output);
        });
        self.batches.forget(&self.log);
    }

    fn waiting(&self) -> u64 {
        let state = self.log.state.lock();
        let cursor = state.cursors.get(&self.output);
        cursor.map_or(0, |cursor| state.head.samples.saturating_sub(cursor.done.samples))
    }

    fn position(&self) -> Result<Option<Vec<u8>>, Failure> {
        let state = self.log.state.lock();
        state.known()?;
        let cursor = state.cursors.get(&self.output);
        Ok(cursor.and_then(|cursor| cursor.position.clone()))
    }

    fn read(&self, bytes: usize) -> Result<Vec<Spooled>, Failure> {
        let mut spooled = self.log.read(&self.output, bytes)?;
        let recent = self.batches.recent.lock();
        for one in &mut spooled {
            if let Spooled::Record(record) = one {
                record.batch = recent.get(record.sequence);
            }
        }
        Ok(spooled)
    }

    fn batch(&self, record: &Record) -> Result<Arc<Batch>, Failure> {
        match &record.batch {
            Some(batch) => Ok(Arc::clone(batch)),
            None => self.batches.dictionary.batch(&self.log, record),
        }
    }

    fn acknowledge(&self, sequence: u64, position: Option<Vec<u8>>) -> u64 {
        let samples = self.log.acknowledge(&self.output, sequence, position);
        self.batches.forget(&self.log);
        samples
    }
}
