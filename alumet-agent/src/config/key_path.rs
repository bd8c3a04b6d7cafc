//! The way from the root of the configuration to a key.

use std::borrow::Borrow;
use std::fmt;

use super::toml_text::key;

/// The way from the root to a key, shown as `plugins.procfs.groups[0].exe_regex`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath {
    steps: Vec<Step>,
}

/// One step down the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
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
        text.split('.').fold(Self::root(), Self::key)
    }

    /// The path one key further down.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// The path one step further down.
    #[must_use]
    pub(super) fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// The steps from the root on.
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The keys of a path that leads into no list.
    pub(super) fn keys(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// Whether `above` is this path or one above it.
    pub(super) fn starts_with(&self, above: &Self) -> bool {
        self.steps.starts_with(&above.steps)
    }

    /// In backquotes; words for the root, which has no name.
    pub(super) fn named(&self) -> String {
        if self.steps.is_empty() {
            "the top level".to_owned()
        } else {
            format!("`{self}`")
        }
    }
}

impl Borrow<[Step]> for KeyPath {
    fn borrow(&self) -> &[Step] {
        &self.steps
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            match step {
                Step::Key(name) if at > 0 => write!(f, ".{}", key(name))?,
                Step::Key(name) => f.write_str(&key(name))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyPath, Step};

    #[test]
    fn a_path_shows_dots_brackets_and_quotes() {
        let path = KeyPath::dotted("plugins.procfs")
            .key("groups")
            .then(Step::Index(2))
            .key("a b");
        assert_eq!(path.to_string(), "plugins.procfs.groups[2].\"a b\"");
    }
}
