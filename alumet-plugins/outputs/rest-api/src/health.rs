//! How the server is: for probes, for people, and for what asks collectors.

use std::collections::BTreeMap;

use alumet_core::Timestamp;
use alumet_shared_query::{BackendStatus, Label, Steps};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::asker::Asker;
use crate::error::{ApiError, ErrorBody};
use crate::state::Api;
use crate::v1::pipeline::gpus;

/// What everybody may ask.
pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(livez))
        .routes(routes!(readyz))
        .routes(routes!(ready))
}

/// What is about stored series.
pub(crate) fn guarded() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(stats))
}

/// How the server is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `healthy`, or `degraded` if the store is not.
    #[schema(example = "healthy")]
    status: &'static str,
    /// When this was, as RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    version: &'static str,
    service: &'static str,
    collector: Collector,
}

/// How the store is.
#[derive(Serialize, ToSchema)]
struct Collector {
    /// `healthy` or `unhealthy`.
    #[schema(example = "healthy")]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_stats: Option<MemoryStats>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What is stored; `null` is not known.
#[derive(Serialize, ToSchema)]
struct MemoryStats {
    series: Option<u64>,
    samples: Option<u64>,
    bytes: Option<u64>,
}

/// Says that a probe has found what it looked for.
#[derive(Serialize, ToSchema)]
struct Probe {
    #[schema(example = "ready")]
    status: &'static str,
}

/// How much is stored of graphics processors.
#[derive(Serialize, ToSchema)]
struct Stats {
    /// The sum of all `gpu_entry_counts`.
    total_entries: u64,
    /// How many graphics processors there are.
    total_gpus: usize,
    /// How many entries are kept of each; `null` if there is no such limit here.
    max_entries_per_gpu: Option<u64>,
    /// How many samples the metric of each has that has most: its entries, if all its metrics come at the same times.
    gpu_entry_counts: BTreeMap<String, u64>,
}

/// How the server and its store are. Always 200, for old clients; `/readyz` is for probes.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = Health)))]
async fn health(State(api): State<Api>) -> Json<Health> {
    let status = match api.whole_backend() {
        Ok(backend) => Ok(backend.status().await),
        Err(error) => Err(error.to_string()),
    };
    let error = match &status {
        Ok(BackendStatus { problems, .. }) => (!problems.is_empty()).then(|| problems.join("; ")),
        Err(error) => Some(error.clone()),
    };
    let (overall, collector) = match error {
        None => ("healthy", "healthy"),
        Some(_) => ("degraded", "unhealthy"),
    };
    Json(Health {
        status: overall,
        timestamp: api.now(),
        version: env!("CARGO_PKG_VERSION"),
        service: "telemetry-api",
        collector: Collector {
            status: collector,
            memory_stats: status.ok().map(|status| MemoryStats {
                series: status.series,
                samples: status.samples,
                bytes: status.bytes,
            }),
            error,
        },
    })
}

/// Whether the server answers at all.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, body = Probe)))]
async fn livez() -> Json<Probe> {
    Json(Probe { status: "alive" })
}

/// Whether the store can be asked, and the pipeline measures and delivers all that it should.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, body = Probe),
    (status = 503, body = ErrorBody, description = "What is in the way."),
))]
async fn readyz(State(api): State<Api>) -> Result<Json<Probe>, ApiError> {
    let mut obstacles = api.pipeline().await?.obstacles;
    obstacles.extend(api.whole_backend()?.status().await.problems);
    match obstacles.is_empty() {
        true => Ok(Json(Probe { status: "ready" })),
        false => Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            obstacles.join("; "),
        )),
    }
}

/// The same as `/readyz`, for probes of telemetry pipelines.
#[utoipa::path(get, path = "/ready", tag = "health", responses(
    (status = 200, body = Probe),
    (status = 503, body = ErrorBody, description = "What is in the way."),
))]
async fn ready(api: State<Api>) -> Result<Json<Probe>, ApiError> {
    readyz(api).await
}

/// How much is stored of graphics processors.
#[utoipa::path(get, path = "/stats", tag = "health", responses(
    (status = 200, body = Stats),
    (status = "default", body = ErrorBody),
))]
async fn stats(State(api): State<Api>, asker: Asker) -> Result<Json<Stats>, ApiError> {
    let gpus = gpus::all(&asker).await?;
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    let range = Steps::whole(Timestamp::from_nanos(0), api.now());
    let found = asker
        .backend()
        .buckets(&gpus::selector(), range, asker.budget())
        .await?;
    for series in found {
        let label = |label: &Label| series.series.label(label).unwrap_or_default().into_owned();
        let count = counts
            .entry((label(&"node".into()), label(&Label::ResourceId)))
            .or_default();
        *count = series
            .buckets
            .iter()
            .map(|bucket| bucket.count)
            .sum::<u64>()
            .max(*count);
    }
    let counted = gpus.iter().map(|gpu| {
        let count = counts.get(&(gpu.node.clone(), gpu.resource.clone()));
        (gpu.id(), count.copied().unwrap_or_default())
    });
    let gpu_entry_counts: BTreeMap<_, _> = counted.collect();
    Ok(Json(Stats {
        total_entries: gpu_entry_counts.values().sum(),
        total_gpus: gpu_entry_counts.len(),
        max_entries_per_gpu: asker.backend().status().await.max_entries_per_gpu,
        gpu_entry_counts,
    }))
}
