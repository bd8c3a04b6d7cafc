use alumet_core::pipeline::PatternError;

/// Why a line is no command. [`GRAMMAR`](crate::GRAMMAR) says what would be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is nothing.
    #[error("the line is empty; send `help` for all commands")]
    Empty,
    /// The first word is no command.
    #[error("`{0}` is no command; send `help` for all commands")]
    Unknown(String),
    /// `control` cannot do that.
    #[error(
        "`{0}` is nothing that `control` can do: pause, disable, resume, enable, stop, trigger-now, set-period, \
         set-poll-interval"
    )]
    UnknownAction(String),
    /// Something is not there.
    #[error("`{command}` lacks {what}")]
    Missing {
        /// The command.
        command: String,
        /// What it lacks.
        what: &'static str,
    },
    /// Something follows that has no meaning.
    #[error("nothing more can follow `{command}`; leave `{rest}` out")]
    TooMuch {
        /// The command.
        command: String,
        /// The first word too many.
        rest: String,
    },
    /// A pattern is wrong.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A duration is wrong.
    #[error("`{text}` is no duration ({error}); write it as 500ms, 1s or 1m 30s")]
    Duration {
        /// What stands there.
        text: String,
        /// What the parser says.
        error: String,
    },
    /// The reply can have no such form.
    #[error("`{0}` is no format; write `format text` or `format json`")]
    Format(String),
    /// A word in quotes does not end.
    #[error("a double quote is not closed; write it as \"sources/a b/*\"")]
    OpenQuote,
    /// Something sticks to a closing quote.
    #[error("a space must follow a closing quote; write `\\\"` for a quote within quotes")]
    AfterQuote,
    /// A backslash is followed by something without meaning.
    #[error("`\\{0}` means nothing; within quotes there are \\\\, \\\", \\n, \\r and \\t")]
    Escape(char),
}
