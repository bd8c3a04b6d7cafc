//! How the program ends.

use std::fmt;
use std::process::ExitCode;

use tracing::Level;

use crate::config::Problems;
use crate::terminal;

/// Something that failed while running.
pub(crate) const FAILED: u8 = 1;
/// A wrong command line or configuration.
pub(crate) const USAGE: u8 = 2;
/// An agent answers that it does not measure or deliver all that it should.
pub(crate) const NOT_READY: u8 = 3;

/// Why a command ended early, and the exit code that says so.
#[derive(Debug)]
pub(crate) struct Failed {
    code: u8,
    message: String,
}

impl Failed {
    /// A wrong command line or configuration.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::with_code(USAGE, message)
    }

    /// Something that failed while running.
    pub(crate) fn running(message: impl fmt::Display) -> Self {
        Self::with_code(FAILED, message)
    }

    /// With a code of choice.
    pub(crate) fn with_code(code: u8, message: impl fmt::Display) -> Self {
        let message = message.to_string().trim_end().to_owned();
        Self { code, message }
    }

    /// With another code, unless it says what is wrong with a program that cannot be run.
    pub(crate) fn or_code(mut self, code: u8) -> Self {
        if matches!(self.code, FAILED | USAGE) {
            self.code = code;
        }
        self
    }

    /// What is wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Prints the message and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let message = self.message.strip_prefix("error: ").unwrap_or(&self.message);
        terminal::complain(Level::ERROR, message);
        ExitCode::from(self.code)
    }
}

impl From<Problems> for Failed {
    fn from(problems: Problems) -> Self {
        Self::usage(problems)
    }
}

impl From<anyhow::Error> for Failed {
    /// A failure while running; the whole chain is printed.
    fn from(error: anyhow::Error) -> Self {
        Self::running(format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}
