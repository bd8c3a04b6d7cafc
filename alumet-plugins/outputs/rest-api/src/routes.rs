//! Everything that can be asked for: what it is called, and through what a request goes.

use axum::{Router, middleware};
use tower::ServiceBuilder;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::config::Config;
use crate::error::{ApiError, ErrorBody};
use crate::etag::unless_changed;
use crate::guard::{Guard, admit};
use crate::layers::around;
use crate::missing::say_what_is_missing;
use crate::state::Api;
use crate::{document, gateway, health, page, prometheus, publish, v1};

/// The part of the document that no handler has.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Alumet",
        description = "Stored series, live samples and the health of the pipeline. Who must prove who they are send \
                       `Authorization: Bearer TOKEN`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/", description = "This server.")),
    components(schemas(ErrorBody)),
    modifiers(&WithToken),
    security((), ("token" = [])),
)]
struct Described;

/// Says how a token is sent.
struct WithToken;

impl Modify for WithToken {
    fn modify(&self, document: &mut Document) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", bearer);
    }
}

/// All routes.
pub(crate) fn router(api: Api, guard: Guard, config: &Config) -> Router {
    let (documented, document) = documented();
    let guarded = documented
        .nest("/prometheus", prometheus::routes(&api))
        .merge(gateway::routes())
        .layer(
            ServiceBuilder::new()
                .layer(middleware::from_fn_with_state(guard, admit))
                .layer(middleware::from_fn_with_state(api.clone(), unless_changed))
                .layer(middleware::from_fn_with_state(api.clone(), say_what_is_missing)),
        );
    let routes = guarded
        .merge(Router::from(health::routes()))
        .merge(document::routes(&document))
        .merge(page::routes())
        .fallback(nothing_there)
        .with_state(api);
    around(routes, config)
}

/// The routes that the document describes, but for those of health, and the document.
pub(crate) fn documented() -> (Router<Api>, Document) {
    let (guarded, document) = OpenApiRouter::with_openapi(Described::openapi())
        .nest("/api/v1", v1::routes().merge(v1::pipeline::routes()))
        .merge(health::guarded())
        .merge(publish::routes())
        .split_for_parts();
    (guarded, document.merge_from(health::routes().into_openapi()))
}

async fn nothing_there() -> ApiError {
    ApiError::not_found("there is nothing at this path; /openapi.json names all that there is")
}
