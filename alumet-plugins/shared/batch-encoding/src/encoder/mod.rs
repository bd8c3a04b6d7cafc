mod dictionary;
mod whole;

use std::sync::Arc;

use alumet_core::spool::Definitions;
use alumet_core::{Batch, Timestamp};

use crate::envelope::Sealer;
use crate::payload::PayloadWriter;

use dictionary::Dictionary;
pub use whole::{WholeDictionary, WholeEncoder};

/// Zstandard level of payloads: the columns are small already, and they are many.
const PAYLOAD_LEVEL: i32 = 1;
/// Zstandard level of definitions, which are texts and rare.
const DEFINITIONS_LEVEL: i32 = 3;

/// Encodes the batches of one catalog, and keeps the dictionary of the present generation.
///
/// Its memory is bounded by the largest number of series that lived at the same time, however many there were.
///
/// ```
/// use alumet_core::{Catalog, Consumer, Resource, Timestamp};
/// use alumet_shared_batch_encoding::{Amendment, Decoder, Encoder, Limits};
///
/// alumet_core::metrics! {
///     LOAD = Gauge<f64> {
///         name: "load",
///         unit: alumet_core::Unit::ONE,
///         description: "Mean number of runnable tasks.",
///         resources: ["local_machine"],
///         consumers: ["local_machine"],
///         attributes: [],
///     };
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let here = Catalog::new();
/// let load = here.series(here.metric(&LOAD)?, Resource::LocalMachine, Consumer::LocalMachine).register();
/// let mut batch = here.batch();
/// batch.push(&load, Timestamp::from_nanos(1), 0.25);
/// let encoded = Encoder::new(1).encode(&batch);
///
/// let there = Catalog::new();
/// let mut decoder = Decoder::new(Limits::default());
/// if let Some(definitions) = &encoded.definitions {
///     decoder.define(definitions, &there, &Amendment::default())?;
/// }
/// let mut copy = there.batch();
/// decoder.decode(encoded.generation, &encoded.payload, &mut copy)?;
/// assert_eq!(copy.bits(), batch.bits());
/// # assert_eq!(all().len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct Encoder {
    dictionary: Dictionary,
    payload: PayloadWriter,
    payload_sealer: Sealer,
    definitions_sealer: Sealer,
}

/// A batch as bytes.
#[derive(Clone)]
pub struct Encoded {
    /// The entries of the dictionary that are new with this batch; to be stored or sent before the payload.
    pub definitions: Option<Definitions>,
    /// The generation of the dictionary that the payload needs.
    pub generation: u32,
    /// How many samples there are.
    pub samples: u32,
    /// The encoded samples.
    pub payload: Arc<[u8]>,
    /// CRC-32 (ISO-HDLC) of the payload.
    pub checksum: u32,
    /// The first and the last timestamp; `None` without samples.
    pub time: Option<(Timestamp, Timestamp)>,
}

impl Encoder {
    /// An encoder with an empty dictionary of this generation.
    ///
    /// Whoever reads may know older generations: a program that starts again begins after the last one it used.
    pub fn new(generation: u32) -> Self {
        Self {
            dictionary: Dictionary::new(generation),
            payload: PayloadWriter::default(),
            payload_sealer: Sealer::new(PAYLOAD_LEVEL),
            definitions_sealer: Sealer::new(DEFINITIONS_LEVEL),
        }
    }

    /// Encodes a batch: its samples, all of which are of the same catalog as those before, and how far its
    /// stream has come.
    ///
    /// Encoders that were given the same batches write the same bytes. The payload needs no other payload to be
    /// decoded, only all definitions of its generation up to its own. A series that its catalog cannot describe,
    /// which no batch has that was filled by the rules, is left out.
    pub fn encode(&mut self, batch: &Batch) -> Encoded {
        let catalog = batch.catalog();
        self.dictionary.begin(catalog);
        self.payload.begin(batch.len());
        let mut searched = false;
        let samples = batch.series().iter().zip(batch.timestamps()).zip(batch.bits());
        for (index, ((&series, &timestamp), &bits)) in samples.enumerate() {
            let mut known = self.dictionary.find(series);
            if known.is_none() && !searched {
                searched = true;
                self.dictionary.add(&batch.series()[index..], catalog);
                known = self.dictionary.find(series);
            }
            if let Some(known) = known {
                self.payload.push(known.number, known.metric, timestamp, bits);
            }
        }
        let parts = self.payload.finish(&self.dictionary.types, batch.progress());
        let payload = self.payload_sealer.seal(&parts);
        let definitions = self.dictionary.take_new(&mut self.definitions_sealer);
        Encoded::of(payload, self.dictionary.generation, definitions, &self.payload)
    }
}

impl Encoded {
    /// A sealed payload with what its writer knows of it.
    fn of(
        payload: Arc<[u8]>,
        generation: u32,
        definitions: Option<Definitions>,
        written: &PayloadWriter,
    ) -> Self {
        Self {
            definitions,
            generation,
            // 2^32 samples do not fit into a machine.
            samples: written.len() as u32,
            checksum: crc32fast::hash(&payload),
            time: written.time(),
            payload,
        }
    }
}
