//! From the sources to one document.

use std::path::PathBuf;
use std::sync::Arc;

use super::Document;
use super::alias::{self, Alias};
use super::environment::Environment;
use super::key_path::KeyPath;
use super::parse::parse;
use super::place::{Origin, Place, Source};
use super::problem::{ConfigError, Problems};
use super::source::{self, LONGEST_TEXT};
use super::substitute::substitute;
use super::tree::Table;

/// The list of sources of a configuration.
///
/// In whatever order they are added, a flag or an override wins over the environment, the environment over the files,
/// and the files over the built-in default. Among equals the later one wins.
pub struct Loader<'a> {
    environment: &'a dyn Environment,
    aliases: Vec<Alias>,
    layers: Vec<Layer>,
}

enum Layer {
    Default(toml::Table),
    Path(PathBuf),
    Text(Arc<Source>),
    Set {
        path: KeyPath,
        value: toml::Value,
        origin: Origin,
    },
}

impl<'a> Loader<'a> {
    /// No source yet. `environment` gives the variables of `${…}`.
    pub fn new(environment: &'a dyn Environment) -> Self {
        Self {
            environment,
            aliases: Vec::new(),
            layers: Vec::new(),
        }
    }

    /// Old names of keys.
    #[must_use]
    pub fn aliases(mut self, aliases: impl IntoIterator<Item = Alias>) -> Self {
        self.aliases.extend(aliases);
        self
    }

    /// Values that hold when nobody gives others.
    #[must_use]
    pub fn defaults(mut self, table: toml::Table) -> Self {
        self.layers.push(Layer::Default(table));
        self
    }

    /// A file, or a folder whose `*.toml` files are read in the order of their names.
    #[must_use]
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.layers.push(Layer::Path(path.into()));
        self
    }

    /// The text of a file that the caller has read already; `path` is its name in messages.
    #[must_use]
    pub fn text(mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.layers.push(Layer::Text(Source::with_text(
            Origin::File(path.into()),
            text.into(),
        )));
        self
    }

    /// A piece of TOML from the command line.
    #[must_use]
    pub fn override_with(mut self, text: impl Into<String>) -> Self {
        let number = 1 + self
            .layers
            .iter()
            .filter(|layer| matches!(layer.origin(), Some(Origin::Override(_))))
            .count();
        self.layers.push(Layer::Text(Source::with_text(
            Origin::Override(number),
            text.into(),
        )));
        self
    }

    /// One value, such as that of the flag `--output-file` for `plugins.csv.output_path`.
    #[must_use]
    pub fn set(mut self, path: KeyPath, value: impl Into<toml::Value>, origin: Origin) -> Self {
        self.layers.push(Layer::Set {
            path,
            value: value.into(),
            origin,
        });
        self
    }

    /// Reads and merges everything.
    ///
    /// # Errors
    /// All problems of all sources.
    pub fn load(mut self) -> Result<Document, Problems> {
        let mut problems = Problems::default();
        let mut merged = Table::default();
        let mut warnings = Vec::new();
        self.layers.sort_by_key(Layer::rank);
        for layer in self.layers {
            for mut table in layer.read(&mut problems) {
                alias::rename(&mut table, &self.aliases, &mut warnings, &mut problems);
                merged.merge(table);
            }
        }
        substitute(&mut merged, self.environment, &mut problems);
        problems.or_ok(Document::new(merged, warnings))
    }
}

impl Layer {
    fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Text(source) => Some(source.origin()),
            Self::Set { origin, .. } => Some(origin),
            Self::Default(_) | Self::Path(_) => None,
        }
    }

    /// A higher rank wins.
    fn rank(&self) -> u8 {
        match (self, self.origin()) {
            (Self::Default(_), _) | (_, Some(Origin::Default)) => 0,
            (Self::Path(_), _) | (_, Some(Origin::File(_))) => 1,
            (_, Some(Origin::Environment(_))) => 2,
            _ => 3,
        }
    }

    fn read(self, problems: &mut Problems) -> Vec<Table> {
        let sources = match self {
            Self::Default(table) => return vec![Table::from_toml(table, &Place::whole(Origin::Default))],
            Self::Set { path, value, origin } => {
                return Table::of_path(&path, value, &Place::whole(origin))
                    .into_iter()
                    .collect();
            }
            Self::Path(path) => source::read(&path, problems),
            Self::Text(source) if source.text().len() > LONGEST_TEXT => {
                problems.push(ConfigError::TooBig {
                    origin: source.origin().clone(),
                    limit: LONGEST_TEXT,
                });
                return Vec::new();
            }
            Self::Text(source) => vec![source],
        };
        sources
            .iter()
            .filter_map(|source| parse(source, problems))
            .collect()
    }
}
