/// Why a line is no command. [`GRAMMAR`](crate::GRAMMAR) says what would be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(pub(crate) String);

impl CommandError {
    pub(crate) fn new(what: impl ToString) -> Self {
        Self(what.to_string())
    }
}
