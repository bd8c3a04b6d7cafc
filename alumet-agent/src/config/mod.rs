//! The configuration: files, environment, command line and defaults become one tree that knows where everything
//! came from.
//!
//! [`Loader`] collects the sources and gives a [`Document`]; [`Document::section`] cuts out a table, and
//! [`Section::read`] compares it with a schema and turns it into a Rust type. Whatever is wrong, [`Problems`] tells with
//! file, line, the line itself and a remedy. [`Reference`] writes the documentation of a type's keys,
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
mod tree;

pub use alias::Alias;
pub use key_path::{KeyPath, Step};
pub use load::Loader;
pub use place::{Origin, Place};
pub use problem::{Problem, Problems, Warning};
pub use read::{Section, from_json};
pub use reference::Reference;
pub use substitute::Environment;
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
            path: KeyPath::root(),
        }
    }

    /// The table under a path; `None` if there is none, or if something else stands there.
    pub fn section(&self, path: &KeyPath) -> Option<Section<'_>> {
        let node = self.root.find(path)?;
        node.table()?;
        Some(Section {
            node,
            path: path.clone(),
        })
    }

    /// Gives a value to a key, over whatever the sources gave.
    ///
    /// A path into a list, and a plain value for the root, change nothing.
    pub fn set(&mut self, path: &KeyPath, value: impl Into<toml::Value>, origin: Origin) {
        self.join(path, value.into(), origin, true);
    }

    /// Adds values that hold when nobody gives others; they come after what the user gave.
    pub fn fill(&mut self, defaults: toml::Table) {
        self.join(&KeyPath::root(), defaults.into(), Origin::Default, false);
    }

    fn join(&mut self, path: &KeyPath, value: toml::Value, origin: Origin, wins: bool) {
        let node = Node::from_toml(value, &Place::whole(origin));
        if let Some(root) = self.root.table_mut() {
            tree::join(root, tree::nested(path, node), wins);
        }
    }

    /// Makes a problem of what is wrong with the value of a key, with its place, or that of the nearest table above it
    /// that exists. Elements of lists are named by their number.
    pub fn refused(&self, key_path: &[&str], message: impl AsRef<str>) -> Problem {
        let (path, node) = self.root().locate(key_path);
        Problem::invalid(&path, message.as_ref()).at(&node.place)
    }

    /// What works but should be changed, for the log.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    fn new(table: Table, warnings: Vec<Warning>) -> Self {
        // The configuration as a whole is shown as the beginning of its first source.
        let given = table.values().map(|node| &node.key);
        let place = given
            .map(Place::beginning)
            .next()
            .unwrap_or_else(|| Place::whole(Origin::Default));
        let root = Node::new(Value::Table(table), place.clone(), place);
        Self { root, warnings }
    }
}
