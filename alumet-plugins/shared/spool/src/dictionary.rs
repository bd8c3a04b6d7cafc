//! Turns records back into batches.

use std::sync::Arc;

use alumet_core::batch::Batch;
use alumet_core::catalog::Catalog;
use alumet_core::failure::{Failure, OrFail};
use alumet_core::spool::Record;
use alumet_shared_batch_encoding::{Amendment, Decoder, Limits};
use parking_lot::Mutex;

use crate::log::Log;

/// Turns records back into batches, with the dictionaries that the log keeps.
pub(crate) struct Dictionary {
    catalog: Catalog,
    /// Made when it is needed, for it keeps the series of a whole dictionary.
    decoder: Mutex<Option<Decoder>>,
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
        let mut decoder = self.decoder.lock();
        let decoder = decoder.get_or_insert_with(|| Decoder::new(Limits::default()));
        let mut batch = self.catalog.batch();
        let known = decoder.defined(record.generation);
        // Another output may still read an older one, but that is rare and then costs a second look-up.
        if known == 0
            || decoder
                .decode(record.generation, &record.payload, &mut batch)
                .is_err()
        {
            let amendment = Amendment {
                metric_suffix: "spooled".to_owned(),
                ..Amendment::default()
            };
            for definitions in log.definitions(record.generation, known)? {
                decoder
                    .define(&definitions, &self.catalog, &amendment)
                    .or_skip()?;
            }
            decoder
                .decode(record.generation, &record.payload, &mut batch)
                .or_skip()?;
        }
        Ok(Arc::new(batch))
    }

    /// Lets go of all series, because nothing waits.
    pub(crate) fn forget(&self) {
        *self.decoder.lock() = None;
    }
}
