use super::SeriesId;

/// A dense table from series to something computed once per series: a line prefix, a wire id, a verdict.
///
/// A look-up costs an array access. The entry of a retired series is replaced when its slot serves another series, so
/// the table never outgrows the largest number of series that lived at the same time.
#[derive(Debug, Clone)]
pub struct SeriesMap<T> {
    entries: Vec<Option<Entry<T>>>,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    series: SeriesId,
    value: T,
}

impl<T> SeriesMap<T> {
    /// An empty table.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// What is stored for `series`.
    pub fn get(&self, series: SeriesId) -> Option<&T> {
        match self.entries.get(series.slot()) {
            Some(Some(entry)) if entry.series == series => Some(&entry.value),
            _ => None,
        }
    }

    /// What is stored for `series`, to be changed.
    pub fn get_mut(&mut self, series: SeriesId) -> Option<&mut T> {
        match self.entries.get_mut(series.slot()) {
            Some(Some(entry)) if entry.series == series => Some(&mut entry.value),
            _ => None,
        }
    }

    /// Stores `value` for `series` and gives back what was stored for the same series.
    pub fn insert(&mut self, series: SeriesId, value: T) -> Option<T> {
        let previous = self.slot(series).replace(Entry { series, value });
        previous
            .filter(|entry| entry.series == series)
            .map(|entry| entry.value)
    }

    /// What is stored for `series`; computed by `make` at first sight.
    pub fn get_or_insert_with(&mut self, series: SeriesId, make: impl FnOnce() -> T) -> &mut T {
        match self.get_or_try_insert_with(series, || Ok::<T, std::convert::Infallible>(make())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// What is stored for `series`; computed by `make` at first sight.
    ///
    /// # Errors
    /// The error of `make`; then nothing is stored.
    pub fn get_or_try_insert_with<E>(
        &mut self,
        series: SeriesId,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<&mut T, E> {
        let slot = self.slot(series);
        if slot.as_ref().is_none_or(|entry| entry.series != series) {
            *slot = None;
            let value = make()?;
            return Ok(&mut slot.insert(Entry { series, value }).value);
        }
        match slot {
            Some(entry) => Ok(&mut entry.value),
            None => unreachable!("the slot was just seen to hold the series"),
        }
    }

    /// Forgets `series` and gives back what was stored for it.
    pub fn remove(&mut self, series: SeriesId) -> Option<T> {
        let slot = self.entries.get_mut(series.slot())?;
        slot.take_if(|entry| entry.series == series)
            .map(|entry| entry.value)
    }

    /// Keeps only the series for which `keep` says so, such as those that are still live in the catalog.
    pub fn retain(&mut self, mut keep: impl FnMut(SeriesId, &mut T) -> bool) {
        for slot in &mut self.entries {
            if let Some(entry) = slot
                && !keep(entry.series, &mut entry.value)
            {
                *slot = None;
            }
        }
    }

    /// All series that are stored, in no useful order.
    pub fn iter(&self) -> impl Iterator<Item = (SeriesId, &T)> {
        self.entries
            .iter()
            .flatten()
            .map(|entry| (entry.series, &entry.value))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    fn slot(&mut self, series: SeriesId) -> &mut Option<Entry<T>> {
        let index = series.slot();
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, || None);
        }
        &mut self.entries[index]
    }
}

impl<T> Default for SeriesMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::ValueType;

    fn id(slot: u32, generation: u32) -> SeriesId {
        SeriesId::new(slot, generation, ValueType::U64)
    }

    #[test]
    fn a_series_is_computed_once() {
        let mut map = SeriesMap::new();
        assert_eq!(*map.get_or_insert_with(id(3, 0), || 1), 1);
        assert_eq!(*map.get_or_insert_with(id(3, 0), || 2), 1);
        assert_eq!(map.get(id(2, 0)), None);
    }

    #[test]
    fn a_reused_slot_does_not_show_the_old_series() {
        let mut map = SeriesMap::new();
        map.insert(id(0, 1), "old");
        assert_eq!(map.get(id(0, 2)), None);
        assert_eq!(map.insert(id(0, 2), "new"), None);
        assert_eq!(map.get(id(0, 1)), None);
        assert_eq!(map.remove(id(0, 1)), None);
        assert_eq!(map.remove(id(0, 2)), Some("new"));
    }

    #[test]
    fn a_failed_computation_stores_nothing() {
        let mut map = SeriesMap::<u8>::new();
        assert_eq!(map.get_or_try_insert_with(id(0, 0), || Err("no")), Err("no"));
        assert_eq!(map.iter().count(), 0);
    }

    #[test]
    fn what_is_stored_can_be_read_changed_and_forgotten() {
        let mut map = SeriesMap::new();
        assert_eq!(map.insert(id(5, 0), 50), None);
        // A lower slot must not cost the higher one its place.
        assert_eq!(map.insert(id(1, 3), 10), None);
        assert_eq!(map.insert(id(1, 3), 11), Some(10));
        assert_eq!((map.get(id(5, 0)), map.get(id(1, 3))), (Some(&50), Some(&11)));
        *map.get_mut(id(5, 0)).unwrap() += 1;
        assert_eq!(map.get_mut(id(5, 1)), None, "another generation");
        assert_eq!(map.get_mut(id(9, 0)), None, "a slot that was never used");
        let all: Vec<_> = map.iter().map(|(series, value)| (series, *value)).collect();
        assert_eq!(all, [(id(1, 3), 11), (id(5, 0), 51)]);
        map.retain(|series, value| {
            *value += 1;
            series == id(5, 0)
        });
        assert_eq!((map.get(id(5, 0)), map.get(id(1, 3))), (Some(&52), None));
        map.clear();
        assert_eq!(map.iter().count(), 0);
    }

    #[test]
    fn a_failed_computation_forgets_the_series_that_had_the_slot_before() {
        let mut map = SeriesMap::new();
        map.insert(id(0, 1), "old");
        assert_eq!(map.get_or_try_insert_with(id(0, 2), || Err("no")), Err("no"));
        assert_eq!((map.get(id(0, 1)), map.get(id(0, 2))), (None, None));
    }
}
