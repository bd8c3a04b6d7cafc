//! How the pipeline and the store are.

use std::collections::BTreeMap;
use std::time::Duration;

use alumet_core::Timestamp;
use alumet_core::pipeline::{ElementKind, ElementStatus, OutputAccount, PipelineStatus};
use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorBody};

use super::asked::Asked;
use super::time::millis;

/// How the program is.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// Of the program.
    version: &'static str,
    /// When it began, in milliseconds since 1970.
    started_at: i64,
    /// All sources, transforms and outputs.
    elements: Vec<Element>,
    /// Where the samples of each output are.
    outputs: Vec<Output>,
    /// What each source does.
    sources: Vec<Source>,
    /// What keeps samples from being measured, delivered or found, for people; empty if all is well.
    problems: Vec<String>,
    store: Store,
}

/// A source, transform or output.
#[derive(Serialize, ToSchema)]
struct Element {
    #[schema(example = "rapl/rapl")]
    name: String,
    #[schema(example = "source")]
    kind: &'static str,
    #[schema(example = "running")]
    state: &'static str,
    /// The last error, if it does not work now.
    problem: Option<String>,
}

/// Where the samples of an output are: `offered + recovered = delivered + buffered + dropped`.
#[derive(Serialize, ToSchema)]
struct Output {
    name: String,
    /// Samples that were meant for it.
    offered: u64,
    /// Samples that waited on disk when it started.
    recovered: u64,
    /// Samples that it has written.
    delivered: u64,
    /// Samples that wait.
    buffered: u64,
    /// Those of them that wait on disk.
    spooled: u64,
    /// Samples that it will never write, by reason.
    dropped: BTreeMap<&'static str, u64>,
    /// For how many milliseconds the oldest has waited; null if that is not known.
    lag_ms: Option<u64>,
}

/// What a source does.
#[derive(Serialize, ToSchema)]
struct Source {
    name: String,
    /// Milliseconds between two polls; null if it is not polled.
    interval_ms: Option<u64>,
    /// Samples that it has made.
    samples: u64,
    /// Polls that came too late to be made.
    missed_ticks: u64,
    /// Failures so far.
    failures: u64,
}

/// How much is stored; null is what the store does not know.
#[derive(Serialize, ToSchema)]
struct Store {
    series: Option<u64>,
    samples: Option<u64>,
    bytes: Option<u64>,
}

/// How the pipeline and the store are. Only for those who may see all series.
#[utoipa::path(get, path = "/status", tag = "status",
    responses((status = 200, body = Status), (status = "default", body = ErrorBody)))]
pub(super) async fn status(mut asked: Asked) -> Result<Json<Status>, ApiError> {
    asked.parameters.finish()?;
    asked.asker.scope().need_everything()?;
    let store = asked.backend().status().await;
    let pipeline = asked.api.pipeline().await?;
    let mut problems = pipeline.obstacles.clone();
    problems.extend(store.problems);
    let of_kind = |kind| {
        pipeline
            .elements
            .iter()
            .filter(move |element| element.key.kind == kind)
    };
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        started_at: millis(asked.api.started().as_nanos()),
        elements: pipeline.elements.iter().map(Element::of).collect(),
        outputs: of_kind(ElementKind::Output)
            .map(|element| Output::of(element, &pipeline, asked.now))
            .collect(),
        sources: of_kind(ElementKind::Source).map(Source::of).collect(),
        problems,
        store: Store {
            series: store.series,
            samples: store.samples,
            bytes: store.bytes,
        },
    }))
}

fn name(element: &ElementStatus) -> String {
    format!("{}/{}", element.key.plugin, element.key.name)
}

fn in_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Element {
    fn of(element: &ElementStatus) -> Self {
        let problem = element.stands_still().or_else(|| element.last_error.clone());
        let is_well = element.is_healthy() && element.stands_still().is_none();
        Self {
            name: name(element),
            kind: element.key.kind.name(),
            state: element.state.name(),
            problem: problem.filter(|_| !is_well),
        }
    }
}

impl Output {
    fn of(element: &ElementStatus, pipeline: &PipelineStatus, now: Timestamp) -> Self {
        let none = OutputAccount::default();
        let account = pipeline.ledger.outputs.get(&element.key).unwrap_or(&none);
        let oldest = pipeline.spool.as_ref().and_then(|spool| spool.oldest);
        let waiting = match oldest.filter(|_| account.spooled > 0) {
            Some(oldest) => Some(now.checked_since(oldest).unwrap_or_default()),
            None if account.buffered == 0 => Some(Duration::ZERO),
            None => element.stalled,
        };
        let dropped = account.dropped.iter();
        Self {
            name: name(element),
            offered: account.offered,
            recovered: account.recovered,
            delivered: account.delivered,
            buffered: account.buffered,
            spooled: account.spooled,
            dropped: dropped
                .map(|(reason, samples)| (reason.name(), *samples))
                .collect(),
            lag_ms: waiting.map(in_millis),
        }
    }
}

impl Source {
    fn of(element: &ElementStatus) -> Self {
        let interval = element.schedule.as_ref().and_then(|schedule| schedule.interval);
        Self {
            name: name(element),
            interval_ms: interval.map(in_millis),
            samples: element.samples,
            missed_ticks: element.missed_ticks,
            failures: element.failures,
        }
    }
}
