//! The documentation of a type's keys, written from its JSON schema and its default.

use std::fmt::Write;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;
use serde_json::Value as Json;

use super::key_path::{KeyPath, Step};
use super::schema::Shape;
use super::toml_text::{TomlText, inline};

/// The keys of one table: what the schema says of them, and their defaults.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The keys, their types and their descriptions.
    pub schema: Schema,
    /// The value of each key that has a default.
    pub default: toml::Table,
}

/// How deep tables within tables are described; a type that contains itself ends here.
const DEEPEST: usize = 8;

impl Reference {
    /// That of a type and its default.
    ///
    /// # Errors
    /// When the default cannot be written as a TOML table.
    pub fn of<T: JsonSchema + Serialize + Default>() -> Result<Self, toml::ser::Error> {
        Ok(Self {
            schema: schema_for!(T),
            default: toml::Table::try_from(T::default())?,
        })
    }

    /// The default as TOML: the description of each key as a comment above it, and keys without a default commented out.
    ///
    /// `path` is the table that the keys stand in, such as `["plugins", "csv"]`. Under that path the text parses back to
    /// the default.
    pub fn to_toml(&self, path: &[&str]) -> String {
        self.written(path, None)
    }

    /// The same with some of the keys only, each as a path from the root, and without the description of the whole.
    pub fn to_short_toml(&self, path: &[&str], keys: &[KeyPath]) -> String {
        self.written(path, Some(keys))
    }

    fn written(&self, path: &[&str], only: Option<&[KeyPath]>) -> String {
        let path = path.iter().fold(KeyPath::root(), |path, key| path.key(key));
        let shape = Shape::new(&self.schema);
        let mut writer = Writer {
            only,
            ..Writer::new(&|_| None)
        };
        if path != KeyPath::root() {
            let description = shape.description().filter(|_| only.is_none());
            writer.text.comment(description.unwrap_or(""));
            writer.text.header("", &path, false, None);
        }
        writer.table(&shape, Some(&self.default), &path, true);
        writer.text.finish()
    }

    /// The keys as a Markdown table of key, type, default and description; keys of inner tables with dots.
    pub fn to_markdown(&self) -> String {
        let mut rows = String::from("| Key | Type | Default | Description |\n|---|---|---|---|\n");
        write_rows(&mut rows, &Shape::new(&self.schema), Some(&self.default), "", 0);
        rows
    }
}

/// The keys of a table: those of the default in its order, then the others.
fn keys<'a>(shape: &Shape<'a>, default: Option<&'a toml::Table>) -> Vec<&'a str> {
    let mut keys: Vec<&str> = default
        .into_iter()
        .flat_map(|table| table.keys())
        .map(String::as_str)
        .collect();
    for key in shape.keys() {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// A list of tables, which TOML writes as `[[…]]`.
fn tables(value: &toml::Value) -> Option<Vec<&toml::Table>> {
    match value {
        toml::Value::Array(items) if !items.is_empty() => items.iter().map(toml::Value::as_table).collect(),
        _ => None,
    }
}

/// What stands in one line, with its key.
fn is_plain(value: &toml::Value) -> bool {
    !value.is_table() && tables(value).is_none()
}

/// Writes tables as TOML.
pub(super) struct Writer<'a> {
    pub(super) text: TomlText,
    /// What a comment behind a key or a header says of it.
    origin: &'a dyn Fn(&KeyPath) -> Option<String>,
    /// The keys that are written; `None` for all.
    only: Option<&'a [KeyPath]>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(origin: &'a dyn Fn(&KeyPath) -> Option<String>) -> Self {
        let text = TomlText::default();
        let only = None;
        Self { text, origin, only }
    }

    /// Whether a key is written, or something in it or above it.
    fn writes(&self, path: &KeyPath) -> bool {
        let steps = path.steps();
        let is_of = |key: &KeyPath| key.steps().starts_with(steps) || steps.starts_with(key.steps());
        self.only.is_none_or(|keys| keys.iter().any(is_of))
    }

    /// Writes what stands in a table, and if it is `described` also what its schema says of each key, with the keys that it
    /// lacks commented out.
    pub(super) fn table(
        &mut self,
        shape: &Shape<'_>,
        table: Option<&toml::Table>,
        path: &KeyPath,
        described: bool,
    ) {
        let mut keys = keys(shape, table);
        keys.retain(|key| self.writes(&path.clone().key(key)));
        let value = |key: &str| table.and_then(|table| table.get(key));
        let mut left_out = Vec::new();
        // In TOML a plain key after `[a.b]` would belong to `a.b`: plain keys come first.
        for key in keys.iter().copied() {
            let key_shape = shape.key(key);
            match (value(key), &key_shape) {
                (Some(value), _) if is_plain(value) => {
                    if let Some(key_shape) = key_shape.as_ref().filter(|_| described) {
                        self.describe(key_shape, shape.condition(key));
                    }
                    let origin = (self.origin)(&path.clone().key(key));
                    self.text.key_value("", key, value, origin.as_deref());
                    let elements = key_shape.and_then(|shape| shape.items());
                    if let Some(elements) = elements.filter(|items| described && !items.keys().is_empty()) {
                        left_out.push((key, elements, true));
                    }
                }
                (None, Some(key_shape)) if described && table.is_some() && is_table(key_shape) => {
                    left_out.push((key, key_shape.clone(), false));
                }
                (None, Some(key_shape)) if described => {
                    self.describe(key_shape, shape.condition(key));
                    self.text.key_value("# ", key, &example(key_shape), None);
                }
                _ => {}
            }
        }
        for key in keys {
            let Some(value) = value(key).filter(|value| !is_plain(value)) else {
                continue;
            };
            let key_shape = shape.key(key).unwrap_or_else(Shape::any);
            let path = path.clone().key(key);
            if described {
                self.text.gap();
                self.text.comment(key_shape.description().unwrap_or(""));
            }
            if let Some(table) = value.as_table() {
                // A table that only holds tables needs no header.
                if described || table.is_empty() || table.values().any(is_plain) {
                    self.header(&path, false);
                }
                self.table(&key_shape, Some(table), &path, described);
            }
            let items = key_shape.items().unwrap_or_else(Shape::any);
            for (at, table) in tables(value).into_iter().flatten().enumerate() {
                let path = path.clone().then(Step::Index(at));
                self.header(&path, true);
                // One description of the keys is enough for all elements.
                self.table(&items, Some(table), &path, described && at == 0);
            }
        }
        for (key, key_shape, is_element) in left_out {
            self.left_out(&key_shape, key, path, is_element);
        }
    }

    fn header(&mut self, path: &KeyPath, is_element: bool) {
        self.text.gap_unless_comment();
        let origin = (self.origin)(path);
        self.text.header("", path, is_element, origin.as_deref());
    }

    /// A table that has no default, or an element of a list that is empty, commented out with its keys.
    fn left_out(&mut self, shape: &Shape<'_>, key: &str, above: &KeyPath, is_element: bool) {
        self.text.gap();
        if is_element {
            let note = format!("An element, in place of the empty list `{key}` above.");
            self.text.comment(&note);
        }
        self.describe(shape, None);
        let path = above.clone().key(key);
        self.text.header("# ", &path, is_element, None);
        self.table(shape, None, &path, true);
    }

    /// The description of a key, and below it the words that it takes, as comments.
    fn describe(&mut self, shape: &Shape<'_>, condition: Option<String>) {
        let items = shape.items();
        let words = match &items {
            Some(items) => items.words(),
            None => shape.words(),
        };
        let description = shape.description().unwrap_or("");
        if description.is_empty() && words.is_empty() && condition.is_none() {
            return;
        }
        self.text.gap();
        self.text.comment(description);
        if let Some(condition) = condition {
            self.text.comment(&format!("Only with {condition}."));
        }
        for (word, description) in words {
            match description {
                Some(description) => self.text.comment_item(&format!("{word}: {description}")),
                None => self.text.comment_item(&word.to_string()),
            }
        }
    }
}

/// Whether it takes nothing but a table whose keys are known.
fn is_table(shape: &Shape<'_>) -> bool {
    shape.types() == ["object"] && !shape.keys().is_empty()
}

/// A value to stand behind a key that has no default.
fn example(shape: &Shape<'_>) -> toml::Value {
    let given = shape.default().or_else(|| shape.example());
    let given = given.or_else(|| shape.words().first().map(|(word, _)| *word));
    if let Some(value) = given.and_then(|value| toml::Value::try_from(value).ok()) {
        return value;
    }
    match shape.types().first().copied() {
        Some("integer") => toml::Value::Integer(0),
        Some("number") => toml::Value::Float(0.0),
        Some("boolean") => toml::Value::Boolean(false),
        Some("array") => toml::Value::Array(Vec::new()),
        Some("object") => toml::Value::Table(toml::Table::new()),
        _ => toml::Value::String(String::new()),
    }
}

fn write_rows(
    rows: &mut String,
    shape: &Shape<'_>,
    default: Option<&toml::Table>,
    above: &str,
    depth: usize,
) {
    if depth > DEEPEST {
        return;
    }
    let named = keys(shape, default).into_iter().map(|key| (key, shape.key(key)));
    let others = shape.others().filter(|_| depth > 0 || shape.keys().is_empty());
    let others = others.map(|others| ("<name>", Some(others)));
    for (key, key_shape) in named.chain(others) {
        let key_shape = key_shape.unwrap_or_else(Shape::any);
        let value = default.and_then(|table| table.get(key));
        let own_default = key_shape
            .default()
            .and_then(|value| toml::Value::try_from(value).ok())
            .filter(|value| value.as_str() != Some(""));
        let shown = match value.or(own_default.as_ref()) {
            _ if value.is_none() && shape.requires(key) => "required".to_owned(),
            Some(value) if !value.is_table() && tables(value).is_none() => code(&inline(value)),
            _ => String::new(),
        };
        let condition = shape.condition(key);
        let condition = condition.map_or_else(String::new, |tags| format!(" Only with {}.", escaped(&tags)));
        let name = format!("{above}{key}");
        let _ = writeln!(
            rows,
            "| {} | {} | {shown} | {}{condition} |",
            code(&name),
            type_name(&key_shape, 3),
            description(&key_shape)
        );
        let table = value.and_then(toml::Value::as_table);
        if table.is_some() || !key_shape.keys().is_empty() || key_shape.others().is_some() {
            write_rows(rows, &key_shape, table, &format!("{name}."), depth + 1);
        }
        if let Some(items) = key_shape.items().filter(|items| !items.keys().is_empty()) {
            let first = value.and_then(|value| tables(value)?.into_iter().next());
            write_rows(rows, &items, first, &format!("{name}[]."), depth + 1);
        }
    }
}

/// The type of a key in words; `lists` of lists are told at most, because a schema may contain itself.
fn type_name(shape: &Shape<'_>, lists: usize) -> String {
    let words = shape.words();
    let mut names: Vec<String> = words.iter().map(|(word, _)| code(&word.to_string())).collect();
    for name in shape.types() {
        match name {
            "string" if !words.is_empty() => {}
            "array" => match shape.items().filter(|_| lists > 0) {
                Some(items) => names.push(format!("list of {}", type_name(&items, lists - 1))),
                None => names.push("list".to_owned()),
            },
            "object" => names.push("table".to_owned()),
            other => names.push(other.to_owned()),
        }
    }
    if names.is_empty() {
        "any".to_owned()
    } else {
        names.join(" or ")
    }
}

/// The description on one line, with those of the words that the key takes.
fn description(shape: &Shape<'_>) -> String {
    let mut text = escaped(shape.description().unwrap_or(""));
    for (word, description) in shape.words() {
        if let (Json::String(word), Some(description)) = (word, description) {
            let separator = if text.is_empty() { "" } else { "<br>" };
            let _ = write!(text, "{separator}{}: {}", code(word), escaped(description));
        }
    }
    text
}

fn code(text: &str) -> String {
    format!("`{}`", escaped(text))
}

/// Text that stays within its cell.
fn escaped(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}
