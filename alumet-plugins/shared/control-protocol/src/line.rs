//! One line from whoever steers the agent.

use crate::error::CommandError;
use crate::request::{Format, Request};
use crate::words;

/// One line, parsed as far as it makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How the reply to this line is to be written; known even if the rest is wrong.
    pub format: Option<Format>,
    /// What is asked.
    pub request: Result<Request, CommandError>,
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
            request: words::split(rest.unwrap_or(text)).and_then(|words| Request::from_words(&words)),
        }
    }
}
