//! What can be wrong with a configuration, and how it is told.

use std::fmt;

use super::key_path::KeyPath;
use super::place::Place;

/// One problem of a configuration, with the place to mend.
///
/// `Display` writes several lines, as a compiler does: what is wrong, where, the line itself, and a remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    what: String,
    place: Option<Place>,
    help: Option<String>,
}

/// All problems of a configuration that one attempt found, in the order of the sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    found: Vec<Problem>,
    omitted: usize,
}

/// Something that works and should be changed nevertheless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub(super) Problem);

impl Problem {
    /// `what` is wrong with the configuration as a whole.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        let what = what.into();
        Self {
            what,
            place: None,
            help: None,
        }
    }

    /// The value of a key is of the right type and still makes no sense.
    pub(super) fn invalid(path: &KeyPath, message: &str) -> Self {
        Self::new(format!("invalid value at {}: {message}", path.named()))
    }

    /// At this place.
    #[must_use]
    pub(crate) fn at(mut self, place: &Place) -> Self {
        self.place = Some(place.clone());
        self
    }

    /// How to mend it.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// How to mend an unknown name: the nearest known one; without one, all of them if they are few.
    #[must_use]
    pub(super) fn help_with_names(self, name: &str, known: &[&str], what: &str) -> Self {
        const FEW: usize = 12;
        match super::nearest(name, known.iter().copied()) {
            Some(nearest) => self.help(format!("did you mean `{nearest}`?")),
            None if known.is_empty() => self.help(format!("there are no {what} here")),
            None if known.len() <= FEW => self.help(format!("the {what} are `{}`", known.join("`, `"))),
            None => self,
        }
    }

    /// What is wrong, in one line.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where to mend it; `None` when a file as a whole is the problem.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Writes what, `--> file:line:column`, the line with a caret under the place, and the remedy.
    fn write(&self, f: &mut fmt::Formatter<'_>, severity: &str) -> fmt::Result {
        write!(f, "{severity}: {}", self.what)?;
        let line = self.place.as_ref().and_then(Place::line_column);
        let line = line.map_or_else(String::new, |(line, _)| line.to_string());
        let margin = " ".repeat(line.len().max(1));
        if let Some(place) = &self.place {
            write!(f, "\n{margin}--> {place}")?;
            if let Some(excerpt) = place.excerpt() {
                let (blank, carets) = (" ".repeat(excerpt.indent), "^".repeat(excerpt.width));
                write!(f, "\n{margin} |\n{line} | {}", excerpt.text.trim_end())?;
                write!(f, "\n{margin} | {blank}{carets}")?;
            }
        }
        match &self.help {
            Some(help) => write!(f, "\n{margin} = help: {help}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "error")
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, "warning")
    }
}

impl Problems {
    /// How many problems are kept in full; further ones are only counted.
    pub const LIMIT: usize = 50;

    /// Adds one problem.
    pub fn push(&mut self, problem: Problem) {
        if self.found.len() < Self::LIMIT {
            self.found.push(problem);
        } else {
            self.omitted += 1;
        }
    }

    /// Adds the problems of a step so that later steps can add theirs; `None` if there is any.
    pub(crate) fn keep<T>(&mut self, step: Result<T, Self>) -> Option<T> {
        let found = match step {
            Ok(value) => return Some(value),
            Err(found) => found,
        };
        self.omitted += found.omitted;
        found.found.into_iter().for_each(|problem| self.push(problem));
        None
    }

    /// The problems that are kept in full.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.found.iter()
    }

    /// `Ok` with `value` when nothing is wrong.
    ///
    /// # Errors
    /// The problems, if there is any.
    pub fn or_ok<T>(self, value: T) -> Result<T, Self> {
        if self.found.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// Brings the problems of one source into the order of its lines.
    pub(super) fn sort(&mut self) {
        self.found
            .sort_by_key(|problem| problem.place().map_or(0, Place::start));
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        let found = vec![problem];
        Self { found, omitted: 0 }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.found.iter().enumerate() {
            let gap = if at > 0 { "\n\n" } else { "" };
            write!(f, "{gap}{problem}")?;
        }
        match self.omitted {
            0 => Ok(()),
            1 => f.write_str("\n\nand 1 more problem"),
            omitted => write!(f, "\n\nand {omitted} more problems"),
        }
    }
}

impl std::error::Error for Problem {}

impl std::error::Error for Problems {}
