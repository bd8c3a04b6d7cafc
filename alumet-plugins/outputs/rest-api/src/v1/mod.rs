//! The endpoints below `/api/v1` about series of every sort.

use utoipa_axum::router::OpenApiRouter;

use crate::state::Api;

/// All of them.
pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
}
