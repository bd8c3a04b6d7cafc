//! The output: records come in, messages go out.

use std::sync::Arc;

use alumet_core::Failure;
use alumet_core::output::{Delivering, Delivery, Output, Receipt};
use alumet_core::spool::Spooled;

use crate::encode::Encoder;
use crate::publish::Publisher;
use crate::records::Records;

/// Publishes the records of the spool.
pub(crate) struct NatsOutput {
    records: Records,
    encoder: Encoder,
    publisher: Arc<Publisher>,
}

impl NatsOutput {
    /// An output of these parts.
    pub(crate) fn new(records: Records, encoder: Encoder, publisher: Publisher) -> Self {
        Self {
            records,
            encoder,
            publisher: Arc::new(publisher),
        }
    }
}

impl Output for NatsOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let record = match delivery.record() {
            Some(Spooled::Record(record)) => record,
            // What the spool has lost is counted there, and a message can say nothing of it.
            Some(Spooled::Gap(_)) => return Ok(Delivering::done()),
            None => return Err(Failure::skip("this output sends records of the spool only")),
        };
        let batch = self.records.read(record)?;
        let sequence = record.sequence;
        let instance = self.records.instance(sequence);
        let instance = instance.ok_or_else(|| Failure::retry("the spool has no identity yet"))?;
        let messages = self.encoder.encode(&batch);
        let publisher = Arc::clone(&self.publisher);
        Ok(Delivering::under_way(async move {
            publisher.publish(instance, sequence, messages).await?;
            Ok(Receipt::all())
        }))
    }
}
