//! Messages as batches.

use std::time::Instant;

use alumet_core::batch::Batch;
use alumet_shared_batch_encoding::{Amendment, Decoder, Limits};
use alumet_shared_nats::{BatchMessage, is_batch};
use alumet_shared_telemetry_record::of_node;

use crate::known::{AllKnown, KnownSeries};

/// What is taken of one message, which servers keep below some megabytes.
const LIMITS: Limits = Limits {
    dictionary_entries: 2 * Batch::LARGEST,
    dictionary_bytes: 64 << 20,
    ..Limits::OF_AN_AGENT
};

/// Reads messages.
pub(crate) struct Messages {
    known: AllKnown,
    node_attribute: String,
}

/// Where a message comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) subject: &'a str,
    /// The node that has measured, as the header says it.
    pub(crate) node: Option<&'a str>,
}

impl Messages {
    /// Each series gets this attribute with the name of its node.
    pub(crate) fn new(node_attribute: String) -> Self {
        Self {
            known: AllKnown::default(),
            node_attribute,
        }
    }

    /// Appends the samples of a message.
    ///
    /// # Errors
    /// Why it cannot be read, now or later. Then `into` may have some of its samples.
    pub(crate) fn read(&self, sender: Sender<'_>, message: &[u8], into: &mut Batch) -> Result<(), String> {
        let known = self.known.of(sender.subject, sender.node.unwrap_or_default());
        let mut known = known.lock();
        known.used = Instant::now();
        if is_batch(message) {
            return self.read_batch(&mut known, sender.node, message, into);
        }
        let record = serde_json::from_slice(message);
        let record = record
            .map_err(|error| format!("it is neither a batch nor a telemetry record in JSON: {error}"))?;
        known
            .of_records
            .read(&record, &self.node_attribute, sender.node, into)
    }

    /// Lets go of what is not used any more.
    pub(crate) fn forget_idle(&self) {
        self.known.forget_idle();
    }

    fn read_batch(
        &self,
        known: &mut KnownSeries,
        node: Option<&str>,
        message: &[u8],
        into: &mut Batch,
    ) -> Result<(), String> {
        let message = BatchMessage::read(message).map_err(|error| error.to_string())?;
        let is_new = |(dictionary, _): &(Vec<u8>, Decoder)| *dictionary != message.dictionary;
        if known.dictionary.as_ref().is_none_or(is_new) {
            let mut decoder = Decoder::new(LIMITS);
            let amendment = Amendment {
                attributes: of_node(&self.node_attribute, node),
                is_exclusive: false,
            };
            let defined = decoder.define(&message.definitions(0), into.catalog(), &amendment);
            defined.map_err(|error| format!("its dictionary cannot be read: {error}"))?;
            // The one before goes only now, so that series which are in both stay.
            known.dictionary = Some((message.dictionary.to_vec(), decoder));
        }
        let Some((_, decoder)) = &mut known.dictionary else {
            return Ok(());
        };
        let decoded = decoder.decode(0, message.payload, into);
        decoded.map_err(|error| format!("its samples cannot be read: {error}"))?;
        Ok(())
    }
}
