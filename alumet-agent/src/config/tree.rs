//! The configuration as a tree in which every key and value knows its place.

use toml::map::Map;
use toml::value::Datetime;

use super::key_path::{KeyPath, Step};
use super::place::Place;

/// A value and where it was given.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
    pub(super) substituted: Substituted,
}

/// A TOML value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Table(Table),
    Array(Vec<Node>),
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(Datetime),
}

/// The keys of a table in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Table {
    pub(super) entries: Map<String, Entry>,
    /// The table took the place of a value that was none, and so it also replaces what an earlier source gave.
    pub(super) replaces: bool,
}

/// A key's own place, and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: Place,
    pub(super) node: Node,
}

/// What environment variables put into a string.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Substituted {
    /// The whole string is one variable, so that it may also stand for a number or a boolean.
    pub(super) whole: bool,
    /// One of the variables is named like a secret.
    pub(super) secret: bool,
}

impl Node {
    pub(super) fn new(value: Value, place: Place) -> Self {
        Self {
            value,
            place,
            substituted: Substituted::default(),
        }
    }

    /// The tree of plain values that all come from one place.
    pub(super) fn from_toml(value: toml::Value, place: &Place) -> Self {
        let value = match value {
            toml::Value::Table(table) => Value::Table(Table::from_toml(table, place)),
            toml::Value::Array(items) => Value::Array(
                items
                    .into_iter()
                    .map(|item| Self::from_toml(item, place))
                    .collect(),
            ),
            toml::Value::String(text) => Value::String(text),
            toml::Value::Integer(number) => Value::Integer(number),
            toml::Value::Float(number) => Value::Float(number),
            toml::Value::Boolean(truth) => Value::Boolean(truth),
            toml::Value::Datetime(time) => Value::Datetime(time),
        };
        Self::new(value, place.clone())
    }

    /// The plain value, without places.
    pub(super) fn to_toml(&self) -> toml::Value {
        match &self.value {
            Value::Table(table) => toml::Value::Table(table.to_toml()),
            Value::Array(items) => toml::Value::Array(items.iter().map(Self::to_toml).collect()),
            Value::String(text) => toml::Value::String(text.clone()),
            Value::Integer(number) => toml::Value::Integer(*number),
            Value::Float(number) => toml::Value::Float(*number),
            Value::Boolean(truth) => toml::Value::Boolean(*truth),
            Value::Datetime(time) => toml::Value::Datetime(*time),
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

    /// What the string also stands for, if all of it came from the environment.
    pub(super) fn scalar_reading(&self) -> Option<Value> {
        let Value::String(text) = &self.value else {
            return None;
        };
        if !self.substituted.whole {
            return None;
        }
        let text = text.trim();
        let integer = || text.replace('_', "").parse().ok().map(Value::Integer);
        let float = || text.replace('_', "").parse().ok().map(Value::Float);
        match text {
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            _ => integer().or_else(float),
        }
    }

    /// What it is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Table(_) => "a table",
            Value::Array(_) => "a list",
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date or time",
        }
    }

    /// The node under `steps`, with the place of its key where it has one.
    pub(super) fn find(&self, steps: &[Step]) -> Option<(&Self, &Place)> {
        let mut found = (self, &self.place);
        for step in steps {
            found = match (&found.0.value, step) {
                (Value::Table(table), Step::Key(key)) => {
                    table.entries.get(key).map(|entry| (&entry.node, &entry.key))?
                }
                (Value::Array(items), Step::Index(index)) => {
                    items.get(*index).map(|node| (node, &node.place))?
                }
                _ => return None,
            };
        }
        Some(found)
    }
}

impl Table {
    pub(super) fn from_toml(table: toml::Table, place: &Place) -> Self {
        let entry = |value| Entry {
            key: place.clone(),
            node: Node::from_toml(value, place),
        };
        Self {
            entries: table
                .into_iter()
                .map(|(key, value)| (key, entry(value)))
                .collect(),
            replaces: false,
        }
    }

    pub(super) fn to_toml(&self) -> toml::Table {
        self.entries
            .iter()
            .map(|(key, entry)| (key.clone(), entry.node.to_toml()))
            .collect()
    }

    /// A tree that holds nothing but `value` under `path`, all from one place.
    pub(super) fn of_path(path: &KeyPath, value: toml::Value, place: &Place) -> Option<Self> {
        let mut node = Node::from_toml(value, place);
        for step in path.steps().iter().rev() {
            let Step::Key(key) = step else { return None };
            let entries = [(
                key.clone(),
                Entry {
                    key: place.clone(),
                    node,
                },
            )]
            .into_iter()
            .collect();
            node = Node::new(
                Value::Table(Self {
                    entries,
                    replaces: false,
                }),
                place.clone(),
            );
        }
        match node.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
}
