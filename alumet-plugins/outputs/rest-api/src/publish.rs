//! What programs send that measure themselves: records of telemetry, which become samples here.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::pipeline::EventSink;
use alumet_core::plugin::StartError;
use alumet_core::source::EventSource;
use alumet_core::spool::{InstanceId, Origin, Spool};
use alumet_core::{CancellationToken, async_trait};
use alumet_shared_telemetry_record::{RecordSeries, TelemetryRecord};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::{ApiError, ErrorBody};
use crate::scoped::Scope;
use crate::state::Api;

/// The attribute with the host that a record names.
pub(crate) const NODE: &str = "node";
/// So many requests wait for the pipeline; more wait to be read.
const WAITING: usize = 16;
/// How long the answer of a spool that cannot be read is waited for.
const AGAIN: Duration = Duration::from_secs(1);

/// The one endpoint.
pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(publish))
}

/// A way into the pipeline, and the source at its other end.
///
/// # Errors
/// When the system has no random numbers.
pub(crate) fn channel(spool: Arc<dyn Spool>) -> Result<(Publisher, PublishSource), StartError> {
    let mut instance = InstanceId([0; 16]);
    getrandom::fill(&mut instance.0).map_err(|error| StartError::new(error.to_string()))?;
    let (requests, taken) = mpsc::channel(WAITING);
    let source = PublishSource {
        requests: taken,
        series: RecordSeries::default(),
        instance,
        last: 0,
    };
    Ok((Publisher { requests, spool }, source))
}

/// Gives records to the pipeline.
pub(crate) struct Publisher {
    requests: mpsc::Sender<Request>,
    spool: Arc<dyn Spool>,
}

/// Makes samples of them.
pub(crate) struct PublishSource {
    requests: mpsc::Receiver<Request>,
    series: RecordSeries,
    /// What the batches count under, which is new with each start.
    instance: InstanceId,
    /// The number of the last one.
    last: u64,
}

/// Records of one request, which are taken all or not at all.
struct Request {
    records: Vec<TelemetryRecord>,
    answer: oneshot::Sender<Result<Origin, ApiError>>,
}

/// What was taken.
#[derive(Serialize, ToSchema)]
struct Published {
    #[schema(example = "published")]
    status: &'static str,
    /// As it was in the path.
    #[schema(example = "gpu-telemetry")]
    topic: String,
    /// Another one for each request.
    message_id: String,
}

/// Takes telemetry: a record or a list of records, each with `gpu_id`, `metrics` and `timestamp`, and with `hostname` if it is known.
///
/// The answer comes when all of it is stored, or waits on disk for those who store it. Whoever gets none sends the same again. The
/// topic is any text; it changes nothing.
#[utoipa::path(post, path = "/publish/{topic}", tag = "gpu telemetry",
    params(("topic" = String, Path, description = "Any text.")),
    request_body(content = Object, content_type = "application/json", description = "A record, or a list of records.",
        example = json!({"gpu_id": "gpu-001", "hostname": "node-1", "metrics": {"utilization": 85.5}, "timestamp": "2026-01-01T00:00:00Z"})),
    responses((status = 200, body = Published), (status = 400, body = ErrorBody, description = "What is wrong in the body, and where."),
        (status = 404, body = ErrorBody, description = "Nothing is taken here."), (status = "default", body = ErrorBody)))]
async fn publish(
    State(api): State<Api>,
    Extension(scope): Extension<Scope>,
    Path(topic): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Published>, ApiError> {
    let Some(publisher) = api.publisher() else {
        let message =
            "no telemetry is taken here: write `publish = true` in `plugins.rest-api` if it should be";
        return Err(ApiError::not_found(message));
    };
    scope.need_everything()?;
    // Pages of other servers may send any other type without asking before.
    let content_type = headers.get(CONTENT_TYPE).and_then(|found| found.to_str().ok());
    let essence = content_type
        .and_then(|found| found.split(';').next())
        .unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case("application/json") {
        let message = "send JSON, and say so: `Content-Type: application/json`";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let message_id = publisher.publish(records(&body)?).await?;
    Ok(Json(Published {
        status: "published",
        topic,
        message_id,
    }))
}

fn records(body: &[u8]) -> Result<Vec<TelemetryRecord>, ApiError> {
    let records = match body.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice(body),
        _ => serde_json::from_slice(body).map(|record| vec![record]),
    };
    let wrong = |error| {
        ApiError::bad_request(format!(
            "the body is no telemetry record, nor a list of them: {error}"
        ))
    };
    let records: Vec<TelemetryRecord> = records.map_err(wrong)?;
    if records.iter().all(|record| record.metrics.is_empty()) {
        return Err(ApiError::bad_request(
            "there is no value in the body: write some into `metrics`",
        ));
    }
    Ok(records)
}

impl Publisher {
    /// Waits until the records are stored; gives a name of their batch.
    ///
    /// # Errors
    /// What is wrong with them, or that the pipeline ends.
    async fn publish(&self, records: Vec<TelemetryRecord>) -> Result<String, ApiError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(Request { records, answer }).await;
        let origin = match sent {
            Ok(()) => answered.await.ok(),
            Err(_) => None,
        };
        let origin = origin.ok_or_else(stopped)??;
        self.stored(origin).await;
        Ok(format!("{}-{}", origin.instance, origin.sequence))
    }

    async fn stored(&self, origin: Origin) {
        loop {
            let mut commits = self.spool.on_commit(origin.instance);
            let is_stored = commits
                .wait_for(|sequence| *sequence >= origin.sequence)
                .await
                .is_ok();
            if is_stored {
                return;
            }
            // It tells nobody any more, because something else is damaged, or it ends.
            tokio::time::sleep(AGAIN).await;
        }
    }
}

fn stopped() -> ApiError {
    let message = "the pipeline takes nothing any more, because it ends; send it again later";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)
}

#[async_trait]
impl EventSource for PublishSource {
    async fn run(&mut self, out: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        loop {
            let request = tokio::select! {
                request = self.requests.recv() => request,
                () = stop.cancelled() => None,
            };
            let Some(Request { records, answer }) = request else {
                return Ok(());
            };
            // Whoever has gone away meanwhile needs no answer.
            let _ = answer.send(self.take(&records, &out).await);
        }
    }
}

impl PublishSource {
    async fn take(&mut self, records: &[TelemetryRecord], out: &EventSink) -> Result<Origin, ApiError> {
        let mut batch = out.batch();
        for (number, record) in (1..).zip(records) {
            let read = self.series.read(record, NODE, None, &mut batch);
            read.map_err(|error| {
                ApiError::bad_request(format!("record {number} of {}: {error}", records.len()))
            })?;
        }
        self.last += 1;
        let origin = Origin {
            instance: self.instance,
            sequence: self.last,
            // None of these comes again.
            checksum: 0,
        };
        batch.set_origin(origin);
        out.send(batch).await.map_err(|_| stopped())?;
        Ok(origin)
    }
}
