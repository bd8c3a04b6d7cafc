//! The configuration: files, environment, command line and defaults become one tree that knows where everything
//! came from.
//!
//! [`Loader`] collects the sources and gives a [`Document`]; [`Document::section`] cuts out a table, and
//! [`Section::deserialize`] turns it into a Rust type. Whatever is wrong, [`Problems`] tells with file, line, the line
//! itself and a remedy. [`Reference`] writes the documentation of a type's keys, [`Document::show`] what is in force.
//!
//! Nothing here knows a plugin or a key by name.

mod alias;
mod check;
mod deserialize;
mod environment;
mod fit_error;
mod key_path;
mod load;
mod merge;
mod message;
mod parse;
mod place;
mod plugins;
mod problem;
mod reference;
mod schema;
mod secret;
mod section;
mod show;
mod source;
mod substitute;
mod suggest;
mod toml_text;
mod tree;

pub use alias::Alias;
pub use environment::{Environment, NotUnicode, ProcessEnvironment};
pub use key_path::{KeyPath, Step};
pub use load::Loader;
pub use place::{Origin, Place};
pub use plugins::KnownPlugins;
pub use problem::{ConfigError, Problems, Warning};
pub use reference::Reference;
pub use section::Section;
pub use show::Show;
pub(crate) use suggest::nearest;

use tree::{Node, Table, Value};

/// The merged configuration, in which every key and value knows its [`Place`].
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    root: Node,
    warnings: Vec<Warning>,
}

impl Document {
    /// The whole configuration as a section.
    pub fn root(&self) -> Section<'_> {
        Section {
            node: &self.root,
            key: &self.root.place,
            path: KeyPath::root(),
        }
    }

    /// The table under a path; `None` if there is none, or if something else stands there.
    pub fn section(&self, path: &KeyPath) -> Option<Section<'_>> {
        let (node, key) = self.root.find(path.steps())?;
        node.table()?;
        Some(Section {
            node,
            key,
            path: path.clone(),
        })
    }

    /// Gives a value to a key, over whatever the sources gave.
    ///
    /// A path into a list, and a plain value for the root, change nothing.
    pub fn set(&mut self, path: &KeyPath, value: impl Into<toml::Value>, origin: Origin) {
        let above = Table::of_path(path, value.into(), &Place::whole(origin));
        if let (Some(root), Some(above)) = (self.root.table_mut(), above) {
            root.merge(above);
        }
    }

    /// Where the value of a key stands; a list's element is named by its number.
    pub fn locate(&self, key_path: &[&str]) -> Option<Place> {
        self.root
            .find(self.path_of(key_path).steps())
            .map(|(node, _)| node.place.clone())
    }

    /// Makes a problem of what a plugin said about a key, with the place of its value, or of the nearest table above
    /// it that exists.
    pub fn refused(&self, key_path: &[&str], message: impl Into<String>) -> ConfigError {
        let place = (0..=key_path.len())
            .rev()
            .find_map(|depth| self.locate(&key_path[..depth]));
        let place = place.unwrap_or_else(|| self.root.place.clone());
        ConfigError::Invalid {
            place,
            path: self.path_of(key_path),
            message: message.into(),
        }
    }

    /// Makes a problem of a key that a plugin does not know; `known` are the keys that it does.
    pub fn unknown_key(&self, key_path: &[&str], known: &[&str]) -> ConfigError {
        let path = self.path_of(key_path);
        let place = self
            .root
            .find(path.steps())
            .map_or(&self.root.place, |(_, key)| key);
        deserialize::unknown_key(place, path, known)
    }

    /// Makes a problem of a value whose type a plugin does not take.
    pub fn wrong_type(&self, key_path: &[&str], expected: impl Into<String>) -> ConfigError {
        let path = self.path_of(key_path);
        let (place, found) = self
            .root
            .find(path.steps())
            .map_or((&self.root.place, "nothing"), |(node, _)| {
                (&node.place, node.kind())
            });
        ConfigError::WrongType {
            place: place.clone(),
            path,
            expected: expected.into(),
            found: found.to_owned(),
        }
    }

    /// What works but should be changed, for the log.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The path in which the numbers of list elements are told from keys.
    fn path_of(&self, key_path: &[&str]) -> KeyPath {
        let mut path = KeyPath::root();
        for step in key_path {
            let is_list = matches!(
                self.root.find(path.steps()),
                Some((
                    Node {
                        value: Value::Array(_),
                        ..
                    },
                    _
                ))
            );
            path = match step.parse() {
                Ok(index) if is_list => path.index(index),
                _ => path.key(step),
            };
        }
        path
    }

    fn new(table: Table, warnings: Vec<Warning>) -> Self {
        let given = table
            .entries
            .values()
            .map(|entry| &entry.key)
            .find(|key| !key.is_default());
        let place = given.map_or_else(|| Place::whole(Origin::Default), |key| key.narrowed(0..0));
        Self {
            root: Node::new(Value::Table(table), place),
            warnings,
        }
    }
}

impl Default for Document {
    fn default() -> Self {
        Self::new(Table::default(), Vec::new())
    }
}
