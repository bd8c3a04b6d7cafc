//! From the sources to one document.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Document;
use super::alias::{self, Alias};
use super::key_path::KeyPath;
use super::parse::parse;
use super::place::{Origin, Place, Source};
use super::problem::Problems;
use super::source::{self, LONGEST_TEXT, too_big};
use super::substitute::{Environment, substitute};
use super::tree::{self, Node, Table};

/// The sources of a configuration, each of which wins over those that were added before.
pub struct Loader<'a> {
    environment: &'a Environment,
    aliases: Vec<Alias>,
    tables: Vec<Table>,
    /// What is wrong with sources as a whole.
    unreadable: Problems,
    overrides: usize,
}

impl<'a> Loader<'a> {
    /// No source yet. `environment` gives the variables of `${…}`.
    pub fn new(environment: &'a Environment) -> Self {
        Self {
            environment,
            aliases: Vec::new(),
            tables: Vec::new(),
            unreadable: Problems::default(),
            overrides: 0,
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
    pub fn path(mut self, path: impl AsRef<Path>) -> Self {
        let sources = source::read(path.as_ref(), &mut self.unreadable);
        sources.into_iter().fold(self, Self::source)
    }

    /// The text of a file that the caller has read already; `path` is its name in messages.
    #[must_use]
    pub fn text(self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.source(Source::with_text(Origin::File(path.into()), text.into()))
    }

    /// A piece of TOML from the command line.
    #[must_use]
    pub fn override_with(mut self, text: impl Into<String>) -> Self {
        self.overrides += 1;
        let origin = Origin::Override(self.overrides);
        self.source(Source::with_text(origin, text.into()))
    }

    /// One value, such as that of the flag `--output-file` for `plugins.csv.output_path`.
    #[must_use]
    pub fn set(mut self, path: &KeyPath, value: impl Into<toml::Value>, origin: Origin) -> Self {
        let node = Node::from_toml(value.into(), &Place::whole(origin));
        self.tables.push(tree::nested(path, node));
        self
    }

    fn source(mut self, source: Arc<Source>) -> Self {
        if source.text().len() > LONGEST_TEXT {
            self.unreadable.push(too_big(&source.origin));
        } else {
            self.tables.extend(parse(&source, &mut self.unreadable));
        }
        self
    }

    /// Merges everything.
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
    pub(crate) fn merge(self) -> Result<(Document, Problems), Problems> {
        self.unreadable.or_ok(())?;
        let mut problems = Problems::default();
        let mut merged = Table::default();
        let mut warnings = Vec::new();
        for mut table in self.tables {
            alias::rename(&mut table, &self.aliases, &mut warnings, &mut problems);
            tree::join(&mut merged, table, true);
        }
        let mut document = Document::new(merged, warnings);
        substitute(
            &mut document.root,
            &KeyPath::root(),
            self.environment,
            &mut problems,
        );
        Ok((document, problems))
    }
}
