//! Tree against schema: unknown keys and wrong types, all at once.

use std::collections::HashSet;

use super::deserialize::{address, unknown_key};
use super::key_path::KeyPath;
use super::problem::{ConfigError, Problems};
use super::schema::Shape;
use super::tree::{Node, Value};

/// What is looked for.
pub(super) enum Looking<'a> {
    /// Unknown keys and wrong types.
    All,
    /// Unknown keys, except in these tables.
    UnknownKeys { except: &'a HashSet<usize> },
}

/// Compares the tree under `path` with the shape.
pub(super) fn check(
    node: &Node,
    path: &KeyPath,
    shape: &Shape<'_>,
    looking: &Looking<'_>,
    problems: &mut Problems,
) {
    if matches!(looking, Looking::All) && !fits(node, shape) {
        problems.push(ConfigError::WrongType {
            place: node.place.clone(),
            path: path.clone(),
            expected: expected(&shape.types()),
            found: node.kind().to_owned(),
        });
        return;
    }
    match &node.value {
        Value::Table(table) => {
            let known = shape.keys();
            let told = matches!(looking, Looking::UnknownKeys { except } if except.contains(&address(node)));
            for (key, entry) in &table.entries {
                let path = path.clone().key(key);
                match shape.key(key) {
                    Some(shape) => check(&entry.node, &path, &shape, looking, problems),
                    None if told || shape.is_open() => {}
                    None => problems.push_with(|| unknown_key(&entry.key, path, &known)),
                }
            }
        }
        Value::Array(items) => {
            let Some(shape) = shape.items() else { return };
            for (index, item) in items.iter().enumerate() {
                check(item, &path.clone().index(index), &shape, looking, problems);
            }
        }
        _ => {}
    }
}

/// Replaces strings from the environment by the number or boolean that the shape wants in their place.
pub(super) fn typed(node: &Node, shape: Option<&Shape<'_>>) -> toml::Value {
    match (&node.value, shape) {
        (Value::Table(table), Some(shape)) => {
            let value = |(key, entry): (&String, &super::tree::Entry)| {
                (key.clone(), typed(&entry.node, shape.key(key).as_ref()))
            };
            toml::Value::Table(table.entries.iter().map(value).collect())
        }
        (Value::Array(items), Some(shape)) => {
            let shape = shape.items();
            toml::Value::Array(items.iter().map(|item| typed(item, shape.as_ref())).collect())
        }
        (Value::String(_), Some(shape)) => {
            let types = shape.types();
            let reading = node
                .scalar_reading()
                .filter(|reading| !takes(&types, &node.value) && takes(&types, reading));
            match reading {
                Some(reading) => Node::new(reading, node.place.clone()).to_toml(),
                None => node.to_toml(),
            }
        }
        _ => node.to_toml(),
    }
}

fn fits(node: &Node, shape: &Shape<'_>) -> bool {
    let types = shape.types();
    takes(&types, &node.value)
        || node
            .scalar_reading()
            .is_some_and(|reading| takes(&types, &reading))
}

fn takes(types: &[&str], value: &Value) -> bool {
    let names: &[&str] = match value {
        Value::Table(_) => &["object"],
        Value::Array(_) => &["array"],
        // Serde sees a date as whatever its type makes of it.
        Value::Datetime(_) => return true,
        Value::String(_) => &["string"],
        Value::Integer(_) => &["integer", "number"],
        Value::Float(_) => &["number"],
        Value::Boolean(_) => &["boolean"],
    };
    types.is_empty() || types.iter().any(|name| names.contains(name))
}

/// JSON types in words.
fn expected(types: &[&str]) -> String {
    let words = types.iter().map(|name| match *name {
        "object" => "a table",
        "array" => "a list",
        "string" => "a string",
        "integer" => "an integer",
        "boolean" => "a boolean",
        _ => "a number",
    });
    words.collect::<Vec<_>>().join(" or ")
}
