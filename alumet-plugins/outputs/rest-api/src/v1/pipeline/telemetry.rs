//! What was measured of a graphics processor: all of an instant together.

use std::collections::BTreeMap;

use alumet_core::Timestamp;
use alumet_shared_query::{Identity, Range, SeriesSamples};
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::asker::Asker;
use crate::error::{ApiError, ErrorBody};
use crate::state::Api;
use crate::v1::parameters::Pagination;
use crate::v1::time::instant;

use super::gpus::{self, describes};
use super::listing::Listing;
use super::parameters;

/// What was measured of a graphics processor.
#[derive(Serialize, ToSchema)]
struct Telemetry {
    data: Vec<Entry>,
    /// How many entries there are in the range.
    total: usize,
    pagination: Pagination,
}

/// What was measured at one instant.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct Entry {
    gpu_id: String,
    hostname: String,
    /// The values by metric; with what tells it apart in braces, if the metric has several. `null` is no finite number.
    metrics: BTreeMap<String, Option<f64>>,
    /// As RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

/// What was measured of a graphics processor, the oldest first.
#[utoipa::path(get, path = "/gpus/{id}/telemetry", tag = "gpu telemetry", params(
    ("id" = String, Path, description = "Its id; a `/` in it is written as `%2F`."),
    ("start_time" = Option<String>, Query, description = "The first instant: RFC 3339, seconds since 1970, or `now-5m`. Left out: the first that there is."),
    ("end_time" = Option<String>, Query, description = "The last instant, which belongs to the range. Left out: the last that there is."),
    ("limit" = Option<i64>, Query, description = "How many are listed: 1 to 1000. Any other number is taken for 100, and `X-Limit-Clamped` says so."),
    ("offset" = Option<i64>, Query, description = "How many before those are left out. Less than 0 is 0."),
    ("order" = Option<String>, Query, description = "`desc` begins with the newest."),
), responses((status = 200, body = Telemetry), (status = 404, body = ErrorBody), (status = "default", body = ErrorBody)))]
pub(super) async fn telemetry(
    State(api): State<Api>,
    asker: Asker,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let mut parameters = parameters(query, &api);
    let listing = Listing::of(&mut parameters)?;
    let mut time = |name| {
        let text = parameters.one(name)?.filter(|text| !text.is_empty());
        text.map(|text| instant(&text, api.now())).transpose()
    };
    let (from, last) = (time("start_time")?, time("end_time")?);
    let is_newest_first = match parameters.one("order")?.as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(other) => {
            let message = format!("`{other}` is no order; write `asc` or `desc`");
            return Err(ApiError::bad_request(message));
        }
    };
    let range = Range {
        from: from.map_or(i64::MIN, Timestamp::as_nanos),
        until: last.map_or(i64::MAX, |last| last.as_nanos().saturating_add(1)),
    };
    let gpu = gpus::find(&asker, &id).await?;
    let samples = asker
        .backend()
        .samples(&gpu.selector(), range, None, asker.budget())
        .await?;
    let (id, hostname) = (gpu.id(), gpu.hostname(api.host()).to_owned());
    // Sorting millions of times keeps a thread busy.
    let made = tokio::task::spawn_blocking(move || {
        let mut times = instants(&samples);
        if is_newest_first {
            times.reverse();
        }
        let (shown, pagination) = listing.part(&times);
        Telemetry {
            data: entries(shown, &samples, &id, &hostname),
            total: times.len(),
            pagination,
        }
    });
    let made = made.await.map_err(|error| ApiError::internal(&error))?;
    Ok(listing.said(Json(made)))
}

/// When there is a sample, in order.
fn instants(samples: &[SeriesSamples]) -> Vec<Timestamp> {
    let mut times: Vec<_> = samples
        .iter()
        .flat_map(|series| series.times.iter().copied())
        .collect();
    times.sort_unstable();
    times.dedup();
    times
}

fn entries(times: &[Timestamp], samples: &[SeriesSamples], id: &str, hostname: &str) -> Vec<Entry> {
    let names: Vec<_> = samples.iter().map(|series| name(&series.series)).collect();
    let entries = times.iter().map(|time| {
        let metrics = samples.iter().zip(&names).filter_map(|(series, name)| {
            let index = series.times.binary_search(time).ok()?;
            let value = series.values.get(index)?.as_f64();
            Some((name.clone(), Some(value).filter(|value| value.is_finite())))
        });
        Entry {
            gpu_id: id.to_owned(),
            hostname: hostname.to_owned(),
            metrics: metrics.collect(),
            timestamp: *time,
        }
    });
    entries.collect()
}

/// The name of the metric, with the attributes that tell its series apart: `energy{domain="card"}`.
fn name(series: &Identity) -> String {
    let attributes = series.attributes.iter().filter(|(key, _)| !describes(key));
    let attributes: Vec<_> = attributes
        .map(|(key, value)| format!("{key}={:?}", value.to_string()))
        .collect();
    match attributes.is_empty() {
        true => series.metric.name.to_string(),
        false => format!("{}{{{}}}", series.metric.name, attributes.join(",")),
    }
}
