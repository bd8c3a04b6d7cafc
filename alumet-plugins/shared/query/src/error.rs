use std::borrow::Cow;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The question has no meaning; the text says what would have.
    #[error("{0}")]
    Invalid(String),
    /// The question is larger than its limits allow.
    #[error("the question needs more than {limit} {what}: {remedy}")]
    TooMuch {
        /// What there would be too much of: `samples`.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
        /// How to ask for less.
        remedy: Cow<'static, str>,
    },
    /// The time for an answer is over.
    #[error("there was no answer in time: ask for a shorter range, fewer series or a longer step")]
    Deadline,
    /// Whoever has the data cannot be asked now.
    #[error("{who} does not answer: {why}")]
    Unavailable {
        /// Whom that is about: `the collector at 10.0.0.7:8081`.
        who: String,
        /// What went wrong.
        why: String,
    },
}
