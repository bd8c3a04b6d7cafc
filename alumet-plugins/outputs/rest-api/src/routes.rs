//! Everything that can be asked for: what it is called, and through what a request goes.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;

use crate::error::ApiError;
use crate::scoped::Scope;
use crate::state::Api;
use crate::{page, pipeline, prometheus, v1};

/// The part of the document that no handler has.
#[derive(OpenApi)]
#[openapi(info(
    title = "Alumet",
    description = "Stored series, live samples and the health of the pipeline."
))]
struct Described;

/// All routes.
pub(crate) fn router(api: Api) -> Router {
    let (documented, _document) = documented();
    let guarded = documented.nest("/prometheus", prometheus::routes());
    let guarded = guarded.layer(middleware::from_fn(everything));
    guarded
        .merge(page::routes())
        .fallback(nothing_there)
        .with_state(api)
}

/// The routes that the document describes, and the document.
fn documented() -> (Router<Api>, Document) {
    OpenApiRouter::with_openapi(Described::openapi())
        .nest("/api/v1", v1::routes().merge(pipeline::routes()))
        .split_for_parts()
}

/// Everybody may see everything.
async fn everything(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Scope::new([]));
    next.run(request).await
}

async fn nothing_there() -> ApiError {
    ApiError::not_found("there is nothing at this path; /openapi.json names all that there is")
}
