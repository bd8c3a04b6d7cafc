use std::collections::HashMap;

use alumet_core::catalog::MetricId;
use alumet_core::series::SeriesInfo;
use alumet_core::spool::Definitions;
use alumet_core::{Catalog, SeriesId, SeriesMap, ValueType};

use crate::definition::{put_metric, put_series};
use crate::envelope::Sealer;

/// A dictionary that needs less memory than this where it is read is kept even if all its series are gone.
const MIN_ROLLOVER_BYTES: usize = 4 << 20;

/// The numbers of all metrics and series of the present generation.
#[derive(Default)]
pub(super) struct Dictionary {
    pub(super) generation: u32,
    /// How many entries there are.
    entries: u32,
    /// How much memory they need where they are read.
    bytes: usize,
    series: SeriesMap<Known>,
    /// The type is part of the key, because a metric that its catalog does not know is given any.
    metrics: HashMap<(MetricId, ValueType), Known>,
    /// The type of each metric, by its place among the metrics.
    pub(super) types: Vec<ValueType>,
    /// How many entries came since the last batch, and what they are.
    new: u32,
    new_entries: Vec<u8>,
}

/// An entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Its number.
    pub(super) number: u32,
    /// The place of its metric among the metrics.
    pub(super) metric: u32,
}

impl Dictionary {
    pub(super) fn new(generation: u32) -> Self {
        Self {
            generation,
            ..Self::default()
        }
    }

    /// Begins the next generation if the dictionary is large and most of its series are gone.
    ///
    /// So it has at most twice as many entries as there are live series. At each change no more series are defined
    /// again than were defined since the last one.
    pub(super) fn begin(&mut self, catalog: &Catalog) {
        let live = catalog.live_series() as u64;
        if self.bytes >= MIN_ROLLOVER_BYTES
            && live * 2 < u64::from(self.entries)
            && let Some(next) = self.generation.checked_add(1)
        {
            *self = Self::new(next);
        }
    }

    #[inline]
    pub(super) fn find(&self, series: SeriesId) -> Option<Known> {
        self.series.get(series).copied()
    }

    /// Defines all of `series` that are new, and before them their metrics, so that series that come together have
    /// numbers that follow each other.
    pub(super) fn add(&mut self, series: &[SeriesId], catalog: &Catalog) {
        let is_new = |id: &&SeriesId| self.series.get(**id).is_none();
        let describe = |id: &SeriesId| Some((*id, catalog.describe(*id)?));
        let new: Vec<_> = series.iter().filter(is_new).filter_map(describe).collect();
        for (_, info) in &new {
            self.add_metric(info);
        }
        for (id, info) in new {
            // It may come more than once.
            if self.series.get(id).is_none() {
                let metric = self.add_metric(&info);
                self.bytes += put_series(&mut self.new_entries, metric.number, &info);
                let number = self.next_number();
                let metric = metric.metric;
                self.series.insert(id, Known { number, metric });
            }
        }
    }

    /// What is new since the last call, in an envelope.
    pub(super) fn take_new(&mut self, sealer: &mut Sealer) -> Option<Definitions> {
        let entries = std::mem::take(&mut self.new_entries);
        let count = std::mem::take(&mut self.new);
        (count > 0).then(|| Definitions {
            generation: self.generation,
            first: self.entries - count,
            count,
            payload: sealer.seal(&[&entries]),
        })
    }

    fn add_metric(&mut self, info: &SeriesInfo) -> Known {
        let key = (info.key.metric, info.metric.value_type);
        if let Some(known) = self.metrics.get(&key) {
            return *known;
        }
        self.bytes += put_metric(&mut self.new_entries, &info.metric);
        let known = Known {
            number: self.next_number(),
            // There are fewer metrics than entries.
            metric: self.types.len() as u32,
        };
        self.types.push(info.metric.value_type);
        self.metrics.insert(key, known);
        known
    }

    fn next_number(&mut self) -> u32 {
        let number = self.entries;
        self.new += 1;
        // Two entries for each live series at most: 2^32 of them do not fit into a machine.
        self.entries += 1;
        number
    }
}
