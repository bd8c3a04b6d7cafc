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
    /// The names of all metrics that ever came, as the sender calls them.
    metric_names: HashSet<String>,
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
            metric_names: HashSet::new(),
        }
    }

    /// How many entries of the generation are known: the number of the first one to ask for.
    pub fn defined(&self, generation: u32) -> u32 {
        self.generations.get(&generation).map_or(0, Generation::len)
    }

    /// Takes entries of a dictionary; those that are known already are skipped.
    ///
    /// Their metrics and series are registered in `catalog`, as `amendment` says, and stay so until the generation is
    /// forgotten. The first entries of one generation too many let the oldest other one be forgotten.
    ///
    /// # Errors
    /// When entries in between are missing, when there are more than the limits allow, when a series is refused by the amendment, and
    /// when they are damaged.
    /// Then nothing of them is taken.
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
        let entries = self.limits.dictionary_entries.min(u32::MAX as usize);
        DecodeError::within("entries of the dictionary", end, entries)?;

        let known = self.generations.get(&definitions.generation);
        let mut bytes = known.map_or(0, |known| known.bytes);
        let new = Scratch::with(|scratch| {
            let body = scratch
                .opener
                .open(&definitions.payload, self.limits.payload_bytes)?;
            bytes = bytes.saturating_add(body.len());
            DecodeError::within(
                "bytes of the dictionary",
                bytes as u64,
                self.limits.dictionary_bytes,
            )?;
            generation::parse(body, definitions, known)
        })?;
        let mut names = HashSet::new();
        for entry in &new {
            match entry {
                Entry::Series(series) => amendment.check(&series.attributes)?,
                Entry::Metric(metric) => {
                    names.insert(metric.name.to_string());
                }
            }
        }
        names.retain(|name| !self.metric_names.contains(name));
        let metrics = self.metric_names.len() + names.len();
        DecodeError::within("metrics", metrics as u64, self.limits.metrics)?;
        self.metric_names.extend(names);

        let generation = self.generations.entry(definitions.generation).or_default();
        generation.register(new, bytes, catalog, amendment);
        self.keep_within_limit(definitions.generation);
        Ok(())
    }

    /// Appends the samples of a payload to `into`, which is of the catalog in which they were defined, and says how far their
    /// stream has come, if the payload does. The progress of `into` stays as it is.
    ///
    /// # Errors
    /// When a series is not defined, when there is more than the limits allow, and when the payload is damaged.
    /// Then `into` is as it was.
    pub fn decode(
        &mut self,
        generation: u32,
        payload: &[u8],
        into: &mut Batch,
    ) -> Result<Option<Watermark>, DecodeError> {
        let nothing = Generation::default();
        let generation = self.generations.get(&generation).unwrap_or(&nothing);
        Scratch::with(|Scratch { opener, reader }| {
            let body = opener.open(payload, self.limits.payload_bytes)?;
            let watermark = reader.read(body, self.limits.samples_per_batch, generation)?;
            into.reserve(reader.len());
            for (number, timestamp, bits) in reader.samples() {
                // The reader has looked up every number.
                if let Some(series) = generation.series(number) {
                    into.push_bits(series, timestamp, bits);
                }
            }
            Ok(watermark)
        })
    }

    /// Forgets all generations before `generation`, so that their series can retire.
    pub fn forget_before(&mut self, generation: u32) {
        self.generations = self.generations.split_off(&generation);
    }

    fn keep_within_limit(&mut self, newest: u32) {
        while self.generations.len() > self.limits.generations.max(1) {
            let oldest = self.generations.keys().find(|number| **number != newest).copied();
            let Some(oldest) = oldest else { return };
            self.generations.remove(&oldest);
        }
    }
}
