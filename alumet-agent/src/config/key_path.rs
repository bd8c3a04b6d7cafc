//! The way from the root of the configuration to a key.

use std::fmt;

/// The way from the root to a key, shown as `plugins.procfs.groups[0].exe_regex`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPath {
    steps: Vec<Step>,
}

/// One step down the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into the table's entry of this name.
    Key(String),
    /// Into the list's element of this number, counted from 0.
    Index(usize),
}

impl KeyPath {
    /// The path of the root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads keys separated by dots; quoted keys and list elements have no such form.
    pub fn dotted(text: &str) -> Self {
        text.split('.').filter(|key| !key.is_empty()).collect()
    }

    /// The path one key further down.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.steps.push(Step::Key(key.to_owned()));
        self
    }

    /// The path one list element further down.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.steps.push(Step::Index(index));
        self
    }

    /// The steps from the root on.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// The path one step up; the root is its own parent.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self {
            steps: self.steps[..self.steps.len().saturating_sub(1)].to_vec(),
        }
    }
}

/// Writes a key as TOML wants it: bare where possible, else in quotes.
pub(super) fn write_key(f: &mut dyn fmt::Write, key: &str) -> fmt::Result {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) {
        return f.write_str(key);
    }
    f.write_char('"')?;
    for c in key.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\u{:04X}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

impl<'a> FromIterator<&'a str> for KeyPath {
    fn from_iter<I: IntoIterator<Item = &'a str>>(keys: I) -> Self {
        Self {
            steps: keys.into_iter().map(|key| Step::Key(key.to_owned())).collect(),
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            match step {
                Step::Key(key) => {
                    if at > 0 {
                        f.write_str(".")?;
                    }
                    write_key(f, key)?;
                }
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::KeyPath;

    #[test]
    fn a_path_shows_dots_brackets_and_quotes() {
        let path = KeyPath::dotted("plugins.procfs")
            .key("groups")
            .index(2)
            .key("a b");
        assert_eq!(path.to_string(), "plugins.procfs.groups[2].\"a b\"");
        assert_eq!(path.parent().to_string(), "plugins.procfs.groups[2]");
    }
}
