//! The page for people, at `/`.

use axum::Router;

use crate::state::Api;

/// The page and its files.
pub(crate) fn routes() -> Router<Api> {
    Router::new()
}
