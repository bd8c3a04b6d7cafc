//! The configuration: files, environment, command line and defaults become one tree that knows where everything
//! came from.
//!
//! [`Loader`] collects the sources and gives a [`Document`]; [`Document::read`] compares a table with a schema and turns
//! it into a Rust type. Whatever is wrong, [`Problems`] tells with file, line, the line itself and a remedy. [`Reference`] writes the documentation of a type's keys,
//! [`Document::show`] what is in force.
//!
//! Nothing here knows a plugin or a key by name.

mod alias;
mod key_path;
mod load;
mod parse;
mod place;
mod problem;
mod read;
mod reference;
mod schema;
mod secret;
mod show;
mod source;
mod substitute;
mod suggest;
mod toml_text;

pub use alias::Alias;
pub use key_path::KeyPath;
pub use load::Loader;
pub use place::Origin;
pub use problem::{Problem, Problems};
pub use read::from_json;
pub use reference::Reference;
pub use substitute::Environment;
pub(crate) use suggest::nearest;

use std::collections::BTreeMap;

use toml::{Table, Value};

use key_path::Step;
use place::Place;

/// The merged configuration, in which every key and value knows where it was given.
#[derive(Debug, Clone)]
pub struct Document {
    /// A table.
    values: Value,
    /// What files, overrides and flags gave, by its path. Of defaults nothing is known.
    given: BTreeMap<KeyPath, Given>,
    warnings: Vec<String>,
}

/// What is known of a key and its value besides the value.
#[derive(Debug, Clone)]
struct Given {
    /// The key; of an element of a list the same as `place`.
    key: Place,
    /// The value; of a table, whose own characters may be spread over the file, that of its key.
    place: Place,
    /// The string is one environment variable as a whole, so that it may also stand for a number or a boolean.
    is_variable: bool,
    /// It is not to be shown.
    is_secret: bool,
    /// A problem of it was told already.
    is_refused: bool,
}

impl Document {
    /// The table under a path; `None` if there is none, or if something else stands there.
    pub fn table(&self, path: &KeyPath) -> Option<&Table> {
        find(&self.values, path.steps())?.as_table()
    }

    /// Adds values that hold when nobody gives others; they come after what the user gave.
    pub fn fill(&mut self, defaults: Table) {
        join(&mut self.values, defaults.into(), false);
    }

    /// A value under the keys of a path and nothing else, all from one place.
    fn nested(path: &KeyPath, value: Value, place: &Place) -> Self {
        let table = |value, key: &str| Table::from_iter([(key.to_owned(), value)]).into();
        let way = path.keys().scan(KeyPath::root(), |above, key| {
            *above = std::mem::take(above).key(key);
            Some((above.clone(), Given::at(place, place)))
        });
        Self {
            values: path.keys().rev().fold(value, table),
            given: way.collect(),
            warnings: Vec::new(),
        }
    }

    /// Lays another one over this one. A table of both belongs to this one, and its keys keep their position.
    fn lay(&mut self, other: Self) {
        for (path, given) in other.given {
            let is_table = |values| find(values, path.steps()).is_some_and(Value::is_table);
            let is_in_list = path.steps().iter().any(|step| matches!(step, Step::Index(_)));
            let is_joined = !is_in_list && is_table(&self.values) && is_table(&other.values);
            if !is_joined || !self.given.contains_key(&path) {
                self.given.insert(path, given);
            }
        }
        join(&mut self.values, other.values, true);
        self.warnings.extend(other.warnings);
    }

    /// Where the key at the end of a path was given.
    pub(crate) fn place_of(&self, path: &KeyPath) -> Place {
        self.given(path).key
    }

    /// What is known of what stands under a path, or else of the nearest table or list above it.
    fn given(&self, path: &KeyPath) -> Given {
        let above = (0..=path.steps().len())
            .rev()
            .map(|length| &path.steps()[..length]);
        let mut existing = above.filter(|steps| find(&self.values, steps).is_some());
        let given = existing.find_map(|steps| self.given.get(steps));
        given.cloned().unwrap_or_else(|| {
            let place = Place::whole(Origin::Default);
            Given::at(&place, &place)
        })
    }

    /// Makes a problem of what is wrong with the value of a key, with its place, or that of the nearest table above it
    /// that exists. Elements of lists are named by their number.
    pub fn refused(&self, key_path: &[&str], message: impl AsRef<str>) -> Problem {
        let path = self.locate(&KeyPath::root(), key_path);
        Problem::invalid(&path, message.as_ref()).at(self.given(&path).place)
    }

    /// What works but should be changed, for the log.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl Default for Document {
    fn default() -> Self {
        Self {
            values: Table::new().into(),
            given: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }
}

impl Given {
    fn at(key: &Place, place: &Place) -> Self {
        Self {
            key: key.clone(),
            place: place.clone(),
            is_variable: false,
            is_secret: false,
            is_refused: false,
        }
    }
}

/// The value under a path.
fn find<'v>(values: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(values, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

/// The same, to be changed.
fn find_mut<'v>(values: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(values, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

/// Joins tables key by key; where both have a value, that of `other` stays if it `wins`.
fn join(value: &mut Value, other: Value, wins: bool) {
    match (value, other) {
        (Value::Table(table), Value::Table(other)) => {
            for (key, other) in other {
                match table.get_mut(&key) {
                    Some(value) => join(value, other, wins),
                    None => drop(table.insert(key, other)),
                }
            }
        }
        (value, other) if wins => *value = other,
        _ => {}
    }
}
