//! What gateways ask: programs such as this one that have no store of their own.

use alumet_shared_remote_query::{PATH, answer};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::post;

use crate::asker::Asker;
use crate::error::ApiError;
use crate::state::Api;

/// The one endpoint that they ask.
pub(crate) fn routes() -> Router<Api> {
    Router::new().route(PATH, post(question))
}

async fn question(State(api): State<Api>, asker: Asker, body: Bytes) -> Result<impl IntoResponse, ApiError> {
    let answer = answer(asker.backend(), &body, api.limits()).await?;
    // It is compressed already, in its own way.
    let headers = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CONTENT_ENCODING, "identity"),
    ];
    Ok((headers, answer))
}
