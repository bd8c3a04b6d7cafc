use alumet_core::catalog::MetricId;
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::spool::Definitions;
use alumet_core::{Catalog, ValueType};

use crate::amendment::Amendment;
use crate::definition::{Entry, EntryReader};
use crate::error::DecodeError;

/// The dictionary of one generation.
#[derive(Default)]
pub(crate) struct Generation {
    entries: Vec<Known>,
    metrics: Vec<MetricId>,
    /// The type of each metric.
    pub(crate) types: Vec<ValueType>,
    /// How many bytes all its definitions had together.
    pub(super) bytes: usize,
}

struct Known {
    /// `None` for a metric.
    series: Option<SeriesHandle>,
    /// The place of its metric in `metrics`.
    metric: u32,
}

/// Reads those entries of `definitions` that are not known.
pub(super) fn parse(
    body: &[u8],
    definitions: &Definitions,
    known: Option<&Generation>,
) -> Result<Vec<Entry>, DecodeError> {
    let defined = known.map_or(0, Generation::len);
    let mut reader = EntryReader::new(body);
    let mut new: Vec<Entry> = Vec::new();
    for index in 0..definitions.count {
        let entry = reader.entry()?;
        // The caller has made sure that the sum is within the limit.
        let number = definitions.first + index;
        if number < defined {
            continue;
        }
        if let Entry::Series(series) = &entry {
            let is_metric = match series.metric.checked_sub(defined) {
                Some(place) => matches!(new.get(place as usize), Some(Entry::Metric(_))),
                None => known.is_some_and(|known| known.is_metric(series.metric)),
            };
            if !is_metric {
                return Err(DecodeError::wrong_entry(series.metric, "metric"));
            }
        }
        new.push(entry);
    }
    reader.finish()?;
    Ok(new)
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

    /// Appends entries that were parsed for this generation; with them its definitions have that many bytes.
    pub(super) fn register(
        &mut self,
        new: Vec<Entry>,
        bytes: usize,
        catalog: &Catalog,
        amendment: &Amendment,
    ) {
        self.bytes = bytes;
        self.entries.reserve(new.len());
        let mut last_attributes = None;
        for entry in new {
            let known = match entry {
                Entry::Metric(metric) => {
                    let place = self.metrics.len() as u32;
                    self.types.push(metric.value_type);
                    let id = catalog.register_metric_or_rename(metric, &amendment.metric_suffix);
                    self.metrics.push(id);
                    Known {
                        series: None,
                        metric: place,
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
                        metric: self.metrics[metric as usize],
                        resource: series.resource,
                        consumer: series.consumer,
                        attributes,
                    };
                    Known {
                        series: Some(catalog.register(key)),
                        metric,
                    }
                }
            };
            self.entries.push(known);
        }
    }

    fn is_metric(&self, number: u32) -> bool {
        self.entries
            .get(number as usize)
            .is_some_and(|entry| entry.series.is_none())
    }
}
