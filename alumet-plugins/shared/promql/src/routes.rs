use alumet_core::time::{Clock, SystemClock};
use axum::body::Bytes;
use axum::extract::{Path, RawQuery};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde::Serialize;

use crate::answer::Answer;
use crate::api::Api;
use crate::error::ApiError;
use crate::parameters::Parameters;

/// The endpoints, below wherever they are nested: `/api/v1/query` and the like. Each request must have an [`Api`] among its
/// extensions, so that whoever nests them can decide what each may see.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    /// An endpoint that takes its parameters from the address and from a form.
    macro_rules! endpoint {
        ($name:ident $(, $now:expr)?) => {{
            let handler = |Extension(api): Extension<Api>, query: RawQuery, form: Bytes| async move {
                respond(api.$name(&parameters(query, &form) $(, $now)?).await).await
            };
            get(handler).post(handler)
        }};
    }
    let label_values = |Extension(api): Extension<Api>, Path(label): Path<String>, query: RawQuery| async move {
        respond(api.label_values(&label, &parameters(query, &[])).await).await
    };
    // There are none, and clients ask.
    let exemplars = || respond(Ok(Answer::<[u8; 0]>::of([])));
    Router::new()
        .route("/api/v1/query", endpoint!(query, SystemClock.now().wall))
        .route("/api/v1/query_range", endpoint!(query_range))
        .route("/api/v1/query_exemplars", get(exemplars).post(exemplars))
        .route("/api/v1/series", endpoint!(series))
        .route("/api/v1/labels", endpoint!(labels))
        .route("/api/v1/label/{label}/values", get(label_values))
        .route("/api/v1/metadata", endpoint!(metadata))
        .route("/api/v1/status/buildinfo", get(|| respond(Ok(Api::build_info()))))
}

fn parameters(RawQuery(query): RawQuery, form: &[u8]) -> Parameters {
    Parameters::parse(&query.unwrap_or_default(), form)
}

/// Writes an answer, which may be large, where it keeps nobody from working.
async fn respond<T: Serialize + Send + 'static>(answer: Result<Answer<T>, ApiError>) -> Response {
    let write = move |answer: Answer<T>| async move {
        let text = tokio::task::spawn_blocking(move || serde_json::to_vec(&answer)).await?;
        text.map_err(|error| ApiError::execution(format!("the answer cannot be written: {error}")))
    };
    let answer = match answer {
        Ok(answer) => write(answer).await,
        Err(error) => Err(error),
    };
    let json = [(header::CONTENT_TYPE, "application/json")];
    match answer {
        Ok(text) => (json, text).into_response(),
        Err(error) => {
            let status =
                StatusCode::from_u16(error.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, json, error_text(&error)).into_response()
        }
    }
}

fn error_text(error: &ApiError) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        status: &'static str,
        #[serde(flatten)]
        error: &'a ApiError,
    }
    let status = "error";
    // Texts can always be written.
    serde_json::to_vec(&Body { status, error }).unwrap_or_default()
}
