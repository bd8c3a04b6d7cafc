mod generation;
mod limits;
mod scratch;

use std::collections::{BTreeMap, HashSet};

use alumet_core::spool::Definitions;
use alumet_core::time::Moment;
use alumet_core::{Batch, Catalog};

use crate::amendment::Amendment;
use crate::definition::Entry;
use crate::error::DecodeError;

pub(crate) use generation::Generation;
pub use limits::Limits;
use scratch::Scratch;

/// Decodes payloads of the generations whose definitions it was given.
///
/// It trusts no length and no number that it reads.
pub struct Decoder {
    limits: Limits,
    generations: BTreeMap<u32, Generation>,
    /// The keys of all attributes that ever came.
    attribute_keys: HashSet<String>,
}

/// What a payload says besides its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// How far the stream has come, if it says that.
    pub watermark: Option<Watermark>,
    /// How many bytes the samples have as text, each with all that is known of its series, but for times and values.
    pub text_bytes: u64,
}

/// How far the stream of a batch has come.
///
/// Whoever decodes gives each stream of each sender a [`StreamId`](alumet_core::progress::StreamId) of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// The number of the stream where it is made.
    pub stream: u32,
    /// Until when the stream is complete, on the clocks of the node where it is made.
    pub until: Moment,
}

impl Decoder {
    /// A decoder that knows no definitions yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            generations: BTreeMap::new(),
            attribute_keys: HashSet::new(),
        }
    }

    /// How many entries are known, of all generations together.
    pub fn entries(&self) -> usize {
        self.generations.values().map(|known| known.len() as usize).sum()
    }

    /// How many entries of the generation are known: the number of the first one to ask for.
    pub fn defined(&self, generation: u32) -> u32 {
        self.generations.get(&generation).map_or(0, Generation::len)
    }

    /// Takes entries of a dictionary; those that are known already are skipped.
    ///
    /// Their metrics and series are registered in `catalog`, as `amendment` says, and stay so until the generation is
    /// forgotten. The first entries of one generation too many let the oldest other one be forgotten, also if they are refused.
    ///
    /// # Errors
    /// When entries in between are missing, when there are more than the limits allow, when a series is refused by the
    /// amendment, and when they are damaged. Then nothing of them is taken.
    pub fn define(
        &mut self,
        definitions: &Definitions,
        catalog: &Catalog,
        amendment: &Amendment,
    ) -> Result<(), DecodeError> {
        let defined = self.defined(definitions.generation);
        if definitions.first > defined {
            return Err(DecodeError::Unknown(format!(
                "the definitions begin at {}, but the next one is {defined}; send those in between first",
                definitions.first
            )));
        }
        let end = u64::from(definitions.first) + u64::from(definitions.count);
        if end <= u64::from(defined) {
            return Ok(());
        }
        self.make_room(definitions.generation);
        // What others have is not for this one.
        let mut limits = self.limits;
        limits.dictionary_entries = limits.dictionary_entries.min(u32::MAX as usize);
        for (_, other) in self
            .generations
            .iter()
            .filter(|(number, _)| **number != definitions.generation)
        {
            other.take_from(&mut limits);
        }
        DecodeError::within("entries of the dictionary", end, limits.dictionary_entries)?;

        let known = self.generations.get(&definitions.generation);
        let new = Scratch::with(|scratch| {
            let body = scratch
                .opener
                .open(&definitions.payload, limits.definitions_bytes)?;
            generation::parse(body, definitions, known, limits)
        })?;
        let mut keys: HashSet<&str> = HashSet::new();
        for (entry, _) in &new.entries {
            if let Entry::Series(series) = entry {
                amendment.check(&series.attributes)?;
                let came = series.attributes.iter().map(|(key, _)| &**key);
                keys.extend(came.filter(|key| !self.attribute_keys.contains(*key)));
            }
        }
        let count = self.attribute_keys.len() + keys.len();
        DecodeError::within(
            "different keys of attributes",
            count as u64,
            limits.attribute_keys,
        )?;
        self.attribute_keys.extend(keys.into_iter().map(str::to_owned));

        let generation = self.generations.entry(definitions.generation).or_default();
        generation.register(new, catalog, amendment);
        Ok(())
    }

    /// Appends the samples of a payload to `into`, which is of the catalog in which they were defined. The progress of `into`
    /// stays as it is.
    ///
    /// # Errors
    /// When a series is not defined, when there is more than the limits allow, and when the payload is damaged.
    /// Then `into` is as it was.
    pub fn decode(
        &mut self,
        generation: u32,
        payload: &[u8],
        into: &mut Batch,
    ) -> Result<Decoded, DecodeError> {
        /// More than the columns need for one sample, and for a batch without any.
        const BYTES: (usize, usize) = (64, 1024);
        let nothing = Generation::default();
        let generation = self.generations.get(&generation).unwrap_or(&nothing);
        Scratch::with(|Scratch { opener, reader }| {
            let limit = self.limits.samples_per_batch.saturating_mul(BYTES.0) + BYTES.1;
            let body = opener.open(payload, limit)?;
            let decoded = reader.read(body, self.limits, generation)?;
            into.reserve(reader.len());
            for (number, timestamp, bits) in reader.samples() {
                // The reader has looked up every number.
                if let Some(series) = generation.series(number) {
                    into.push_bits(series, timestamp, bits);
                }
            }
            Ok(decoded)
        })
    }

    /// Forgets all generations before `generation`, so that their series can retire.
    pub fn forget_before(&mut self, generation: u32) {
        self.generations = self.generations.split_off(&generation);
    }

    /// Forgets the oldest generations until there may be this one.
    fn make_room(&mut self, newest: u32) {
        let is_new = !self.generations.contains_key(&newest);
        while self.generations.len() + usize::from(is_new) > self.limits.generations.max(1) {
            let oldest = self.generations.keys().find(|number| **number != newest).copied();
            let Some(oldest) = oldest else { return };
            self.generations.remove(&oldest);
        }
    }
}
