//! One table of the configuration, to be turned into a Rust type.

use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;

use super::check::{Looking, check, typed};
use super::deserialize;
use super::key_path::KeyPath;
use super::place::Place;
use super::problem::Problems;
use super::schema::Shape;
use super::tree::Node;

/// One table of a [`Document`](super::Document).
#[derive(Debug, Clone)]
pub struct Section<'d> {
    pub(super) node: &'d Node,
    pub(super) key: &'d Place,
    pub(super) path: KeyPath,
}

impl<'d> Section<'d> {
    /// Reads the table as a `T`.
    ///
    /// # Errors
    /// Every unknown key, wrong type, missing key and refused value that can be found without guessing, in the order
    /// of the file. Keys that a struct ignores are unknown even without `deny_unknown_fields`.
    pub fn deserialize<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, Problems> {
        self.deserialize_with_schema(&schema_for!(T))
    }

    /// The same with a schema that the caller has already.
    ///
    /// # Errors
    /// See [`deserialize`](Self::deserialize).
    pub fn deserialize_with_schema<T: DeserializeOwned>(&self, schema: &Schema) -> Result<T, Problems> {
        let (value, known) = deserialize::read(self.node, &self.path)?;
        // Where serde reads a struct through a map (`flatten`, tagged enums) it drops unknown keys without a word.
        let mut problems = Problems::default();
        let looking = Looking::UnknownKeys { except: &known };
        check(
            self.node,
            &self.path,
            &Shape::new(schema),
            &looking,
            &mut problems,
        );
        problems.or_ok(value)
    }

    /// Compares the table with a schema, without making a value of it.
    ///
    /// # Errors
    /// All keys that the schema does not have, and all values of a type that it does not take.
    pub fn check(&self, schema: &Schema) -> Result<(), Problems> {
        let mut problems = Problems::default();
        check(
            self.node,
            &self.path,
            &Shape::new(schema),
            &Looking::All,
            &mut problems,
        );
        problems.sort();
        problems.or_ok(())
    }

    /// The merged plain values.
    pub fn to_toml_table(&self) -> toml::Table {
        into_table(self.node.to_toml())
    }

    /// The merged plain values, in which `"${VARIABLE}"` is a number or a boolean where the schema wants one.
    pub fn to_typed_toml_table(&self, schema: &Schema) -> toml::Table {
        into_table(typed(self.node, Some(&Shape::new(schema))))
    }

    /// The keys of the table, in the order in which they were given.
    pub fn keys(&self) -> impl Iterator<Item = &'d str> {
        self.node
            .table()
            .into_iter()
            .flat_map(|table| table.entries.keys())
            .map(String::as_str)
    }

    /// The table under one of the keys; `None` if there is none or it is no table.
    pub fn section(&self, key: &str) -> Option<Self> {
        let entry = self.node.table()?.entries.get(key)?;
        entry.node.table()?;
        Some(Self {
            node: &entry.node,
            key: &entry.key,
            path: self.path.clone().key(key),
        })
    }

    /// The path of the table from the root.
    pub fn path(&self) -> &KeyPath {
        &self.path
    }

    /// Where the table was given; of a table that several sources gave, where it was given first.
    pub fn place(&self) -> &'d Place {
        self.key
    }
}

fn into_table(value: toml::Value) -> toml::Table {
    match value {
        toml::Value::Table(table) => table,
        _ => toml::Table::new(),
    }
}
