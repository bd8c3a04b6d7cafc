//! One line from whoever steers the agent.

use std::fmt;

use crate::error::CommandError;
use crate::request::Request;
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
        let words = match words::split(text) {
            Ok(words) => words,
            Err(error) => {
                let is_json = text.trim_start().starts_with("json ");
                return Self {
                    format: is_json.then_some(Format::Json),
                    command: Err(error),
                };
            }
        };
        match words.split_first() {
            Some((first, rest)) if first == "json" => Self {
                format: Some(Format::Json),
                command: command(rest),
            },
            _ => Self {
                format: None,
                command: command(&words),
            },
        }
    }
}

fn command(words: &[String]) -> Result<Command, CommandError> {
    match words {
        [first, format] if first == "format" => match format.as_str() {
            "text" => Ok(Command::Format(Format::Text)),
            "json" => Ok(Command::Format(Format::Json)),
            _ => Err(CommandError::Format(words::excerpt(format))),
        },
        [first, rest @ ..] if first == "format" => Err(match rest.get(1) {
            None => CommandError::Missing {
                command: first.clone(),
                what: "`text` or `json`",
            },
            Some(word) => CommandError::TooMuch {
                command: first.clone(),
                rest: words::excerpt(word),
            },
        }),
        words => Request::from_words(words).map(Command::Do),
    }
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
