//! What the agent answers.

use crate::element::{self, ElementReport};
use crate::request::GRAMMAR;
use crate::status::StatusReport;
use crate::table::one_line;

/// The answer to one command.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It was done, and there is something to say.
    Message(String),
    /// It was done to these elements.
    Selected(Vec<String>),
    /// How these elements are.
    Elements(Vec<ElementReport>),
    /// How the agent is.
    Status(Box<StatusReport>),
    /// It was not done, or not all of it.
    Refused(String),
    /// The line is no command.
    Misunderstood(String),
}

impl Reply {
    /// What is wrong, if something is.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Refused(error) | Self::Misunderstood(error) => Some(error),
            _ => None,
        }
    }

    /// The reply for people, without a word on whether all went well; empty if there is nothing else to say.
    pub fn body(&self) -> String {
        match self {
            Self::Message(message) if message.is_empty() => String::new(),
            Self::Message(message) => format!("{}\n", message.trim_end()),
            Self::Selected(elements) => elements.iter().map(|element| one_line(element) + "\n").collect(),
            Self::Elements(elements) => element::table(elements),
            Self::Status(status) => status.text(),
            Self::Refused(_) => String::new(),
            Self::Misunderstood(_) => format!("{GRAMMAR}\n"),
        }
    }

    /// The reply as lines: the body, each line behind two spaces, then `ok` or one line that begins with `error: `.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for line in self.body().lines() {
            text.push_str("  ");
            text.push_str(&line.replace(char::is_control, "\u{fffd}"));
            text.push('\n');
        }
        match self.error() {
            None => text.push_str("ok\n"),
            Some(error) => {
                text.push_str("error: ");
                text.push_str(&one_line(error));
                text.push('\n');
            }
        }
        text
    }
}
