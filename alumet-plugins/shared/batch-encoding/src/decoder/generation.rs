use std::sync::Arc;

use alumet_core::catalog::MetricId;
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::spool::Definitions;
use alumet_core::{Catalog, Metric, ValueType};

use super::Limits;
use crate::amendment::Amendment;
use crate::column::runs::Run;
use crate::definition::{Entry, EntryReader, memory_of, metric_as_text, numbers_as_text};
use crate::error::DecodeError;

/// The dictionary of one generation.
#[derive(Default)]
pub(crate) struct Generation {
    entries: Vec<Known>,
    /// Held, so that the catalog does not forget them.
    metrics: Vec<(MetricId, Arc<Metric>)>,
    /// The type of each metric.
    pub(crate) types: Vec<ValueType>,
    /// How much memory it needs.
    bytes: usize,
}

struct Known {
    /// `None` for a metric.
    series: Option<SeriesHandle>,
    /// The place of its metric in `metrics`.
    metric: u32,
    /// How many bytes this series and all before it have as text.
    text_until: u64,
}

/// What was read and fits.
pub(super) struct Parsed {
    /// The entries that were not known, each with the bytes that it has as text.
    pub(super) entries: Vec<(Entry, usize)>,
    /// How much memory these need.
    bytes: usize,
}

/// Reads those entries of `definitions` that are not known, while they are within the limits.
pub(super) fn parse(
    body: &[u8],
    definitions: &Definitions,
    known: Option<&Generation>,
    limits: Limits,
) -> Result<Parsed, DecodeError> {
    let defined = known.map_or(0, Generation::len);
    let mut bytes = known.map_or(0, |known| known.bytes);
    let mut metrics = known.map_or(0, |known| known.metrics.len());
    let mut reader = EntryReader::new(body, limits);
    let mut new: Vec<(Entry, usize)> = Vec::new();
    for index in 0..definitions.count {
        let (entry, length) = reader.entry()?;
        // The caller has made sure that the sum is within the limit.
        let number = definitions.first + index;
        if number < defined {
            continue;
        }
        let (text, attributes) = match &entry {
            Entry::Metric(metric) => {
                metrics += 1;
                DecodeError::within("metrics", metrics as u64, limits.metrics)?;
                DecodeError::within("bytes of a metric", length as u64, limits.entry_bytes)?;
                (metric_as_text(metric), 0)
            }
            Entry::Series(series) => {
                let of_metric = match series.metric.checked_sub(defined) {
                    Some(place) => new.get(place as usize).and_then(|(entry, text)| match entry {
                        Entry::Metric(_) => Some(*text),
                        Entry::Series(_) => None,
                    }),
                    None => known.and_then(|known| known.metric_text(series.metric)),
                };
                let Some(of_metric) = of_metric else {
                    return Err(DecodeError::wrong_entry(series.metric, "metric"));
                };
                let text = length + of_metric + numbers_as_text(&series.attributes);
                DecodeError::within("bytes of a series", text as u64, limits.entry_bytes)?;
                (text, series.attributes.len())
            }
        };
        bytes = bytes.saturating_add(memory_of(length.max(text), attributes));
        DecodeError::within("bytes of the dictionary", bytes as u64, limits.dictionary_bytes)?;
        new.push((entry, text));
    }
    reader.finish()?;
    Ok(Parsed { entries: new, bytes })
}

impl Generation {
    /// How many entries there are.
    pub(crate) const fn len(&self) -> u32 {
        // The limit of the decoder is below that of the type.
        self.entries.len() as u32
    }

    /// The place of the metric of the series with that number; `None` if the entry is no series.
    #[inline]
    pub(crate) fn metric_of(&self, number: u32) -> Option<u32> {
        let entry = self.entries.get(number as usize)?;
        entry.series.as_ref().map(|_| entry.metric)
    }

    /// The series with that number.
    #[inline]
    pub(super) fn series(&self, number: u32) -> Option<&SeriesHandle> {
        self.entries.get(number as usize)?.series.as_ref()
    }

    /// How many bytes the samples of a run have as text, but for their times and values.
    #[inline]
    pub(crate) fn text_of(&self, run: Run) -> u64 {
        let until = |number: u32| {
            self.entries
                .get(number as usize)
                .map_or(0, |entry| entry.text_until)
        };
        let until_before = |number: u32| number.checked_sub(1).map_or(0, until);
        if run.step == 0 {
            (until(run.first) - until_before(run.first)).saturating_mul(run.count.into())
        } else {
            until(run.first + (run.count - 1)) - until_before(run.first)
        }
    }

    /// Lowers the limits of all generations by what this one needs.
    pub(super) fn take_from(&self, limits: &mut Limits) {
        limits.dictionary_entries = limits.dictionary_entries.saturating_sub(self.entries.len());
        limits.dictionary_bytes = limits.dictionary_bytes.saturating_sub(self.bytes);
        limits.metrics = limits.metrics.saturating_sub(self.metrics.len());
    }

    /// How many bytes a metric has as text; `None` if the entry is none.
    fn metric_text(&self, number: u32) -> Option<usize> {
        let entry = self.entries.get(number as usize)?;
        let (_, metric) = self.metrics.get(entry.metric as usize)?;
        entry.series.is_none().then(|| metric_as_text(metric))
    }

    /// Appends entries that were parsed for this generation.
    pub(super) fn register(&mut self, new: Parsed, catalog: &Catalog, amendment: &Amendment) {
        self.bytes = new.bytes;
        self.entries.reserve(new.entries.len());
        let mut last_attributes = None;
        let mut text_until = self.entries.last().map_or(0, |last| last.text_until);
        for (entry, text) in new.entries {
            let known = match entry {
                Entry::Metric(metric) => {
                    let place = self.metrics.len() as u32;
                    self.types.push(metric.value_type);
                    self.metrics.push(catalog.admit_metric(metric));
                    Known {
                        series: None,
                        metric: place,
                        text_until,
                    }
                }
                Entry::Series(series) => {
                    // The parser has made sure that it is there.
                    let Some(&Known { metric, .. }) = self.entries.get(series.metric as usize) else {
                        continue;
                    };
                    // Neighbours with the same attributes share them before and after.
                    let attributes = match &last_attributes {
                        Some((before, after)) if *before == series.attributes => Clone::clone(after),
                        _ => amendment.apply(series.attributes.clone()),
                    };
                    last_attributes = Some((series.attributes, attributes.clone()));
                    let key = SeriesKey {
                        metric: self.metrics[metric as usize].0,
                        resource: series.resource,
                        consumer: series.consumer,
                        attributes,
                    };
                    text_until += text as u64;
                    Known {
                        series: Some(catalog.register(key)),
                        metric,
                        text_until,
                    }
                }
            };
            self.entries.push(known);
        }
    }
}
