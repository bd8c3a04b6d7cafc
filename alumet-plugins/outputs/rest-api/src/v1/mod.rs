//! The endpoints below `/api/v1` about series of every sort.

#[cfg(feature = "arrow")]
mod arrow;
mod asked;
#[cfg(test)]
mod bench;
mod catalogue;
mod documented;
mod energy;
mod format;
mod labels;
mod live;
mod parameters;
pub(crate) mod pipeline;
mod query;
mod status;
#[cfg(test)]
mod tests;
mod time;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::Api;

/// All of them.
pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(catalogue::metrics))
        .routes(routes!(catalogue::nodes))
        .routes(routes!(catalogue::resources))
        .routes(routes!(catalogue::consumers))
        .routes(routes!(catalogue::series))
        .routes(routes!(query::query))
        .routes(routes!(energy::energy))
        .routes(routes!(energy::top))
        .routes(routes!(live::live))
        .routes(routes!(status::status))
}
