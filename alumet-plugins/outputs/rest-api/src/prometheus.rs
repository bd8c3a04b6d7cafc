//! The HTTP API of Prometheus, below `/prometheus`.

use axum::Router;

use crate::state::Api;

/// All of it.
pub(crate) fn routes() -> Router<Api> {
    Router::new()
}
