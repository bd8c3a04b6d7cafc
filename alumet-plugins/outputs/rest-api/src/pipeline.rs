//! The endpoints below `/api/v1` that GPU telemetry pipelines have.

use utoipa_axum::router::OpenApiRouter;

use crate::state::Api;

/// All of them.
pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
}
