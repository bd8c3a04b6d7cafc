//! The configuration in force, as text.

use super::Document;
use super::place::Place;
use super::secret;
use super::toml_text::TomlText;
use super::tree::{Entry, Node, Table, Value};

/// How [`Document::show`] writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Show {
    /// Every key gets a comment that says who gave it.
    pub origins: bool,
}

impl Document {
    /// Writes the merged configuration as TOML. Secrets are shown as `***`.
    ///
    /// A secret is what stands under a key named like one (`token`, `password`, `secret`, `api_key`, or ending in `_` and
    /// one of these), and what an environment variable of such a name gave.
    pub fn show(&self, show: Show) -> String {
        let mut writer = Writer {
            show,
            text: TomlText::default(),
        };
        if let Some(table) = self.root.table() {
            writer.table(table, &mut Vec::new(), false);
        }
        writer.text.finish()
    }
}

struct Writer {
    show: Show,
    text: TomlText,
}

/// A list of tables, which TOML writes as `[[…]]`.
fn tables(node: &Node) -> Option<Vec<&Table>> {
    match &node.value {
        Value::Array(items) if !items.is_empty() => items.iter().map(Node::table).collect(),
        _ => None,
    }
}

impl Writer {
    fn table<'d>(&mut self, table: &'d Table, path: &mut Vec<&'d str>, hidden: bool) {
        // In TOML a plain key after `[a.b]` would belong to `a.b`: plain keys come first.
        let is_plain = |entry: &Entry| entry.node.table().is_none() && tables(&entry.node).is_none();
        for (key, entry) in table.entries.iter().filter(|(_, entry)| is_plain(entry)) {
            let value = masked(&entry.node, hidden || secret::is_secret(key));
            let origin = self.origin(&entry.node.place);
            self.text.key_value(key, &value, origin.as_deref());
        }
        for (key, entry) in table.entries.iter().filter(|(_, entry)| !is_plain(entry)) {
            let hidden = hidden || secret::is_secret(key);
            path.push(key);
            if let Some(table) = entry.node.table() {
                // A table that only holds tables needs no header.
                if table.entries.is_empty() || table.entries.values().any(is_plain) {
                    let origin = self.origin(&entry.key);
                    self.text.gap();
                    self.text.header(path, origin.as_deref());
                }
                self.table(table, path, hidden);
            } else if let Value::Array(items) = &entry.node.value {
                for item in items {
                    let origin = self.origin(&item.place);
                    self.text.gap();
                    self.text.list_header(path, origin.as_deref());
                    if let Some(table) = item.table() {
                        self.table(table, path, hidden);
                    }
                }
            }
            path.pop();
        }
    }

    fn origin(&self, place: &Place) -> Option<String> {
        self.show.origins.then(|| place.to_string())
    }
}

/// The plain value, with the mask in place of everything secret.
fn masked(node: &Node, hidden: bool) -> toml::Value {
    match &node.value {
        Value::Table(table) => {
            let value = |(key, entry): (&String, &Entry)| {
                (key.clone(), masked(&entry.node, hidden || secret::is_secret(key)))
            };
            toml::Value::Table(table.entries.iter().map(value).collect())
        }
        Value::Array(items) => toml::Value::Array(items.iter().map(|item| masked(item, hidden)).collect()),
        _ if hidden || node.substituted.secret => toml::Value::String(secret::MASK.to_owned()),
        _ => node.to_toml(),
    }
}
