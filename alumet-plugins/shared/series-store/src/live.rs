//! The series that come now: their numbers, and their last samples.

use alumet_core::catalog::Catalog;
use alumet_core::series::{SeriesId, SeriesMap};
use alumet_core::value::ValueType;
use hashbrown::HashMap;

/// The series that come now. Each costs about 80 bytes.
#[derive(Debug, Default)]
pub(crate) struct Live {
    places: SeriesMap<u32>,
    known: Vec<Known>,
    free: Vec<u32>,
    by_number: HashMap<u64, u32>,
}

/// A series that comes now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) key: Key,
    /// The first and the last instant that is stored or waits for it.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// The value at the last instant.
    pub(crate) bits: u64,
    /// Whether it is; otherwise nothing is later than `last`.
    pub(crate) is_known: bool,
    /// Whether a lower first instant is to be written.
    pub(crate) is_lowered: bool,
    /// The graphics processor that it is about, if it matters.
    pub(crate) gpu: Option<u32>,
}

/// The number of a series in the file, and the type of its values; they sort by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) const fn new(number: u64, value_type: ValueType) -> Self {
        Self(number << 2 | value_type as u64)
    }

    pub(crate) const fn number(self) -> u64 {
        self.0 >> 2
    }

    pub(crate) const fn value_type(self) -> ValueType {
        match self.0 & 0b11 {
            0 => ValueType::U64,
            1 => ValueType::I64,
            _ => ValueType::F64,
        }
    }
}

impl Live {
    /// Where a series of the catalog is.
    #[inline]
    pub(crate) fn place(&self, series: SeriesId) -> Option<u32> {
        self.places.get(series).copied()
    }

    #[inline]
    pub(crate) fn at(&mut self, place: u32) -> &mut Known {
        &mut self.known[place as usize]
    }

    /// From now on, a series of the catalog is this one.
    pub(crate) fn insert(&mut self, series: SeriesId, known: Known) -> u32 {
        let number = known.key.number();
        let place = match (self.by_number.get(&number), self.free.last()) {
            (Some(place), _) => *place,
            (None, Some(place)) => {
                let place = *place;
                self.free.pop();
                self.known[place as usize] = known;
                place
            }
            (None, None) => {
                self.known.push(known);
                // A catalog has fewer series than that.
                (self.known.len() - 1) as u32
            }
        };
        self.by_number.insert(number, place);
        self.places.insert(series, place);
        place
    }

    pub(crate) fn get(&self, place: u32) -> Option<&Known> {
        self.known.get(place as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The series with that number in the file, if it comes now.
    pub(crate) fn find(&self, number: u64) -> Option<&Known> {
        let place = *self.by_number.get(&number)?;
        self.known.get(place as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Known> {
        self.by_number.values().map(|place| &self.known[*place as usize])
    }

    /// The series that have retired from the catalog; they are known until they are forgotten.
    pub(crate) fn retired(&mut self, catalog: &Catalog) -> Vec<Known> {
        let mut is_used = vec![false; self.known.len()];
        self.places.retain(|series, place| {
            let is_live = catalog.is_live(series);
            is_used[*place as usize] |= is_live;
            is_live
        });
        let places = self.by_number.values().map(|place| *place as usize);
        places
            .filter(|place| !is_used[*place])
            .map(|place| self.known[place])
            .collect()
    }

    /// Forgets series that have retired.
    pub(crate) fn forget(&mut self, retired: &[Known]) {
        let places = retired
            .iter()
            .filter_map(|known| self.by_number.remove(&known.key.number()));
        self.free.extend(places);
    }
}
