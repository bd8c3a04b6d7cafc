//! The newest instants of each graphics processor, for whoever keeps only so many of each.

use std::collections::BTreeSet;

use alumet_core::Resource;
use alumet_core::attributes::Attributes;
use hashbrown::{HashMap, HashSet};

/// The graphics processors of which something was measured or asked.
#[derive(Debug)]
pub(crate) struct Entries {
    /// How many instants are kept of each.
    most: usize,
    places: HashMap<Gpu, u32>,
    gpus: Vec<Newest>,
    free: Vec<u32>,
}

/// A graphics processor: its address, and the node that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Gpu {
    pub(crate) bus_id: String,
    pub(crate) node: String,
}

#[derive(Debug, Default)]
struct Newest {
    instants: BTreeSet<i64>,
    /// Whether those are among them that were in the file before.
    is_complete: bool,
}

/// The attribute that a relay server adds.
pub(crate) const NODE: &str = "node";

impl Gpu {
    /// The graphics processor that a series is about.
    pub(crate) fn of(resource: &Resource, attributes: &Attributes) -> Option<Self> {
        let Resource::Gpu { bus_id } = resource else {
            return None;
        };
        Some(Self {
            bus_id: bus_id.to_string(),
            node: attributes.get(NODE).map(ToString::to_string).unwrap_or_default(),
        })
    }
}

impl Entries {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            places: HashMap::new(),
            gpus: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Where a graphics processor is, until those are kept that are used.
    pub(crate) fn place(&mut self, gpu: Gpu) -> u32 {
        let (gpus, free) = (&mut self.gpus, &mut self.free);
        *self.places.entry(gpu).or_insert_with(|| {
            free.pop().unwrap_or_else(|| {
                gpus.push(Newest::default());
                (gpus.len() - 1) as u32
            })
        })
    }

    /// Forgets those in other places; what is in the file of them is known again when it is asked for.
    pub(crate) fn keep(&mut self, used: &HashSet<u32>) {
        for (_, place) in self.places.extract_if(|_, place| !used.contains(place)) {
            self.gpus[place as usize] = Newest::default();
            self.free.push(place);
        }
    }

    /// Something was measured of it.
    pub(crate) fn add(&mut self, place: u32, at: i64) {
        let instants = &mut self.gpus[place as usize].instants;
        if instants.last() != Some(&at) && instants.insert(at) && instants.len() > self.most {
            instants.pop_first();
        }
    }

    /// These are the newest that were in the file.
    pub(crate) fn complete(&mut self, place: u32, instants: impl IntoIterator<Item = i64>) {
        instants.into_iter().for_each(|at| self.add(place, at));
        self.gpus[place as usize].is_complete = true;
    }

    /// From when on samples are kept; nothing if it must be completed before that is known.
    pub(crate) fn oldest(&self, place: u32) -> Option<i64> {
        let newest = &self.gpus[place as usize];
        let is_full = newest.instants.len() == self.most;
        newest.is_complete.then(|| match newest.instants.first() {
            Some(first) if is_full => *first,
            _ => i64::MIN,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_the_newest_instants_are_kept() {
        let mut entries = Entries::new(3);
        let gpu = |node: &str| Gpu {
            bus_id: "0".to_owned(),
            node: node.to_owned(),
        };
        let (one, other) = (entries.place(gpu("a")), entries.place(gpu("b")));
        assert_eq!(entries.place(gpu("a")), one);
        [5, 7, 7, 1].into_iter().for_each(|at| entries.add(one, at));
        assert_eq!(entries.oldest(one), None);
        entries.complete(one, [6, 2]);
        entries.complete(other, [4]);
        assert_eq!(
            (entries.oldest(one), entries.oldest(other)),
            (Some(5), Some(i64::MIN))
        );
        entries.keep(&[one].into());
        assert_eq!((entries.place(gpu("c")), entries.oldest(other)), (other, None));
        assert_eq!(entries.oldest(one), Some(5));
    }
}
