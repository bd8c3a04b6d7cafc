//! Errors as clients get them.

use alumet_shared_query::QueryError;
use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::task::JoinError;
use utoipa::ToSchema;

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// What the status is called.
    #[schema(example = "Bad Request")]
    error: &'static str,
    /// What is wrong, and how to mend it.
    message: String,
    /// The status.
    #[schema(example = 400)]
    code: u16,
}

impl ApiError {
    /// An answer with this status; `message` says what is wrong and how to mend it.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// The question has no meaning.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Work was given up: the server ends, or a fault in it was caught.
    pub(crate) fn internal(error: &JoinError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }

    /// What is asked for is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let status = match &error {
            QueryError::Invalid(_) => StatusCode::BAD_REQUEST,
            QueryError::TooMuch { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            QueryError::Deadline => StatusCode::GATEWAY_TIMEOUT,
            QueryError::Unavailable { .. } => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: self.status.canonical_reason().unwrap_or("Error"),
            message: self.message,
            code: self.status.as_u16(),
        };
        let mut response = (self.status, Json(body)).into_response();
        let hint = match self.status {
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer realm=\"alumet\"")),
            StatusCode::TOO_MANY_REQUESTS => Some((RETRY_AFTER, "1")),
            _ => None,
        };
        let hint = hint.map(|(name, value)| (name, HeaderValue::from_static(value)));
        response.headers_mut().extend(hint);
        response
    }
}
