//! TOML text with comments, written line by line.

use std::fmt::Write;

use serde_json::Value as Json;

use super::key_path::KeyPath;

/// The text so far.
#[derive(Default)]
pub(super) struct TomlText {
    text: String,
    /// The last line is a comment that belongs to what comes next.
    comment_open: bool,
}

/// Lines longer than this have their list broken into one element a line.
const LONGEST_LINE: usize = 100;
/// Where the lines of a comment are broken that the program itself puts together.
const LONGEST_COMMENT: usize = 116;

impl TomlText {
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// An empty line, unless the text begins here or there is one already.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// The same, but a comment stays with what follows it.
    pub(super) fn gap_unless_comment(&mut self) {
        if !self.comment_open {
            self.gap();
        }
    }

    /// Comment lines.
    pub(super) fn comment(&mut self, comment: &str) {
        for line in comment.lines() {
            let line: String = line.chars().filter(|c| *c == '\t' || !c.is_control()).collect();
            self.text.push_str(format!("# {line}").trim_end());
            self.text.push('\n');
            self.comment_open = true;
        }
    }

    /// An entry of a list within a comment, broken into lines that begin in one column.
    pub(super) fn comment_item(&mut self, item: &str) {
        let mut line = "  -".to_owned();
        for word in item.split_whitespace() {
            if line.chars().count() + word.chars().count() >= LONGEST_COMMENT {
                self.comment(&line);
                line = "   ".to_owned();
            }
            line.push(' ');
            line.push_str(word);
        }
        self.comment(&line);
    }

    /// `[a.b]`, or `[[a.b]]` of an element of a list; `prefix` is empty, or `# ` to comment it out.
    pub(super) fn header(&mut self, prefix: &str, path: &KeyPath, is_element: bool, trailing: Option<&str>) {
        let keys: Vec<String> = path.keys().map(key).collect();
        let path = keys.join(".");
        match is_element {
            true => self.text.push_str(&format!("{prefix}[[{path}]]")),
            false => self.text.push_str(&format!("{prefix}[{path}]")),
        }
        self.end_line(trailing);
    }

    /// `key = value`, behind a `prefix` as well.
    pub(super) fn key_value(&mut self, prefix: &str, key: &str, value: &toml::Value, trailing: Option<&str>) {
        let _ = write!(self.text, "{prefix}{} = ", self::key(key));
        let plain = inline(value);
        match value {
            toml::Value::Array(items) if key.len() + plain.len() > LONGEST_LINE => {
                self.text.push_str("[\n");
                for item in items {
                    let _ = writeln!(self.text, "{prefix}    {},", inline(item));
                }
                let _ = write!(self.text, "{prefix}]");
            }
            _ => self.text.push_str(&plain),
        }
        self.end_line(trailing);
    }

    fn end_line(&mut self, trailing: Option<&str>) {
        if let Some(trailing) = trailing {
            let trailing: String = trailing.chars().filter(|c| !c.is_control()).collect();
            let _ = write!(self.text, " # {trailing}");
        }
        self.text.push('\n');
        self.comment_open = false;
    }
}

/// A key as TOML wants it: bare where possible, else in quotes.
pub(super) fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !name.is_empty() && name.chars().all(bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// A value on one line.
pub(super) fn inline(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => quoted(text),
        toml::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        toml::Value::Table(table) if table.is_empty() => "{}".to_owned(),
        toml::Value::Table(table) => {
            let entry = |(name, value): (&String, &toml::Value)| format!("{} = {}", key(name), inline(value));
            let entries: Vec<String> = table.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// A basic string, always on one line. The escapes of JSON are those of TOML, which wants one more.
fn quoted(text: &str) -> String {
    Json::from(text).to_string().replace('\u{7f}', "\\u007F")
}
