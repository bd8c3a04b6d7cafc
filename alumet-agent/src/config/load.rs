//! From the sources to one document.

use std::path::PathBuf;
use std::sync::Arc;

use super::Document;
use super::alias::{self, Alias};
use super::key_path::KeyPath;
use super::parse::parse;
use super::place::{Origin, Place, Source};
use super::problem::Problems;
use super::source::{self, LONGEST_TEXT, too_big};
use super::substitute::{Environment, substitute};
use super::tree::{self, Table};

/// The list of sources of a configuration.
///
/// In whatever order they are added, a flag or an override wins over the environment, the environment over the files,
/// and the files over the built-in default. Among equals the later one wins.
pub struct Loader<'a> {
    environment: &'a Environment,
    aliases: Vec<Alias>,
    layers: Vec<Layer>,
}

enum Layer {
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
    pub fn new(environment: &'a Environment) -> Self {
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
    pub fn load(self) -> Result<Document, Problems> {
        let (document, problems) = self.merge()?;
        problems.or_ok(document)
    }

    /// The same, but with the problems of single keys beside a document without them, so that the rest can be checked,
    /// too.
    ///
    /// # Errors
    /// All problems of sources that cannot be read as TOML.
    pub(crate) fn merge(mut self) -> Result<(Document, Problems), Problems> {
        let mut problems = Problems::default();
        self.layers.sort_by_key(Layer::rank);
        let layers = self.layers.into_iter();
        let tables: Vec<Table> = layers.flat_map(|layer| layer.read(&mut problems)).collect();
        problems.or_ok(())?;
        let mut problems = Problems::default();
        let mut merged = Table::default();
        let mut warnings = Vec::new();
        for mut table in tables {
            alias::rename(&mut table, &self.aliases, &mut warnings, &mut problems);
            tree::merge(&mut merged, table);
        }
        substitute(&mut merged, self.environment, &mut problems);
        Ok((Document::new(merged, warnings), problems))
    }
}

impl Layer {
    fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Text(source) => Some(&source.origin),
            Self::Set { origin, .. } => Some(origin),
            Self::Path(_) => None,
        }
    }

    /// A higher rank wins.
    fn rank(&self) -> u8 {
        match self.origin() {
            None | Some(Origin::Default | Origin::File(_)) => 1,
            Some(Origin::Environment(_)) => 2,
            Some(Origin::Override(_) | Origin::Flag(_)) => 3,
        }
    }

    fn read(self, problems: &mut Problems) -> Vec<Table> {
        let sources = match self {
            Self::Set { path, value, origin } => {
                return vec![tree::of_path(&path, value, &Place::whole(origin))];
            }
            Self::Path(path) => source::read(&path, problems),
            Self::Text(source) if source.text().len() > LONGEST_TEXT => {
                problems.push(too_big(&source.origin));
                Vec::new()
            }
            Self::Text(source) => vec![source],
        };
        let parsed = sources.iter().filter_map(|source| parse(source, problems));
        parsed.collect()
    }
}
