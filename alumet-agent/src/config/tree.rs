//! The configuration as a tree in which every key and value knows its place.

use toml::map::Map;

use super::key_path::{KeyPath, Step};
use super::place::Place;

/// A value, with where it and its key were given.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    /// The key; of an element of a list the same as `place`.
    pub(super) key: Place,
    /// The value; of a table, whose own characters may be spread over the file, that of its key.
    pub(super) place: Place,
    /// The string is one environment variable as a whole, so that it may also stand for a number or a boolean.
    pub(super) is_variable: bool,
    /// It is not to be shown.
    pub(super) is_secret: bool,
    /// A problem of it was told already.
    pub(super) is_refused: bool,
}

/// A TOML value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Table(Table),
    List(Vec<Node>),
    Plain(toml::Value),
}

/// The keys of a table in the order in which they were given.
pub(super) type Table = Map<String, Node>;

impl Node {
    pub(super) fn new(value: Value, key: Place, place: Place) -> Self {
        Self {
            value,
            key,
            place,
            is_variable: false,
            is_secret: false,
            is_refused: false,
        }
    }

    /// The tree of plain values that all come from one place.
    pub(super) fn from_toml(value: toml::Value, place: &Place) -> Self {
        let value = match value {
            toml::Value::Table(table) => {
                let node = |(key, value)| (key, Self::from_toml(value, place));
                Value::Table(table.into_iter().map(node).collect())
            }
            toml::Value::Array(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| Self::from_toml(item, place))
                    .collect(),
            ),
            plain => Value::Plain(plain),
        };
        Self::new(value, place.clone(), place.clone())
    }

    /// The plain value, without places.
    pub(super) fn to_toml(&self) -> toml::Value {
        match &self.value {
            Value::Table(table) => {
                let entries = table.iter().map(|(key, node)| (key.clone(), node.to_toml()));
                toml::Value::Table(entries.collect())
            }
            Value::List(items) => toml::Value::Array(items.iter().map(Self::to_toml).collect()),
            Value::Plain(value) => value.clone(),
        }
    }

    pub(super) fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(super) fn table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// What it is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Table(_) => "a table",
            Value::List(_) => "a list",
            Value::Plain(toml::Value::Integer(_)) => "an integer",
            Value::Plain(toml::Value::Float(_)) => "a float",
            Value::Plain(toml::Value::Boolean(_)) => "a boolean",
            Value::Plain(toml::Value::Datetime(_)) => "a date or time",
            Value::Plain(_) => "a string",
        }
    }

    /// The nodes of a table or list, each with the step that leads to it.
    pub(super) fn children_mut(&mut self) -> Vec<(Step, &mut Self)> {
        match &mut self.value {
            Value::Table(table) => {
                let step = |(key, node)| (Step::Key(String::clone(key)), node);
                table.iter_mut().map(step).collect()
            }
            Value::List(items) => {
                let step = |(index, node)| (Step::Index(index), node);
                items.iter_mut().enumerate().map(step).collect()
            }
            Value::Plain(_) => Vec::new(),
        }
    }

    /// The node under a step.
    pub(super) fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.value, step) {
            (Value::Table(table), Step::Key(key)) => table.get(key),
            (Value::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    /// The node under `path`.
    pub(super) fn find(&self, path: &KeyPath) -> Option<&Self> {
        path.steps().iter().try_fold(self, Self::child)
    }
}

/// Joins two tables key by key; where both have a value, that of `other` stays if it `wins`. A joined table belongs to the
/// first that gave it, and its keys keep the position at which they were given first.
pub(super) fn join(table: &mut Table, other: Table, wins: bool) {
    for (key, node) in other {
        let Some(given) = table.get_mut(&key) else {
            table.insert(key, node);
            continue;
        };
        match (&mut given.value, node.value) {
            (Value::Table(given), Value::Table(other)) => join(given, other, wins),
            (_, value) if wins => *given = Node { value, ..node },
            _ => {}
        }
    }
}

/// A tree that holds nothing but a node under the keys of a path, all from its place; empty for the root, if the node is no
/// table.
pub(super) fn nested(path: &KeyPath, node: Node) -> Table {
    let place = node.key.clone();
    let table = |node, key: &str| Value::Table(Table::from_iter([(key.to_owned(), node)]));
    let node = path.keys().rev().fold(node, |node, key| {
        Node::new(table(node, key), place.clone(), place.clone())
    });
    match node.value {
        Value::Table(table) => table,
        _ => Table::new(),
    }
}
