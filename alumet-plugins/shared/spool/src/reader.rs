//! What an output does with the spool.

use std::sync::Arc;

use alumet_core::batch::Batch;
use alumet_core::failure::Failure;
use alumet_core::spool::{Definitions, Record, SpoolReader, Spooled, Wake};

use crate::log::{Log, Next};
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
        log.open_reader(output);
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
        self.log.forget(&self.output);
        self.batches.forget(&self.log);
    }

    fn waiting(&self) -> u64 {
        self.log.waiting(&self.output)
    }

    fn position(&self) -> Option<Vec<u8>> {
        self.log.position(&self.output)
    }

    fn read(&self, bytes: usize) -> Result<Vec<Spooled>, Failure> {
        let next = self.log.read(&self.output, bytes)?;
        let recent = self.batches.recent.lock();
        let spooled = next.into_iter().map(|next| match next {
            Next::Gap(gap) => Spooled::Gap(gap),
            Next::Entry(entry) => Spooled::Record(Record {
                batch: recent.get(entry.end.sequence),
                ..entry.record()
            }),
        });
        Ok(spooled.collect())
    }

    fn batch(&self, record: &Record) -> Result<Arc<Batch>, Failure> {
        match &record.batch {
            Some(batch) => Ok(Arc::clone(batch)),
            None => self.batches.dictionary.batch(&self.log, record),
        }
    }

    fn definitions(&self, generation: u32, from: u32) -> Result<Vec<Definitions>, Failure> {
        self.log.definitions(generation, from)
    }

    fn acknowledge(&self, sequence: u64, position: Option<Vec<u8>>) -> u64 {
        let samples = self.log.acknowledge(&self.output, sequence, position);
        self.batches.forget(&self.log);
        samples
    }

    fn rewind(&self) {
        self.log.rewind(&self.output);
    }
}
