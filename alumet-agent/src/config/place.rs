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
#[derive(Clone)]
pub struct Place {
    source: Arc<Source>,
    start: u32,
    end: u32,
}

/// Who gave a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The default that is built into the program.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable that stands for a flag, by its name.
    Environment(String),
    /// The n-th `--config-override`, counted from 1.
    Override(usize),
    /// A command-line flag, by its name with the dashes.
    Flag(String),
}

/// The text that places point into, shared by all of them.
pub(super) struct Source {
    origin: Origin,
    text: Option<String>,
    index: OnceLock<Index>,
}

/// Where the lines of a text start, and how many characters stand before each block of bytes: lines and columns are
/// found at once, even in a line of many megabytes.
struct Index {
    line_starts: Vec<usize>,
    characters_before: Vec<usize>,
}

/// Bytes of text for each entry of the index of characters.
const BLOCK: usize = 1024;

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
        Source::without_text(origin).whole()
    }

    /// Who gave it.
    pub fn origin(&self) -> &Origin {
        &self.source.origin
    }

    /// Line and column, both counted from 1; `None` where the origin has no text.
    pub fn line_column(&self) -> Option<(usize, usize)> {
        self.source.text.as_ref()?;
        let (line, line_start) = self.source.line_of(self.start());
        let column =
            self.source.characters_before(self.start()) - self.source.characters_before(line_start) + 1;
        Some((line, column))
    }

    /// Whether nobody but the program itself gave it.
    pub fn is_default(&self) -> bool {
        self.source.origin == Origin::Default
    }

    /// The source text that the place covers.
    pub(super) fn text(&self) -> Option<&str> {
        self.source.text.as_deref()?.get(self.range())
    }

    /// The same source, other characters.
    pub(super) fn narrowed(&self, range: Range<usize>) -> Self {
        self.source.place(range)
    }

    /// Where the place starts, in bytes.
    pub(super) fn start(&self) -> usize {
        self.start as usize
    }

    fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The line to show under a message.
    pub(super) fn excerpt(&self) -> Option<Excerpt> {
        let text = self.source.text.as_deref()?;
        let (_, line_start) = self.source.line_of(self.start());
        let rest = text.get(line_start..)?;
        let line = rest.lines().next().unwrap_or("");
        let indent = text.get(line_start..self.start())?.chars().count();
        let line_end = line_start + line.len();
        let covered = text.get(self.start()..(self.end as usize).min(line_end).max(self.start()))?;
        Some(Excerpt::new(
            &secret::masked_line(line),
            indent,
            covered.chars().count().max(1),
        ))
    }
}

impl Excerpt {
    fn new(line: &str, indent: usize, width: usize) -> Self {
        let clean = |c: char| {
            if c == '\t' {
                ' '
            } else if c.is_control() {
                '\u{fffd}'
            } else {
                c
            }
        };
        let length = line.chars().count();
        let indent = indent.min(length);
        let (skipped, prefix) = match length > LONGEST_EXCERPT {
            true if indent > LONGEST_EXCERPT / 2 => (indent - LONGEST_EXCERPT / 2, "…"),
            _ => (0, ""),
        };
        let mut text = String::from(prefix);
        text.extend(line.chars().skip(skipped).take(LONGEST_EXCERPT).map(clean));
        if length - skipped > LONGEST_EXCERPT {
            text.push('…');
        }
        let indent = indent - skipped + prefix.chars().count();
        let room = text.chars().count().saturating_sub(indent).max(1);
        Self {
            text,
            indent,
            width: width.min(room),
        }
    }
}

impl Source {
    /// A source with its text.
    pub(super) fn with_text(origin: Origin, text: String) -> Arc<Self> {
        Arc::new(Self {
            origin,
            text: Some(text),
            index: OnceLock::new(),
        })
    }

    /// A source that gives values without a text, such as a flag.
    pub(super) fn without_text(origin: Origin) -> Arc<Self> {
        Arc::new(Self {
            origin,
            text: None,
            index: OnceLock::new(),
        })
    }

    /// The text; empty where there is none.
    pub(super) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or("")
    }

    /// Who gave it.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The place of the characters `range`, moved to character borders inside the text.
    pub(super) fn place(self: &Arc<Self>, range: Range<usize>) -> Place {
        let text = self.text();
        let border = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            u32::try_from(at).unwrap_or(u32::MAX)
        };
        let start = border(range.start);
        Place {
            source: Arc::clone(self),
            start,
            end: border(range.end).max(start),
        }
    }

    /// The place that stands for the source as a whole.
    pub(super) fn whole(self: &Arc<Self>) -> Place {
        self.place(0..0)
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(self.text()))
    }

    /// Number (from 1) and first byte of the line that holds the byte `at`.
    fn line_of(&self, at: usize) -> (usize, usize) {
        let starts = &self.index().line_starts;
        let line = starts.partition_point(|start| *start <= at).max(1);
        (line, starts.get(line - 1).copied().unwrap_or(0))
    }

    /// How many characters start before the byte `at`.
    fn characters_before(&self, at: usize) -> usize {
        let before = self
            .index()
            .characters_before
            .get(at / BLOCK)
            .copied()
            .unwrap_or(0);
        let block = self.text().as_bytes().get(at / BLOCK * BLOCK..at);
        before + block.map_or(0, count_characters)
    }
}

impl Index {
    fn new(text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        let mut count = 0;
        let after = |block: &[u8]| {
            count += count_characters(block);
            count
        };
        let characters_before = std::iter::once(0)
            .chain(text.as_bytes().chunks(BLOCK).map(after))
            .collect();
        Self {
            line_starts,
            characters_before,
        }
    }
}

/// How many characters start in a piece of UTF-8.
fn count_characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
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
            Self::Environment(name) => write!(f, "environment variable {name}"),
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

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.start == other.start && self.end == other.end && self.source.origin == other.source.origin
    }
}

impl Eq for Place {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Origin, Source};

    proptest! {
        #[test]
        fn line_and_column_are_those_of_counting_by_hand(text in "(é|\n|[ab]{0,900}){0,12}", at in 0..4000usize) {
            let place = Source::with_text(Origin::Override(1), text.clone()).place(at..at);
            let before = &text[..place.start()];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            prop_assert_eq!(place.line_column(), Some((line, column)));
        }
    }
}
