//! The HTTP API of Prometheus, below `/prometheus`.

use alumet_shared_prometheus_names::Naming;
use alumet_shared_promql::{Api as Prometheus, routes as all};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use crate::asker::Asker;
use crate::state::Api;

/// All of it.
pub(crate) fn routes(api: &Api) -> Router<Api> {
    all().layer(from_fn_with_state(api.clone(), about_what_may_be_seen))
}

/// Lets a question be answered from the series that whoever asks may see, under the names that the plugin `prometheus-exporter`
/// gives them without other configuration.
async fn about_what_may_be_seen(
    State(api): State<Api>,
    asker: Asker,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(Prometheus {
        backend: asker.shared_backend(),
        naming: Naming::default(),
        limits: api.limits(),
    });
    next.run(request).await
}
