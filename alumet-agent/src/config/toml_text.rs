//! TOML text with comments, written line by line.

use std::fmt::Write;

use super::key_path::write_key;

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

    /// `[a.b]`
    pub(super) fn header(&mut self, path: &[&str], trailing: Option<&str>) {
        let _ = write!(self.text, "[{}]", joined(path));
        self.end_line(trailing);
    }

    /// `[[a.b]]`
    pub(super) fn list_header(&mut self, path: &[&str], trailing: Option<&str>) {
        let _ = write!(self.text, "[[{}]]", joined(path));
        self.end_line(trailing);
    }

    /// `# [a.b]`
    pub(super) fn commented_header(&mut self, path: &[&str]) {
        self.text.push_str("# ");
        self.header(path, None);
    }

    /// `key = value`
    pub(super) fn key_value(&mut self, key: &str, value: &toml::Value, trailing: Option<&str>) {
        self.entry("", key, value);
        self.end_line(trailing);
    }

    /// `# key = value`
    pub(super) fn commented_key_value(&mut self, key: &str, value: &toml::Value) {
        self.entry("# ", key, value);
        self.end_line(None);
    }

    fn entry(&mut self, prefix: &str, key: &str, value: &toml::Value) {
        self.text.push_str(prefix);
        let _ = write_key(&mut self.text, key);
        let plain = inline(value);
        match value {
            toml::Value::Array(items) if key.len() + plain.len() > LONGEST_LINE => {
                self.text.push_str(" = [\n");
                for item in items {
                    let _ = writeln!(self.text, "{prefix}    {},", inline(item));
                }
                let _ = write!(self.text, "{prefix}]");
            }
            _ => {
                let _ = write!(self.text, " = {plain}");
            }
        }
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

fn joined(path: &[&str]) -> String {
    let mut text = String::new();
    for (at, key) in path.iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        let _ = write_key(&mut text, key);
    }
    text
}

/// A value on one line.
pub(super) fn inline(value: &toml::Value) -> String {
    let mut text = String::new();
    write_inline(&mut text, value);
    text
}

fn write_inline(text: &mut String, value: &toml::Value) {
    match value {
        toml::Value::String(string) => write_string(text, string),
        toml::Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { ", " } else { "" });
                write_inline(text, item);
            }
            text.push(']');
        }
        toml::Value::Table(table) if table.is_empty() => text.push_str("{}"),
        toml::Value::Table(table) => {
            for (at, (key, value)) in table.iter().enumerate() {
                text.push_str(if at > 0 { ", " } else { "{ " });
                let _ = write_key(text, key);
                text.push_str(" = ");
                write_inline(text, value);
            }
            text.push_str(" }");
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

/// A basic string, always on one line.
fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}
