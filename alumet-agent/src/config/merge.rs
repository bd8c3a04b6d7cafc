//! Several trees into one: tables are joined key by key, of everything else the later one wins.
//!
//! Merging is associative: it does not matter in which groups the sources are taken, only in which order. For that a
//! table that took the place of a plain value remembers that it hides earlier tables as well.
//!
//! A key keeps the position at which it was given first. What only the built-in default gave comes after what the
//! user gave, so that the order of the sections is the order in the user's files.

use super::tree::{Entry, Node, Table, Value};

impl Table {
    /// Lays `over` on top of this table.
    pub(super) fn merge(&mut self, over: Self) {
        if over.replaces {
            *self = over;
            return;
        }
        let reorder = |entry: &Entry, other: &Entry| entry.key.is_default() != other.key.is_default();
        let keeps_order = self.entries.values().all(|entry| !entry.key.is_default())
            || over.entries.iter().all(|(key, entry)| {
                self.entries
                    .get(key)
                    .map_or(entry.key.is_default(), |below| !reorder(below, entry))
            });
        if keeps_order {
            self.merge_in_place(over);
        } else {
            self.merge_reordered(over);
        }
    }

    fn merge_in_place(&mut self, over: Self) {
        for (key, entry) in over.entries {
            match self.entries.get_mut(&key) {
                Some(below) => below.merge(entry),
                None => {
                    self.entries.insert(key, entry);
                }
            }
        }
    }

    fn merge_reordered(&mut self, over: Self) {
        let (mut defaults, mut merged) = (
            Self::default(),
            Self {
                replaces: self.replaces,
                ..Self::default()
            },
        );
        for (key, entry) in std::mem::take(&mut self.entries) {
            if entry.key.is_default() {
                &mut defaults
            } else {
                &mut merged
            }
            .entries
            .insert(key, entry);
        }
        let mut new_defaults = Self::default();
        for (key, entry) in over.entries {
            if let Some(below) = merged.entries.get_mut(&key) {
                below.merge(entry);
            } else if entry.key.is_default() {
                match defaults.entries.get_mut(&key) {
                    Some(below) => below.merge(entry),
                    None => {
                        new_defaults.entries.insert(key, entry);
                    }
                }
            } else {
                merged.entries.insert(key, entry);
            }
        }
        for (key, mut entry) in defaults.entries {
            if let Some(above) = merged.entries.get_mut(&key) {
                std::mem::swap(above, &mut entry);
                above.merge(entry);
            } else {
                merged.entries.insert(key, entry);
            }
        }
        merged.entries.extend(new_defaults.entries);
        *self = merged;
    }
}

impl Entry {
    fn merge(&mut self, over: Self) {
        let joined = self.node.table().is_some() && over.node.table().is_some_and(|table| !table.replaces);
        // A joined table belongs to the first who gave it, a value to the last.
        if self.key.is_default() || !(joined || over.key.is_default()) {
            self.key = over.key;
        }
        self.node.merge(over.node);
    }
}

impl Node {
    fn merge(&mut self, over: Self) {
        match (&mut self.value, over.value) {
            (Value::Table(below), Value::Table(above)) => {
                if above.replaces || self.place.is_default() {
                    self.place = over.place;
                }
                below.merge(above);
            }
            (_, Value::Table(above)) => {
                let value = Value::Table(Table {
                    replaces: true,
                    ..above
                });
                *self = Self {
                    value,
                    place: over.place,
                    substituted: over.substituted,
                };
            }
            (_, value) => *self = Self { value, ..over },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse::parse;
    use super::super::place::{Origin, Source};
    use super::super::problem::Problems;
    use super::Table;

    fn table(origin: Origin, pairs: &[(String, u8)]) -> Table {
        let mut text = String::new();
        for (key, value) in pairs {
            let longer = format!("{text}{key} = {value}\n");
            if toml::from_str::<toml::Table>(&longer).is_ok() {
                text = longer;
            }
        }
        parse(&Source::with_text(origin, text), &mut Problems::default()).unwrap()
    }

    fn pairs() -> impl Strategy<Value = Vec<(String, u8)>> {
        prop::collection::vec(("[abc](\\.[abc]){0,2}", any::<u8>()), 0..6)
    }

    /// Everything that matters: keys in their order, values, places.
    fn described(table: &Table, text: &mut String) {
        for (key, entry) in &table.entries {
            text.push_str(&format!(
                "{key}@{}={}@{}",
                entry.key,
                entry.node.kind(),
                entry.node.place
            ));
            match entry.node.table() {
                Some(table) => {
                    text.push('{');
                    described(table, text);
                    text.push('}');
                }
                None => text.push_str(&entry.node.to_toml().to_string()),
            }
            text.push(';');
        }
    }

    proptest! {
        #[test]
        fn the_grouping_of_sources_does_not_matter(first in pairs(), second in pairs(), third in pairs(), defaults in 0..3usize) {
            let origin = |n: usize| if n < defaults { Origin::Default } else { Origin::Override(n) };
            let [first, second, third] =
                [(0, first), (1, second), (2, third)].map(|(n, pairs)| table(origin(n), &pairs));

            let mut left = first.clone();
            left.merge(second.clone());
            left.merge(third.clone());

            let mut above = second;
            above.merge(third);
            let mut right = first;
            right.merge(above);

            let (mut left_text, mut right_text) = (String::new(), String::new());
            described(&left, &mut left_text);
            described(&right, &mut right_text);
            prop_assert_eq!(left_text, right_text);
        }
    }
}
