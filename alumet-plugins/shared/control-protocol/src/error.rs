use crate::words::excerpt;

/// Why a line is no command. [`GRAMMAR`](crate::GRAMMAR) says what would be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(pub(crate) String);

impl CommandError {
    pub(crate) fn new(why: impl ToString) -> Self {
        Self(why.to_string())
    }

    /// Begins with a word of the line, in quotes.
    pub(crate) fn about(word: &str, why: &str) -> Self {
        Self(format!("`{}` {why}", excerpt(word)))
    }
}
