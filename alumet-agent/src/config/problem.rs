//! What can be wrong with a configuration.

use std::fmt;
use std::path::PathBuf;

use super::key_path::KeyPath;
use super::place::{Origin, Place};

/// One problem of a configuration, with the place to mend.
///
/// `Display` writes several lines, as a compiler does: what is wrong, where, the line itself, and a remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no file or folder of this name.
    NotFound {
        /// The name that was asked for.
        path: PathBuf,
    },
    /// The system refuses to read the file or folder.
    Unreadable {
        /// The name that was asked for.
        path: PathBuf,
        /// The kind of the system's error.
        kind: std::io::ErrorKind,
        /// The system's own words.
        reason: String,
    },
    /// The folder holds no file whose name ends in `.toml`.
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The text is longer than a configuration may be.
    TooBig {
        /// Who gave it.
        origin: Origin,
        /// The greatest allowed size in bytes.
        limit: usize,
    },
    /// The file is not UTF-8 text.
    NotUtf8 {
        /// The first byte that is not.
        place: Place,
    },
    /// The text is not TOML.
    Syntax {
        /// Where reading stopped.
        place: Place,
        /// What TOML wants there.
        message: String,
    },
    /// A table has the same key twice.
    DuplicateKey {
        /// The second one.
        place: Place,
        /// The key.
        key: String,
    },
    /// The value is of another type than the key takes.
    WrongType {
        /// The value.
        place: Place,
        /// Its key.
        path: KeyPath,
        /// What the key takes, such as `a string`.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The table knows no such key.
    UnknownKey {
        /// The key.
        place: Place,
        /// The key, from the root.
        path: KeyPath,
        /// The known key that is most alike, if any is alike.
        nearest: Option<String>,
        /// All known keys of the table.
        known: Vec<String>,
    },
    /// The key takes one of several words, and this is none of them.
    UnknownValue {
        /// The value.
        place: Place,
        /// Its key.
        path: KeyPath,
        /// The word that was given.
        value: String,
        /// The known word that is most alike, if any is alike.
        nearest: Option<String>,
        /// All words that the key takes.
        known: Vec<String>,
    },
    /// A key without a default is not given.
    MissingKey {
        /// The table that lacks it.
        place: Place,
        /// The key that is missing.
        path: KeyPath,
    },
    /// The value is of the right type and still makes no sense.
    Invalid {
        /// The value.
        place: Place,
        /// Its key.
        path: KeyPath,
        /// Why it is refused.
        message: String,
    },
    /// A table that is named after a plugin names none that exists.
    UnknownPlugin {
        /// The key.
        place: Place,
        /// The name that was given.
        name: String,
        /// The existing name that is most alike, if any is alike.
        nearest: Option<String>,
    },
    /// The plugin exists, but this program was built without it.
    PluginNotCompiled {
        /// The key.
        place: Place,
        /// The name of the plugin, which is also the name of its cargo feature.
        name: String,
    },
    /// A `${VARIABLE}` without a default is not set in the environment.
    MissingVariable {
        /// The variable.
        place: Place,
        /// The key whose value names it.
        path: KeyPath,
        /// Its name.
        variable: String,
    },
    /// A `${…}` is not well-formed, or its variable is not text.
    BadVariable {
        /// The value.
        place: Place,
        /// The key whose value holds it.
        path: KeyPath,
        /// What is wrong with it.
        message: String,
    },
    /// A `--config-override` is not TOML.
    BadOverride {
        /// Where reading stopped.
        place: Place,
        /// What TOML wants there.
        message: String,
    },
    /// A key is given under its old and its new name.
    BothNames {
        /// The old one.
        place: Place,
        /// The old name.
        old: KeyPath,
        /// The new name.
        new: KeyPath,
        /// Where the new name stands.
        new_place: Place,
    },
}

/// All problems of a configuration that one attempt found, in the order of the sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    found: Vec<ConfigError>,
    omitted: usize,
}

/// Something that works and should be changed nevertheless.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A key has a new name; the old one was taken for it.
    Renamed {
        /// The old key.
        place: Place,
        /// Its old name.
        old: KeyPath,
        /// The name to write instead.
        new: KeyPath,
    },
}

impl Problems {
    /// How many problems are kept in full; further ones are only counted.
    pub const LIMIT: usize = 50;

    /// Adds one problem.
    pub fn push(&mut self, problem: ConfigError) {
        self.push_with(|| problem);
    }

    /// Adds one problem, which is made only if it is kept in full.
    pub(super) fn push_with(&mut self, problem: impl FnOnce() -> ConfigError) {
        if self.is_full() {
            self.omitted += 1;
        } else {
            self.found.push(problem());
        }
    }

    /// Adds all problems of another collection, but none that is there already: two steps may stumble over the same
    /// place.
    pub fn append(&mut self, other: Self) {
        self.omitted += other.omitted;
        for problem in other.found {
            if !self.found.contains(&problem) {
                self.push(problem);
            }
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether no further problem would be kept in full.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= Self::LIMIT
    }

    /// The problems that are kept in full.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.found.iter()
    }

    /// How many more there were.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// `Ok` with `value` when nothing is wrong.
    ///
    /// # Errors
    /// The problems, if there is any.
    pub fn or_ok<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Brings the problems of one source into the order of its lines.
    pub(super) fn sort(&mut self) {
        self.found
            .sort_by_key(|problem| problem.place().map_or(0, Place::start));
    }
}

impl ConfigError {
    /// Where to mend it; `None` when a file as a whole is the problem.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::NotFound { .. }
            | Self::Unreadable { .. }
            | Self::EmptyFolder { .. }
            | Self::TooBig { .. } => None,
            Self::NotUtf8 { place }
            | Self::Syntax { place, .. }
            | Self::DuplicateKey { place, .. }
            | Self::WrongType { place, .. }
            | Self::UnknownKey { place, .. }
            | Self::UnknownValue { place, .. }
            | Self::MissingKey { place, .. }
            | Self::Invalid { place, .. }
            | Self::UnknownPlugin { place, .. }
            | Self::PluginNotCompiled { place, .. }
            | Self::MissingVariable { place, .. }
            | Self::BadVariable { place, .. }
            | Self::BadOverride { place, .. }
            | Self::BothNames { place, .. } => Some(place),
        }
    }
}

impl Warning {
    /// What to change.
    pub fn place(&self) -> &Place {
        match self {
            Self::Renamed { place, .. } => place,
        }
    }
}

impl From<ConfigError> for Problems {
    fn from(problem: ConfigError) -> Self {
        Self {
            found: vec![problem],
            omitted: 0,
        }
    }
}

impl IntoIterator for Problems {
    type Item = ConfigError;
    type IntoIter = std::vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.found.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.found.iter().enumerate() {
            if at > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{problem}")?;
        }
        match self.omitted {
            0 => Ok(()),
            1 => f.write_str("\n\nand 1 more problem"),
            omitted => write!(f, "\n\nand {omitted} more problems"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl std::error::Error for Problems {}
