//! Batches that come with all definitions they need.

use alumet_core::spool::Definitions;
use alumet_core::{Batch, SeriesId, SeriesMap, ValueType};

use super::dictionary::{Dictionary, Known};
use super::{DEFINITIONS_LEVEL, Encoded, PAYLOAD_LEVEL};
use crate::envelope::Sealer;
use crate::payload::PayloadWriter;

/// Encodes batches of one catalog so that each can be read without any other: all definitions that it needs come with it.
///
/// ```
/// use alumet_core::Catalog;
/// use alumet_shared_batch_encoding::{WholeDictionary, WholeEncoder};
///
/// let batch = Catalog::new().batch();
/// let (mut encoder, mut dictionary) = (WholeEncoder::new(), WholeDictionary::default());
/// let first = encoder.encode(&batch, &mut dictionary);
/// let second = encoder.encode(&batch, &mut dictionary);
/// assert_eq!(first.payload, second.payload);
/// ```
pub struct WholeEncoder {
    /// What each series was in the last batch that had it, and the number of that batch.
    series: SeriesMap<(u64, Known)>,
    batch: u64,
    payload: PayloadWriter,
    payload_sealer: Sealer,
    definitions_sealer: Sealer,
}

/// The definitions of a batch, for the next one: if that has the same series, they are the same. Batches that tend to have the same
/// series share one.
#[derive(Default)]
pub struct WholeDictionary {
    /// In the order in which the batch has them.
    series: Vec<(SeriesId, Known)>,
    types: Vec<ValueType>,
    definitions: Option<Definitions>,
}

impl WholeEncoder {
    /// An encoder.
    pub fn new() -> Self {
        Self {
            series: SeriesMap::new(),
            batch: 0,
            payload: PayloadWriter::default(),
            payload_sealer: Sealer::new(PAYLOAD_LEVEL),
            definitions_sealer: Sealer::new(DEFINITIONS_LEVEL),
        }
    }

    /// Encodes a batch, as [`Encoder`](super::Encoder) does its first one; the generation is 0. The bytes do not depend on what
    /// `dictionary` held before.
    pub fn encode(&mut self, batch: &Batch, dictionary: &mut WholeDictionary) -> Encoded {
        if !self.has_series_of(batch, dictionary) {
            *dictionary = self.define(batch);
        }
        self.payload.begin(batch.len());
        let samples = batch.series().iter().zip(batch.timestamps()).zip(batch.bits());
        for ((&series, &timestamp), &bits) in samples {
            // A series that its catalog cannot describe is left out.
            if let Some((of, known)) = self.series.get(series)
                && *of == self.batch
            {
                self.payload.push(known.number, known.metric, timestamp, bits);
            }
        }
        let parts = self.payload.finish(&dictionary.types, batch.progress());
        let payload = self.payload_sealer.seal(&parts);
        Encoded::of(payload, 0, dictionary.definitions.clone(), &self.payload)
    }

    /// Whether a batch has the series of a dictionary, and no others, in that order; then they are those of the present batch.
    fn has_series_of(&mut self, batch: &Batch, dictionary: &WholeDictionary) -> bool {
        self.batch += 1;
        let mut expected = dictionary.series.iter();
        for &series in batch.series() {
            if self.series.get(series).is_some_and(|(of, _)| *of == self.batch) {
                continue;
            }
            match expected.next() {
                Some((next, known)) if *next == series => {
                    self.series.insert(series, (self.batch, *known));
                }
                _ => return false,
            }
        }
        expected.next().is_none()
    }

    /// The dictionary of a batch, whose series are those of the present batch then.
    fn define(&mut self, batch: &Batch) -> WholeDictionary {
        self.batch += 1;
        let mut defined = Dictionary::new(0);
        defined.add(batch.series(), batch.catalog());
        let mut dictionary = WholeDictionary::default();
        for &series in batch.series() {
            let is_known = self.series.get(series).is_some_and(|(of, _)| *of == self.batch);
            if let Some(known) = defined.find(series).filter(|_| !is_known) {
                self.series.insert(series, (self.batch, known));
                dictionary.series.push((series, known));
            }
        }
        dictionary.definitions = defined.take_new(&mut self.definitions_sealer);
        dictionary.types = defined.types;
        dictionary
    }
}

impl Default for WholeEncoder {
    fn default() -> Self {
        Self::new()
    }
}
