//! The configuration in force, as text.

use super::Document;
use super::place::Place;
use super::secret;
use super::toml_text::TomlText;
use super::tree::{Node, Table, Value};

impl Document {
    /// Writes the merged configuration as TOML, with `origins` each key with a comment that says who gave it. Secrets are shown as `***`.
    ///
    /// A secret is what a schema marks as one, what stands under a key named like one (`token`, `password`, `secret`,
    /// `api_key`, or ending in `_` and one of these), and what an environment variable of such a name gave.
    pub fn show(&self, origins: bool) -> String {
        let mut writer = Writer {
            origins,
            text: TomlText::default(),
        };
        if let Some(table) = self.root.table() {
            writer.table(table, &mut Vec::new(), false);
        }
        writer.text.finish()
    }
}

struct Writer {
    origins: bool,
    text: TomlText,
}

/// A list of tables, which TOML writes as `[[…]]`.
fn tables(node: &Node) -> Option<&[Node]> {
    match &node.value {
        Value::List(items) if !items.is_empty() && items.iter().all(|item| item.table().is_some()) => {
            Some(items)
        }
        _ => None,
    }
}

/// What stands in one line, with its key.
fn is_plain(node: &Node) -> bool {
    node.table().is_none() && tables(node).is_none()
}

impl Writer {
    fn table<'d>(&mut self, table: &'d Table, path: &mut Vec<&'d str>, hidden: bool) {
        // In TOML a plain key after `[a.b]` would belong to `a.b`: plain keys come first.
        for (key, node) in table.iter().filter(|(_, node)| is_plain(node)) {
            let value = masked(node, hidden || secret::is_secret(key));
            let origin = self.origin(&node.place);
            self.text.key_value(key, &value, origin.as_deref());
        }
        for (key, node) in table.iter().filter(|(_, node)| !is_plain(node)) {
            let hidden = hidden || node.is_secret || secret::is_secret(key);
            path.push(key);
            if let Some(table) = node.table() {
                // A table that only holds tables needs no header.
                if table.is_empty() || table.values().any(is_plain) {
                    let origin = self.origin(&node.key);
                    self.text.gap();
                    self.text.header(path, false, origin.as_deref());
                }
                self.table(table, path, hidden);
            }
            for item in tables(node).unwrap_or_default() {
                let origin = self.origin(&item.place);
                self.text.gap();
                self.text.header(path, true, origin.as_deref());
                if let Some(table) = item.table() {
                    self.table(table, path, hidden);
                }
            }
            path.pop();
        }
    }

    fn origin(&self, place: &Place) -> Option<String> {
        self.origins.then(|| place.to_string())
    }
}

/// The plain value, with the mask in place of everything secret.
fn masked(node: &Node, hidden: bool) -> toml::Value {
    let hidden = hidden || node.is_secret;
    match &node.value {
        Value::Table(table) => {
            let value =
                |(key, node): (&String, &Node)| (key.clone(), masked(node, hidden || secret::is_secret(key)));
            toml::Value::Table(table.iter().map(value).collect())
        }
        Value::List(items) => toml::Value::Array(items.iter().map(|item| masked(item, hidden)).collect()),
        Value::Plain(_) if hidden => secret::MASK.into(),
        Value::Plain(value) => value.clone(),
    }
}
