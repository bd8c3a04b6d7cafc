//! What there is: metrics, nodes, resources, consumers, series.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use alumet_shared_query::{Identity, Label, SeriesEntry};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorBody};

use super::asked::{Answered, Asked};
use super::documented::{Formatting, Paging, Ranging, Selecting};
use super::format::{Column, Table};
use super::labels::{Labels, common, node};
use super::parameters::{HOUR, Page, Pagination};
use super::time::millis;

/// A node without a sample for so long is silent: several times the interval of most sources and of the way to a server.
const SILENT_AFTER: Duration = Duration::from_secs(120);
/// How long ago `from` is for nodes, so that those are seen that have become silent.
const DAY: Duration = Duration::from_secs(86_400);
/// How much of a list is given.
const PAGE: usize = 100;
/// How much is given at most.
const LONGEST_PAGE: usize = 10_000;

/// Metrics that have series.
#[derive(Serialize, ToSchema)]
struct Metrics<'a> {
    metrics: Vec<MetricEntry<'a>>,
}

/// A metric.
#[derive(Serialize, ToSchema)]
struct MetricEntry<'a> {
    #[schema(example = "rapl_consumed_energy")]
    name: &'a str,
    /// How values relate to time: `gauge`, `delta` or `counter`.
    #[schema(example = "delta")]
    kind: &'static str,
    /// `u64`, `i64` or `f64`.
    #[schema(example = "f64")]
    r#type: &'static str,
    /// A code of UCUM.
    #[schema(example = "J", value_type = String)]
    unit: Cow<'a, str>,
    /// `measured`, `modelled` or `estimated`.
    #[schema(example = "measured")]
    quality: &'static str,
    description: &'a str,
    /// How many series it has.
    series: usize,
}

/// Machines.
#[derive(Serialize, ToSchema)]
struct Nodes {
    nodes: Vec<NodeEntry>,
}

/// A machine.
#[derive(Serialize, ToSchema)]
struct NodeEntry {
    #[schema(example = "taurus-7")]
    node: String,
    /// When its first known sample was, in milliseconds since 1970.
    first_at: i64,
    /// When its last sample was.
    last_at: i64,
    /// How many series it has.
    series: usize,
    state: NodeState,
}

/// Whether samples come.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum NodeState {
    /// The last sample is less than two minutes old.
    Live,
    /// There is none for two minutes or more.
    Silent,
}

/// What is measured, or who uses it.
#[derive(Serialize, ToSchema)]
struct Entity {
    node: String,
    #[schema(example = "cgroup")]
    kind: String,
    #[schema(example = "/system.slice/ssh.service")]
    id: String,
    /// How many series are about it.
    series: usize,
    /// When the last sample of one was, in milliseconds since 1970.
    last_at: i64,
    /// The attributes that all its series have.
    labels: BTreeMap<String, String>,
}

/// What is measured.
#[derive(Serialize, ToSchema)]
struct Resources<'a> {
    resources: &'a [Entity],
    /// How many there are.
    total: usize,
    pagination: Pagination,
}

/// Who uses what is measured.
#[derive(Serialize, ToSchema)]
struct Consumers<'a> {
    consumers: &'a [Entity],
    /// How many there are.
    total: usize,
    pagination: Pagination,
}

/// Series.
#[derive(Serialize, ToSchema)]
struct SeriesList<'a> {
    series: Vec<ListedSeries<'a>>,
    /// How many there are.
    total: usize,
    pagination: Pagination,
}

/// A series.
#[derive(Serialize, ToSchema)]
struct ListedSeries<'a> {
    #[schema(value_type = BTreeMap<String, String>)]
    labels: Labels<'a>,
    /// When its first sample is, in milliseconds since 1970.
    first_at: i64,
    /// When its last one is.
    last_at: i64,
}

impl Asked {
    /// The series that are meant, and which part of the answer is wanted if it can be long.
    async fn found(&mut self, back: Duration, paged: bool) -> Result<(Vec<SeriesEntry>, Page), ApiError> {
        let selector = self.parameters.selector()?;
        let range = self.parameters.range(back)?;
        let page = match paged {
            true => self.parameters.page(PAGE, LONGEST_PAGE)?,
            false => Page {
                limit: usize::MAX,
                offset: 0,
            },
        };
        self.parameters.finish()?;
        let found = self.backend().series(&selector, range, self.budget()).await?;
        self.budget().admit_series(found.len() as u64)?;
        Ok((found, page))
    }

    /// The things that series are about, in order of node, kind and id.
    fn entities(&self, found: &[SeriesEntry], (kind, id): (Label, Label)) -> Vec<Entity> {
        let mut groups: BTreeMap<_, Vec<&SeriesEntry>> = BTreeMap::new();
        for entry in found {
            let text = |label| entry.series.label(label).unwrap_or_default();
            let key = (node(&entry.series, self.host()), text(&kind), text(&id));
            groups.entry(key).or_default().push(entry);
        }
        let entities = groups.into_iter().map(|((node, kind, id), entries)| Entity {
            node: node.into_owned(),
            kind: kind.into_owned(),
            id: id.into_owned(),
            series: entries.len(),
            last_at: millis(
                entries
                    .iter()
                    .map(|entry| entry.last_at)
                    .max()
                    .unwrap_or_default(),
            ),
            labels: common(entries.iter().map(|entry| &*entry.series)),
        });
        entities.collect()
    }
}

/// The metrics that have samples in the range.
#[utoipa::path(get, path = "/metrics", tag = "series", params(Selecting, Ranging, Formatting),
    responses((status = 200, body = Answered<Metrics>), (status = "default", body = ErrorBody)))]
pub(super) async fn metrics(mut asked: Asked) -> Result<Response, ApiError> {
    let (found, _) = asked.found(HOUR, false).await?;
    let mut metrics: BTreeMap<_, (&Identity, usize)> = BTreeMap::new();
    for entry in &found {
        let metric = &entry.series.metric;
        let key = (
            &*metric.name,
            metric.kind.name(),
            metric.value_type.name(),
            metric.unit.code(),
            metric.quality.name(),
        );
        metrics.entry(key).or_insert((&entry.series, 0)).1 += 1;
    }
    let metrics = metrics.into_iter();
    let metrics = metrics.map(
        |((name, kind, r#type, unit, quality), (series, count))| MetricEntry {
            name,
            kind,
            r#type,
            unit,
            quality,
            description: &series.metric.description,
            series: count,
        },
    );
    let body = Metrics {
        metrics: metrics.collect(),
    };
    asked.answer(&body, || {
        let metrics = body.metrics.iter();
        let texts = metrics.map(|metric| {
            let texts = [
                ("name", metric.name),
                ("kind", metric.kind),
                ("type", metric.r#type),
                ("unit", &metric.unit),
                ("quality", metric.quality),
                ("description", metric.description),
            ];
            (1, texts.into_iter())
        });
        Table::labels(texts).with("series", counts(body.metrics.iter().map(|metric| metric.series)))
    })
}

/// The machines that have samples in the range, without `from` in the last day.
#[utoipa::path(get, path = "/nodes", tag = "series", params(Selecting, Ranging, Formatting),
    responses((status = 200, body = Answered<Nodes>), (status = "default", body = ErrorBody)))]
pub(super) async fn nodes(mut asked: Asked) -> Result<Response, ApiError> {
    let (found, _) = asked.found(DAY, false).await?;
    let silent_since = asked.now.saturating_sub(SILENT_AFTER).as_nanos();
    let mut nodes: BTreeMap<_, (i64, i64, usize)> = BTreeMap::new();
    for entry in &found {
        let times = nodes
            .entry(node(&entry.series, asked.host()))
            .or_insert((i64::MAX, i64::MIN, 0));
        *times = (
            times.0.min(entry.first_at),
            times.1.max(entry.last_at),
            times.2 + 1,
        );
    }
    let nodes = nodes
        .into_iter()
        .map(|(node, (first_at, last_at, series))| NodeEntry {
            node: node.into_owned(),
            first_at: millis(first_at),
            last_at: millis(last_at),
            series,
            state: if last_at > silent_since {
                NodeState::Live
            } else {
                NodeState::Silent
            },
        });
    let body = Nodes {
        nodes: nodes.collect(),
    };
    asked.answer(&body, || {
        let texts = body.nodes.iter().map(|node| {
            let state = match node.state {
                NodeState::Live => "live",
                NodeState::Silent => "silent",
            };
            (1, [("node", &*node.node), ("state", state)].into_iter())
        });
        let all = || body.nodes.iter();
        Table::labels(texts)
            .with("series", counts(all().map(|node| node.series)))
            .with("first_at", times(all().map(|node| node.first_at)))
            .with("last_at", times(all().map(|node| node.last_at)))
    })
}

fn counts(counts: impl Iterator<Item = usize>) -> Column {
    Column::Counts(counts.map(|count| count as u64).collect())
}

/// Of milliseconds since 1970.
fn times(millis: impl Iterator<Item = i64>) -> Column {
    Column::Times(millis.map(|millis| millis * 1_000_000).collect())
}

/// What is measured.
#[utoipa::path(get, path = "/resources", tag = "series", params(Selecting, Ranging, Paging, Formatting),
    responses((status = 200, body = Answered<Resources>), (status = "default", body = ErrorBody)))]
pub(super) async fn resources(mut asked: Asked) -> Result<Response, ApiError> {
    let (found, page) = asked.found(HOUR, true).await?;
    let all = asked.entities(&found, (Label::ResourceKind, Label::ResourceId));
    let (resources, pagination) = page.of(&all);
    let body = Resources {
        resources,
        total: all.len(),
        pagination,
    };
    asked.answer(&body, || entity_table(resources))
}

/// Who uses what is measured.
#[utoipa::path(get, path = "/consumers", tag = "series", params(Selecting, Ranging, Paging, Formatting),
    responses((status = 200, body = Answered<Consumers>), (status = "default", body = ErrorBody)))]
pub(super) async fn consumers(mut asked: Asked) -> Result<Response, ApiError> {
    let (found, page) = asked.found(HOUR, true).await?;
    let all = asked.entities(&found, (Label::ConsumerKind, Label::ConsumerId));
    let (consumers, pagination) = page.of(&all);
    let body = Consumers {
        consumers,
        total: all.len(),
        pagination,
    };
    asked.answer(&body, || entity_table(consumers))
}

fn entity_table(all: &[Entity]) -> Table {
    let labels = all.iter().map(|one| {
        let named = [("node", &one.node), ("kind", &one.kind), ("id", &one.id)];
        let attributes = one.labels.iter().map(|(name, text)| (name.as_str(), text));
        let others = attributes.filter(|(name, _)| !["node", "kind", "id"].contains(name));
        (1, named.into_iter().chain(others))
    });
    Table::labels(labels)
        .with("series", counts(all.iter().map(|one| one.series)))
        .with("last_at", times(all.iter().map(|one| one.last_at)))
}

/// The series that have samples in the range, in the order of their labels.
#[utoipa::path(get, path = "/series", tag = "series", params(Selecting, Ranging, Paging, Formatting),
    responses((status = 200, body = Answered<SeriesList>), (status = "default", body = ErrorBody)))]
pub(super) async fn series(mut asked: Asked) -> Result<Response, ApiError> {
    let (mut found, page) = asked.found(HOUR, true).await?;
    found.sort_by_cached_key(|entry| entry.series.to_string());
    let (shown, pagination) = page.of(&found);
    let listed = shown.iter().map(|entry| ListedSeries {
        labels: Labels(&entry.series),
        first_at: millis(entry.first_at),
        last_at: millis(entry.last_at),
    });
    let body = SeriesList {
        series: listed.collect(),
        total: found.len(),
        pagination,
    };
    asked.answer(&body, || {
        Table::labels(
            shown
                .iter()
                .map(|entry| (1, Labels(&entry.series).to_texts().into_iter())),
        )
        .with(
            "first_at",
            Column::Times(shown.iter().map(|entry| entry.first_at).collect()),
        )
        .with(
            "last_at",
            Column::Times(shown.iter().map(|entry| entry.last_at).collect()),
        )
    })
}
