//! What can be wrong with a configuration, and how it is told.

use std::fmt;

use super::key_path::KeyPath;
use super::place::Place;

/// One problem of a configuration, with the place to mend.
///
/// `Display` writes several lines, as a compiler does: what is wrong, where, the line itself, and a remedy.
#[derive(Debug, Clone)]
pub struct Problem {
    what: String,
    /// Where to mend it; `None` when a file as a whole is the problem.
    place: Option<Place>,
    help: Option<String>,
}

/// All problems of a configuration that one attempt found, in the order of the sources.
#[derive(Debug, Clone, Default)]
pub struct Problems(Vec<Problem>);

/// How many problems are shown; further ones are only counted.
const MOST_SHOWN: usize = 50;

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
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
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

    /// The text of something that works and should be changed nevertheless.
    pub(super) fn to_warning(&self) -> String {
        let mut text = String::new();
        let _ = self.write(&mut text);
        text
    }

    /// Writes what, `--> file:line:column`, the line with a caret under the place, and the remedy.
    fn write(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str(&self.what)?;
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
        f.write_str("error: ")?;
        self.write(f)
    }
}

impl Problems {
    /// Adds one problem.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds the problems of a step so that later steps can add theirs; `None` if there is any.
    pub(crate) fn keep<T>(&mut self, step: Result<T, impl Into<Self>>) -> Option<T> {
        step.map_err(|found| self.0.extend(found.into().0)).ok()
    }

    /// `Ok` with `value` when nothing is wrong.
    ///
    /// # Errors
    /// The problems, if there is any.
    pub fn or_ok<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Brings the problems of one source into the order of its lines.
    pub(super) fn sort(&mut self) {
        self.0
            .sort_by_key(|problem| problem.place.as_ref().map_or(0, Place::start));
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for problem in self.0.iter().take(MOST_SHOWN) {
            write!(f, "{gap}{problem}")?;
            gap = "\n\n";
        }
        match self.0.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            1 => f.write_str("\n\nand 1 more problem"),
            more => write!(f, "\n\nand {more} more problems"),
        }
    }
}

impl std::error::Error for Problem {}

impl std::error::Error for Problems {}
