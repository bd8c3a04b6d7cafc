use alumet_shared_query::QueryError;
use serde::Serialize;

/// Why there is no answer, as the HTTP API of Prometheus says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What sort of error it is.
    #[serde(rename = "errorType")]
    pub kind: ErrorKind,
    /// For people.
    #[serde(rename = "error")]
    pub message: String,
}

/// The sorts of errors of the HTTP API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The question cannot be understood.
    BadData,
    /// It is understood, but cannot be answered.
    Execution,
    /// There was no answer in time.
    Timeout,
    /// Whoever has the data does not answer.
    Unavailable,
    /// This program is at fault.
    Internal,
}

impl ErrorKind {
    /// The status of HTTP that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadData => 400,
            Self::Execution => 422,
            Self::Timeout | Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }
}

impl ApiError {
    pub(crate) fn bad_data(message: impl Into<String>) -> Self {
        let message = message.into();
        let kind = ErrorKind::BadData;
        Self { kind, message }
    }

    pub(crate) fn execution(message: impl Into<String>) -> Self {
        let message = message.into();
        let kind = ErrorKind::Execution;
        Self { kind, message }
    }
}

/// Work that did not come to its end.
impl From<tokio::task::JoinError> for ApiError {
    fn from(error: tokio::task::JoinError) -> Self {
        let message = format!("the work on this question was given up: {error}");
        let kind = ErrorKind::Internal;
        Self { kind, message }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let kind = match error {
            QueryError::Invalid(_) => ErrorKind::BadData,
            QueryError::TooMuch { .. } => ErrorKind::Execution,
            QueryError::Deadline => ErrorKind::Timeout,
            QueryError::Unavailable { .. } => ErrorKind::Unavailable,
        };
        let message = error.to_string();
        Self { kind, message }
    }
}
