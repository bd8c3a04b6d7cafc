//! Where a key or a value of the configuration comes from.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::secret;

/// One point of the configuration's sources: the characters that gave a key or a value.
///
/// Shown as `file:line:column`, with line and column counted from 1 and the column in characters. What a flag or
/// the built-in default gave has no line.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    source: Arc<Source>,
    range: Range<usize>,
}

/// Who gave a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The default that is built into the program.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// The n-th `--config-override`, counted from 1.
    Override(usize),
    /// A command-line flag, by its name with the dashes.
    Flag(String),
}

/// The text that places point into, shared by all of them.
pub(super) struct Source {
    pub(super) origin: Origin,
    text: Option<String>,
    /// Where each line begins, once somebody asks.
    lines: OnceLock<Vec<usize>>,
}

/// Two sources are the same if the same origin gave them.
impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.origin == other.origin
    }
}

impl Eq for Source {}

/// One line of a source, prepared for a message.
pub(super) struct Excerpt {
    /// The line, without secrets, tabs and control characters, cut around the place when it is long.
    pub(super) text: String,
    /// How many characters of `text` stand before the place.
    pub(super) indent: usize,
    /// How many characters the place covers on this line, at least 1.
    pub(super) width: usize,
}

/// Longest line that a message shows in full; a longer one is cut around the place.
const LONGEST_EXCERPT: usize = 160;

impl Place {
    /// Makes the place of what `origin` gave without any text.
    pub fn whole(origin: Origin) -> Self {
        Source::new(origin, None).place(0..0)
    }

    /// Who gave it.
    pub fn origin(&self) -> &Origin {
        &self.source.origin
    }

    /// Line and column, both counted from 1; `None` where the origin has no text.
    pub fn line_column(&self) -> Option<(usize, usize)> {
        let (number, start) = self.line()?;
        let before = self.source.text().get(start..self.range.start)?;
        Some((number, before.chars().count() + 1))
    }

    /// The number of the line, counted from 1, and where it begins.
    fn line(&self) -> Option<(usize, usize)> {
        let text = self.source.text.as_deref()?;
        let starts = self.source.lines.get_or_init(|| {
            let ends = text.match_indices('\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        });
        let number = starts.partition_point(|start| *start <= self.range.start);
        Some((number, *starts.get(number.checked_sub(1)?)?))
    }

    /// The source text that the place covers.
    pub(super) fn text(&self) -> &str {
        self.source.text().get(self.range.clone()).unwrap_or_default()
    }

    /// The first character of the source.
    pub(super) fn beginning(&self) -> Self {
        self.source.place(0..0)
    }

    /// The same source, other characters; counted from the start of this place.
    pub(super) fn narrowed(&self, range: Range<usize>) -> Self {
        self.source
            .place(self.range.start + range.start..self.range.start + range.end)
    }

    /// Where the place starts, in bytes.
    pub(super) fn start(&self) -> usize {
        self.range.start
    }

    /// The line to show under a message.
    pub(super) fn excerpt(&self) -> Option<Excerpt> {
        let (_, line_start) = self.line()?;
        let line = self
            .source
            .text()
            .get(line_start..)?
            .lines()
            .next()
            .unwrap_or_default();
        let start = self.range.start - line_start;
        let end = (self.range.end - line_start).min(line.len()).max(start);
        let indent = line.get(..start)?.chars().count();
        let width = line.get(start..end)?.chars().count().max(1);
        let line = secret::masked_line(line, end);

        let skipped = match line.chars().count() > LONGEST_EXCERPT {
            true => indent.saturating_sub(LONGEST_EXCERPT / 2),
            false => 0,
        };
        let mut shown: String = if skipped > 0 { "…" } else { "" }.to_owned();
        let indent = indent - skipped + shown.chars().count();
        let mut rest = line.chars().skip(skipped).map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        });
        shown.extend(rest.by_ref().take(LONGEST_EXCERPT));
        if rest.next().is_some() {
            shown.push('…');
        }
        let room = shown.chars().count().saturating_sub(indent).max(1);
        Some(Excerpt {
            text: shown,
            indent,
            width: width.min(room),
        })
    }
}

impl Source {
    /// A source with its text.
    pub(super) fn with_text(origin: Origin, text: String) -> Arc<Self> {
        Self::new(origin, Some(text))
    }

    fn new(origin: Origin, text: Option<String>) -> Arc<Self> {
        let lines = OnceLock::new();
        Arc::new(Self { origin, text, lines })
    }

    /// The text; empty where there is none.
    pub(super) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// The place of the bytes `range`, moved to character borders inside the text.
    pub(super) fn place(self: &Arc<Self>, range: Range<usize>) -> Place {
        let text = self.text();
        let border = |at: usize| {
            (0..=at.min(text.len()))
                .rev()
                .find(|at| text.is_char_boundary(*at))
        };
        let start = border(range.start).unwrap_or(0);
        let end = border(range.end).unwrap_or(0).max(start);
        Place {
            source: Arc::clone(self),
            range: start..end,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source.origin)?;
        match self.line_column() {
            Some((line, column)) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Override(number) => write!(f, "--config-override #{number}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Origin, Source};

    proptest! {
        #[test]
        fn line_and_column_are_those_of_counting_by_hand(text in "(é|\n|[ab]{0,900}){0,12}", at in 0..4000usize) {
            let place = Source::with_text(Origin::Override(1), text.clone()).place(at..at);
            let before = &text[..place.start()];
            let lines: Vec<&str> = before.split('\n').collect();
            let column = lines[lines.len() - 1].chars().count() + 1;
            prop_assert_eq!(place.line_column(), Some((lines.len(), column)));
        }
    }
}
