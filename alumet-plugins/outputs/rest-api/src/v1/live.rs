//! Samples as they come, as server-sent events.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Timestamp;
use alumet_shared_query::{Identity, Selector};
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorBody};
use crate::live::LiveBatch;
use crate::scoped::Scope;

use super::asked::Asked;
use super::documented::Selecting;
use super::labels::Labels;
use super::query::Written;
use super::time::millis;

/// Something comes at least this often, so that neither side takes the other for gone.
const PULSE: Duration = Duration::from_secs(15);

/// What is sent.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = LiveEvent)]
enum Event<'a> {
    /// `event: series`: what the next samples are of.
    #[schema(title = "series")]
    Series { series: Vec<NamedSeries<'a>> },
    /// `event: samples`: values of one instant.
    #[schema(title = "samples")]
    Samples {
        /// In milliseconds since 1970.
        at: i64,
        values: Vec<LiveValue>,
    },
    /// `event: lost`: the client reads too slowly.
    #[schema(title = "lost")]
    Lost {
        /// How many batches of samples were left out.
        batches: u64,
    },
}

/// A series and its number in what follows.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveSeries)]
struct NamedSeries<'a> {
    series: usize,
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    labels: Labels<'a>,
}

/// A value of a series.
#[derive(Serialize, ToSchema)]
struct LiveValue {
    /// The number of its series.
    series: usize,
    #[schema(value_type = Option<f64>)]
    value: Written,
}

/// What one client is told.
struct Watch {
    selector: Selector,
    scope: Scope,
    /// By the address of the identity, which is kept so that no other one gets that address; with the number, if the series is
    /// meant.
    known: HashMap<usize, (Arc<Identity>, Option<usize>)>,
    named: usize,
}

/// Samples as they come, as server-sent events.
///
/// `event: series` names series by numbers, before the first of their samples; `event: samples` has the values of one instant;
/// `event: lost` says that the client was too slow for some.
#[utoipa::path(get, path = "/live", tag = "series", params(Selecting),
    responses((status = 200, content_type = "text/event-stream", body = Event<'static>), (status = "default", body = ErrorBody)))]
pub(super) async fn live(mut asked: Asked) -> Result<Response, ApiError> {
    let mut watch = Watch {
        selector: asked.parameters.selector()?,
        scope: asked.asker.scope().clone(),
        known: HashMap::new(),
        named: 0,
    };
    asked.parameters.finish()?;
    let batches = BroadcastStream::new(asked.api.live().watch());
    let pulse = tokio::time::interval(PULSE);
    let events = batches.timeout_repeating(pulse).map(move |batch| {
        Ok::<_, Infallible>(match batch {
            Ok(Ok(batch)) => watch.tell(&batch),
            Ok(Err(BroadcastStreamRecvError::Lagged(batches))) => Event::Lost { batches }.written(),
            Err(_) => ":\n\n".to_owned(),
        })
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(events)).into_response())
}

impl Watch {
    /// The events that a batch is; nothing if nothing of it is meant.
    fn tell(&mut self, batch: &LiveBatch) -> String {
        let mut named = Vec::new();
        let mut by_time: Vec<(Timestamp, Vec<LiveValue>)> = Vec::new();
        for sample in batch.iter() {
            let number = match self.known.entry(Arc::as_ptr(&sample.series).addr()) {
                Entry::Occupied(known) => known.get().1,
                Entry::Vacant(new) => {
                    let is_meant = self.selector.selects(&sample.series) && self.scope.has(&sample.series);
                    let number = is_meant.then_some(self.named);
                    self.named += usize::from(is_meant);
                    named.extend(number.map(|number| NamedSeries {
                        series: number,
                        labels: Labels(&sample.series),
                    }));
                    new.insert((Arc::clone(&sample.series), number)).1
                }
            };
            let Some(series) = number else {
                continue;
            };
            let value = LiveValue {
                series,
                value: Written(sample.value),
            };
            match by_time.last_mut() {
                Some((at, values)) if *at == sample.at => values.push(value),
                _ => by_time.push((sample.at, vec![value])),
            }
        }
        let mut text = String::new();
        if !named.is_empty() {
            text.push_str(&Event::Series { series: named }.written());
        }
        for (at, values) in by_time {
            let at = millis(at.as_nanos());
            text.push_str(&Event::Samples { at, values }.written());
        }
        text
    }
}

impl Event<'_> {
    /// As it is sent: JSON has no line breaks.
    fn written(&self) -> String {
        let name = match self {
            Self::Series { .. } => "series",
            Self::Samples { .. } => "samples",
            Self::Lost { .. } => "lost",
        };
        let data = serde_json::to_string(self).unwrap_or_default();
        format!("event: {name}\ndata: {data}\n\n")
    }
}
