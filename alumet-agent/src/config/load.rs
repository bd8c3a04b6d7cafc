//! From the sources to one document.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::alias::Alias;
use super::parse::parse;
use super::place::{Origin, Place, Source};
use super::problem::{Problem, Problems};
use super::source;
use super::substitute::{Environment, substitute};
use super::{Document, KeyPath};

/// The sources of a configuration, each of which wins over those that were added before.
pub struct Loader<'a> {
    environment: &'a Environment,
    aliases: Vec<Alias>,
    document: Document,
    /// What is wrong with sources as a whole.
    unreadable: Problems,
    /// What is wrong with single keys.
    problems: Problems,
    overrides: usize,
}

/// Longest text of a configuration in bytes. The longest known one is a thousand times shorter.
pub(super) const LONGEST_TEXT: usize = 16 * 1024 * 1024;

impl<'a> Loader<'a> {
    /// No source yet. `environment` gives the variables of `${…}`.
    pub fn new(environment: &'a Environment) -> Self {
        Self {
            environment,
            aliases: Vec::new(),
            document: Document::default(),
            unreadable: Problems::default(),
            problems: Problems::default(),
            overrides: 0,
        }
    }

    /// Old names of keys in the sources that follow.
    #[must_use]
    pub fn aliases(mut self, aliases: impl IntoIterator<Item = Alias>) -> Self {
        self.aliases.extend(aliases);
        self
    }

    /// A file, or a folder whose `*.toml` files are read in the order of their names.
    #[must_use]
    pub fn path(mut self, path: impl AsRef<Path>) -> Self {
        let Some(files) = self.unreadable.keep(source::files(path.as_ref())) else {
            return self;
        };
        files.into_iter().fold(self, |mut loader, file| {
            match loader.unreadable.keep(source::read(&file)) {
                Some(bytes) => loader.source(Origin::File(file), bytes),
                None => loader,
            }
        })
    }

    /// The text of a file that the caller has read already; `path` is its name in messages.
    #[must_use]
    pub fn text(self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.source(Origin::File(path.into()), text.into().into())
    }

    /// A piece of TOML from the command line.
    #[must_use]
    pub fn override_with(mut self, text: impl Into<String>) -> Self {
        self.overrides += 1;
        let origin = Origin::Override(self.overrides);
        self.source(origin, text.into().into())
    }

    /// One value, such as that of the flag `--output-file` for `plugins.csv.output_path`.
    #[must_use]
    pub fn set(mut self, path: &KeyPath, value: impl Into<toml::Value>, origin: Origin) -> Self {
        let place = Place::whole(origin);
        self.document.lay(Document::nested(path, value.into(), &place));
        self
    }

    fn source(mut self, origin: Origin, bytes: Vec<u8>) -> Self {
        let document = text(origin, bytes).and_then(|source| parse(&source));
        if let Some(mut document) = self.unreadable.keep(document) {
            document.rename(&self.aliases, &mut self.problems);
            self.document.lay(document);
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
    pub(crate) fn merge(mut self) -> Result<(Document, Problems), Problems> {
        self.unreadable.or_ok(())?;
        substitute(&mut self.document, self.environment, &mut self.problems);
        Ok((self.document, self.problems))
    }
}

/// What these bytes say.
fn text(origin: Origin, bytes: Vec<u8>) -> Result<Arc<Source>, Problems> {
    if bytes.len() > LONGEST_TEXT {
        let limit = LONGEST_TEXT / (1024 * 1024);
        let what = format!("the configuration of {origin} is larger than {limit} MiB");
        return Err(Problem::new(what)
            .help("check that this is the configuration, and not some other file")
            .into());
    }
    String::from_utf8(bytes)
        .map(|text| Source::with_text(origin.clone(), text))
        .map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let place = Source::with_text(origin, text).place(valid..valid + '\u{fffd}'.len_utf8());
            let problem = Problem::new("the file is not UTF-8 text").at(place);
            problem.help("save the file as UTF-8").into()
        })
}
