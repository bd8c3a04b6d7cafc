//! One line from whoever steers the agent.

use std::fmt;

use crate::error::CommandError;
use crate::request::{Request, Words};
use crate::words;

/// One line, parsed as far as it makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How the reply to this line is to be written; known even if the rest is wrong.
    pub format: Option<Format>,
    /// What is asked.
    pub command: Result<Command, CommandError>,
}

/// What a line asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Write replies like this from now on.
    Format(Format),
    /// Do something.
    Do(Request),
}

/// How replies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Lines that begin with two spaces, and a last one that is `ok` or begins with `error: `.
    #[default]
    Text,
    /// One JSON object in one line.
    Json,
}

impl Line {
    /// Parses a line without its end.
    pub fn parse(text: &str) -> Self {
        let rest = text
            .trim_ascii()
            .strip_prefix("json")
            .filter(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_whitespace()));
        Self {
            format: rest.map(|_| Format::Json),
            command: words::split(rest.unwrap_or(text)).and_then(|words| command(&words)),
        }
    }
}

fn command(words: &[String]) -> Result<Command, CommandError> {
    if words.first().is_none_or(|first| first != "format") {
        return Request::from_words(words).map(Command::Do);
    }
    let mut words = Words::new(words)?;
    let format = match words.next("`text` or `json`")? {
        "text" => Format::Text,
        "json" => Format::Json,
        format => return Err(CommandError::Format(words::excerpt(format))),
    };
    words.end()?;
    Ok(Command::Format(format))
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(Format::Text) => f.write_str("format text"),
            Self::Format(Format::Json) => f.write_str("format json"),
            Self::Do(request) => request.fmt(f),
        }
    }
}
