//! The records of the spool as batches.

use std::sync::Arc;

use alumet_core::batch::Batch;
use alumet_core::catalog::Catalog;
use alumet_core::failure::{Failure, OrFail};
use alumet_core::spool::{InstanceId, Record, Spool};
use alumet_shared_batch_encoding::{Amendment, Decoder, Limits};

/// Reads records, in a catalog of its own: that of the pipeline does not have to keep their series.
pub(crate) struct Records {
    pub(crate) spool: Arc<dyn Spool>,
    catalog: Catalog,
    decoder: Decoder,
}

impl Records {
    /// Those of a spool.
    pub(crate) fn of(spool: Arc<dyn Spool>) -> Self {
        Self {
            spool,
            catalog: Catalog::new(),
            decoder: Decoder::new(Limits::default()),
        }
    }

    /// The samples of a record.
    ///
    /// # Errors
    /// When it is damaged, which no later attempt changes, or its definitions cannot be read at the moment.
    pub(crate) fn read(&mut self, record: &Record) -> Result<Batch, Failure> {
        let generation = record.generation;
        let known = self.decoder.defined(generation);
        let mut batch = self.catalog.batch();
        if known == 0
            || self
                .decoder
                .decode(generation, &record.payload, &mut batch)
                .is_err()
        {
            for definitions in self.spool.definitions(generation, known)? {
                let defined = self
                    .decoder
                    .define(&definitions, &self.catalog, &Amendment::default());
                defined.or_skip()?;
            }
            self.decoder
                .decode(generation, &record.payload, &mut batch)
                .or_skip()?;
            self.decoder.forget_before(generation);
        }
        Ok(batch)
    }

    /// The identity under which a record counts; `None` for one that was lost since.
    pub(crate) fn instance(&self, sequence: u64) -> Option<InstanceId> {
        let numberings = self.spool.numberings();
        let of = numberings
            .iter()
            .rev()
            .find(|numbering| numbering.first <= sequence);
        Some(of.or(numberings.first())?.instance)
    }
}
