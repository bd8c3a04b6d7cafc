//! The endpoints that GPU telemetry pipelines have: graphics processors, their hosts, and what was measured of each.

pub(crate) mod gpus;
mod listing;
mod telemetry;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::asker::Asker;
use crate::error::{ApiError, ErrorBody};
use crate::state::Api;

use self::gpus::{Gpu, GpuView};
use self::listing::Listing;
use super::parameters::{Pagination, Parameters};

/// All of them.
pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(gpus))
        .routes(routes!(gpu))
        .routes(routes!(telemetry::telemetry))
        .routes(routes!(hosts))
        .routes(routes!(gpus_of_host))
}

/// Graphics processors.
#[derive(Serialize, ToSchema)]
struct GpuList {
    gpus: Gpus,
    total: usize,
    pagination: Pagination,
}

/// In the order of their ids.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Gpus {
    /// Their ids.
    Ids(Vec<String>),
    /// With `view=full`: what is known of each.
    Views(Vec<GpuView>),
}

/// Machines with graphics processors.
#[derive(Serialize, ToSchema)]
struct HostList {
    /// Their names, in order.
    hosts: Vec<String>,
    total: usize,
    pagination: Pagination,
}

/// The graphics processors of a machine.
#[derive(Serialize, ToSchema)]
struct HostGpus {
    hostname: String,
    /// Their ids, in order.
    gpus: Vec<String>,
    total: usize,
}

/// The graphics processors that there is something of.
///
/// The id of one is its UUID if it is known. Otherwise it is that of the resource; a PCI address has the node and a `/` before it,
/// because other nodes have the same.
#[utoipa::path(get, path = "/gpus", tag = "gpu telemetry", params(
    ("limit" = Option<i64>, Query, description = "How many are listed: 1 to 1000. Any other number is taken for 100, and `X-Limit-Clamped` says so."),
    ("offset" = Option<i64>, Query, description = "How many before those are left out. Less than 0 is 0."),
    ("view" = Option<String>, Query, description = "`full` gives what is known of each, not only its id."),
), responses((status = 200, body = GpuList), (status = "default", body = ErrorBody)))]
async fn gpus(State(api): State<Api>, asker: Asker, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let mut parameters = parameters(query, &api);
    let listing = Listing::of(&mut parameters)?;
    let view = parameters.one("view")?;
    let all = gpus::all(&asker).await?;
    let (shown, pagination) = listing.part(&all);
    let gpus = match view.as_deref() {
        None | Some("" | "ids") => Gpus::Ids(shown.iter().map(Gpu::id).collect()),
        Some("full") => Gpus::Views(shown.iter().map(|gpu| gpu.view(api.host())).collect()),
        Some(other) => {
            let message = format!("`{other}` is no view; write `ids` or `full`");
            return Err(ApiError::bad_request(message));
        }
    };
    let list = GpuList {
        gpus,
        total: all.len(),
        pagination,
    };
    Ok(listing.said(Json(list)))
}

/// What is known of a graphics processor.
#[utoipa::path(get, path = "/gpus/{id}", tag = "gpu telemetry",
    params(("id" = String, Path, description = "Its id; a `/` in it is written as `%2F`.")),
    responses((status = 200, body = GpuView), (status = 404, body = ErrorBody), (status = "default", body = ErrorBody)))]
async fn gpu(
    State(api): State<Api>,
    asker: Asker,
    Path(id): Path<String>,
) -> Result<Json<GpuView>, ApiError> {
    Ok(Json(gpus::find(&asker, &id).await?.view(api.host())))
}

/// The machines with graphics processors.
#[utoipa::path(get, path = "/hosts", tag = "gpu telemetry", params(
    ("limit" = Option<i64>, Query, description = "How many are listed: 1 to 1000. Any other number is taken for 100, and `X-Limit-Clamped` says so."),
    ("offset" = Option<i64>, Query, description = "How many before those are left out. Less than 0 is 0."),
), responses((status = 200, body = HostList), (status = "default", body = ErrorBody)))]
async fn hosts(
    State(api): State<Api>,
    asker: Asker,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let listing = Listing::of(&mut parameters(query, &api))?;
    let all = gpus::all(&asker).await?;
    let mut hosts: Vec<&str> = all.iter().map(|gpu| gpu.hostname(api.host())).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let (shown, pagination) = listing.part(&hosts);
    let list = HostList {
        hosts: shown.iter().map(|host| (*host).to_owned()).collect(),
        total: hosts.len(),
        pagination,
    };
    Ok(listing.said(Json(list)))
}

/// The graphics processors of a machine.
#[utoipa::path(get, path = "/hosts/{hostname}/gpus", tag = "gpu telemetry",
    params(("hostname" = String, Path, description = "Its name.")),
    responses((status = 200, body = HostGpus), (status = 404, body = ErrorBody), (status = "default", body = ErrorBody)))]
async fn gpus_of_host(
    State(api): State<Api>,
    asker: Asker,
    Path(hostname): Path<String>,
) -> Result<Response, ApiError> {
    let all = gpus::all(&asker).await?;
    let here = all.iter().filter(|gpu| gpu.hostname(api.host()) == hostname);
    let gpus: Vec<_> = here.map(Gpu::id).collect();
    if gpus.is_empty() {
        let message = format!("there is no host `{hostname}` with a GPU; /api/v1/hosts names all");
        return Err(ApiError::not_found(message));
    }
    let total = gpus.len();
    Ok(Json(HostGpus {
        hostname,
        gpus,
        total,
    })
    .into_response())
}

fn parameters(query: Option<String>, api: &Api) -> Parameters {
    Parameters::new(&query.unwrap_or_default(), api.now(), api.host())
}
