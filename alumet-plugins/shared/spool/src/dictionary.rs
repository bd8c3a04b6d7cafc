//! Turns records back into batches.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::batch::Batch;
use alumet_core::catalog::Catalog;
use alumet_core::failure::{Failure, OrFail};
use alumet_core::spool::Record;
use alumet_core::time::Monotonic;
use alumet_shared_batch_encoding::{Amendment, Decoder, Limits};
use parking_lot::Mutex;

use crate::log::Log;

/// How long it stays although nothing waits: an output that has lagged may soon lag again, and a dictionary of many series
/// takes long to read.
const IDLE: Duration = Duration::from_secs(60);

/// Turns records back into batches, with the dictionaries that the log keeps.
pub(crate) struct Dictionary {
    catalog: Catalog,
    /// Made when it is needed, for it keeps the series of a whole dictionary; with the time of its last use.
    decoder: Mutex<Option<(Decoder, Monotonic)>>,
}

impl Dictionary {
    pub(crate) const fn new(catalog: Catalog) -> Self {
        Self {
            catalog,
            decoder: Mutex::new(None),
        }
    }

    /// The samples of a record.
    pub(crate) fn batch(&self, log: &Log, record: &Record) -> Result<Arc<Batch>, Failure> {
        let now = log.clock.now().monotonic;
        let mut decoder = self.decoder.lock();
        let (decoder, used) = decoder.get_or_insert_with(|| (Decoder::new(Limits::default()), now));
        *used = now;
        let mut batch = self.catalog.batch();
        let known = decoder.defined(record.generation);
        // Another output may still read an older one, but that is rare and then costs a second look-up.
        if known == 0
            || decoder
                .decode(record.generation, &record.payload, &mut batch)
                .is_err()
        {
            for definitions in log.definitions(record.generation, known)? {
                decoder
                    .define(&definitions, &self.catalog, &Amendment::default())
                    .or_skip()?;
            }
            decoder
                .decode(record.generation, &record.payload, &mut batch)
                .or_skip()?;
        }
        Ok(Arc::new(batch))
    }

    /// Lets go of all series if they were not needed for a while, because nothing waits.
    pub(crate) fn forget(&self, log: &Log) {
        let mut decoder = self.decoder.lock();
        let is_idle = |(_, used): &mut _| log.clock.now().monotonic.since(*used) >= IDLE;
        decoder.take_if(is_idle);
    }
}
