//! Where a key or a value of the configuration comes from.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::secret;

/// One point of the configuration's sources: the characters that gave a key or a value.
///
/// Shown as `file:line:column`, with line and column counted from 1 and the column in characters. What a flag or
/// the built-in default gave has no line.
#[derive(Clone)]
pub(crate) struct Place {
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
    /// Empty where there is none.
    text: String,
}

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
    pub(super) fn whole(origin: Origin) -> Self {
        Source::with_text(origin, String::new()).place(0..0)
    }

    /// Who gave it.
    pub(super) fn origin(&self) -> &Origin {
        &self.source.origin
    }

    /// Line and column, both counted from 1; `None` where the origin has no text.
    pub(super) fn line_column(&self) -> Option<(usize, usize)> {
        let (above, before) = self.before()?;
        Some((above.matches('\n').count() + 1, before.chars().count() + 1))
    }

    /// The lines above the place, and what stands before it in its line.
    fn before(&self) -> Option<(&str, &str)> {
        let has_text = matches!(self.source.origin, Origin::File(_) | Origin::Override(_));
        let before = self.source.text.get(..self.range.start).filter(|_| has_text)?;
        before.split_at_checked(before.rfind('\n').map_or(0, |at| at + 1))
    }

    /// The source text that the place covers.
    pub(super) fn text(&self) -> &str {
        self.source.text().get(self.range.clone()).unwrap_or_default()
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
        let (above, before) = self.before()?;
        let line = self.source.text.get(above.len()..)?.lines().next();
        let line = line.unwrap_or_default();
        let start = before.len();
        let end = (self.range.end - above.len()).min(line.len()).max(start);
        let indent = before.chars().count();
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
    pub(super) fn with_text(origin: Origin, text: String) -> Arc<Self> {
        Arc::new(Self { origin, text })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
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
