//! An InfluxDB, of which is read what the plugin `influxdb` writes.

mod annotated_csv;
mod config;
mod flux;
mod found;
mod influxql;
mod parts;
mod question;
mod server;
mod stored;

use std::collections::BTreeMap;
use std::sync::Arc;

use alumet_core::Attributes;
use alumet_core::async_trait;
use alumet_core::plugin::StartError;
use alumet_core::value::ValueType;
use alumet_shared_query::{
    Backend, BackendStatus, Bucket, Budget, Identity, Label, QueryError, Range, Selector, SeriesBuckets,
    SeriesEntry, SeriesSamples, Steps,
};
use hashbrown::{HashMap, HashSet};

pub use self::config::{InfluxdbConfig, Meaning, OldConfigError, from_old_config_json};
use self::found::{Ends, Window};
use self::question::{Kinds, Question};
use self::server::Server;
use self::stored::{KIND, Tags, demanded_tags, identity};
use crate::merge;

/// An InfluxDB of version 1 or 2.
///
/// What it answers differs in this from what was written:
/// - Attributes that are tags are text. An unsigned number that was written as another number stays that.
/// - Samples of gauges and deltas are summed up by the server, and [`Bucket::rise`] is 0. A
///   version 1 does not say when the first and the last sample of one of several intervals are: then it is the end of the interval.
#[derive(Debug)]
pub struct InfluxdbBackend {
    server: Server,
    metrics: BTreeMap<String, Meaning>,
}

/// A series with its measurement and tags, and when it has samples.
type Listed = HashMap<(String, Tags), (Arc<Identity>, Ends)>;

impl InfluxdbBackend {
    /// The server as it is configured; it need not be there yet.
    ///
    /// # Errors
    /// What is wrong with the configuration, or with the files that it names.
    pub fn new(config: &InfluxdbConfig) -> Result<Self, StartError> {
        config.check()?;
        Ok(Self {
            server: Server::new(config)?,
            metrics: config.metrics.clone(),
        })
    }

    /// What is to be asked about this; `None` if nothing can be found.
    async fn question(
        &self,
        selector: &Selector,
        range: Range,
        budget: &Budget,
    ) -> Result<Option<Question<'_>>, QueryError> {
        // What the server can have (`MinNanoTime` and `MaxNanoTime` in its sources).
        let range = Range {
            from: range.from.max(i64::MIN + 2),
            until: range.until.min(i64::MAX - 1),
        };
        if range.from >= range.until {
            return Ok(None);
        }
        let mut question = self.server.question(selector, range, budget).await?;
        let metrics = selector
            .matchers
            .iter()
            .filter(|matcher| *matcher.label() == Label::Metric);
        question.measurements.retain(|name| {
            metrics
                .clone()
                .all(|matcher| matcher.accepts(&stored::decode(name)))
        });
        if question.measurements.is_empty() {
            return Ok(None);
        }
        question.tags = demanded_tags(selector, &question.fields);
        Ok(Some(question))
    }

    /// The series that are meant, of those without attributes in fields.
    async fn listed(
        &self,
        question: &Question<'_>,
        selector: &Selector,
        budget: &Budget,
    ) -> Result<Listed, QueryError> {
        let ends = self.server.ends(question, budget).await?;
        let listed = ends.0.into_iter().filter_map(|((measurement, tags), ends)| {
            let value_type = ends.value_type.unwrap_or(ValueType::F64);
            let series = identity(&measurement, &tags, &Attributes::EMPTY, value_type, &self.metrics);
            selector
                .selects(&series)
                .then_some(((measurement, tags), (series, ends)))
        });
        Ok(listed.collect())
    }

    async fn samples_of(
        &self,
        question: &Question<'_>,
        selector: &Selector,
        newest: Option<usize>,
        budget: &Budget,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        // What has the same tags may be several series, and the newest of all those are not the newest of each.
        let asked = newest.filter(|_| question.fields.is_empty());
        let found = self.server.samples(question, asked, budget).await?;
        let mut all = Vec::new();
        for ((measurement, tags), points) in found.0 {
            for (fields, (times, values)) in points.finish() {
                let value_type = values.first().map_or(ValueType::F64, |value| value.value_type());
                let series = identity(&measurement, &tags, &fields, value_type, &self.metrics);
                if selector.selects(&series) {
                    all.push(SeriesSamples {
                        series,
                        times,
                        values,
                    });
                }
            }
        }
        Ok(merge::samples(all, newest))
    }

    async fn summed(
        &self,
        mut question: Question<'_>,
        selector: &Selector,
        steps: Steps,
        budget: &Budget,
    ) -> Result<Vec<SeriesBuckets>, QueryError> {
        let listed = self.listed(&question, selector, budget).await?;
        let mut measurements: HashMap<Kinds, HashSet<&String>> = HashMap::new();
        for (measurement, tags) in listed.keys() {
            measurements
                .entry(kinds_of(tags))
                .or_default()
                .insert(measurement);
        }
        let mut buckets = Vec::new();
        for (kinds, measurements) in measurements {
            question.kinds = kinds;
            question.measurements = measurements.into_iter().cloned().collect();
            if kinds != Kinds::Summed {
                let samples = self.samples_of(&question, selector, None, budget).await?;
                buckets.extend(samples.iter().map(|samples| merge::buckets_of(samples, steps)));
                continue;
            }
            let found = self.server.windows(&question, steps, budget).await?;
            buckets.extend(found.0.into_iter().filter_map(|(key, windows)| {
                let (series, ends) = listed.get(&key)?;
                Some(SeriesBuckets {
                    series: Arc::clone(series),
                    buckets: whole(&windows, steps, ends),
                })
            }));
        }
        buckets.retain(|found| !found.buckets.is_empty());
        Ok(buckets)
    }
}

/// The intervals, with what is known of the first and the last sample of the only one.
fn whole(windows: &BTreeMap<i64, Window>, steps: Steps, ends: &Ends) -> Vec<Bucket> {
    let windows = windows.iter().filter_map(|(start, window)| {
        let last = start.saturating_add(steps.step) - 1;
        let ends = match steps.count {
            1 => (ends.first_at.unwrap_or(*start), ends.last_at.unwrap_or(last)),
            _ => (last, last),
        };
        window.bucket(*start, ends)
    });
    windows.collect()
}

fn kinds_of(tags: &Tags) -> Kinds {
    let kind = tags.iter().find(|(key, _)| key == KIND);
    match kind.map(|(_, kind)| &**kind) {
        Some("gauge" | "delta") => Kinds::Summed,
        Some("counter") => Kinds::Counters,
        _ => Kinds::Unknown,
    }
}

#[async_trait]
impl Backend for InfluxdbBackend {
    async fn series(
        &self,
        selector: &Selector,
        range: Range,
        budget: &Budget,
    ) -> Result<Vec<SeriesEntry>, QueryError> {
        let Some(question) = self.question(selector, range, budget).await? else {
            return Ok(Vec::new());
        };
        if !question.fields.is_empty() {
            let samples = self.samples_of(&question, selector, None, budget).await?;
            return Ok(samples.iter().filter_map(merge::entry_of).collect());
        }
        let listed = self.listed(&question, selector, budget).await?;
        let entries = listed.into_values().map(|(series, ends)| SeriesEntry {
            series,
            first_at: ends.first_at.unwrap_or(range.from),
            last_at: ends.last_at.unwrap_or(range.until),
        });
        Ok(merge::series(entries))
    }

    async fn samples(
        &self,
        selector: &Selector,
        range: Range,
        newest: Option<usize>,
        budget: &Budget,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        match self.question(selector, range, budget).await? {
            None => Ok(Vec::new()),
            Some(question) => self.samples_of(&question, selector, newest, budget).await,
        }
    }

    async fn buckets(
        &self,
        selector: &Selector,
        steps: Steps,
        budget: &Budget,
    ) -> Result<Vec<SeriesBuckets>, QueryError> {
        let range = Range {
            from: steps.start,
            until: steps.end(),
        };
        let Some(question) = self.question(selector, range, budget).await? else {
            return Ok(Vec::new());
        };
        if question.fields.is_empty() {
            return self.summed(question, selector, steps, budget).await;
        }
        let samples = self.samples_of(&question, selector, None, budget).await?;
        let buckets = samples.iter().map(|samples| merge::buckets_of(samples, steps));
        Ok(buckets.filter(|found| !found.buckets.is_empty()).collect())
    }

    async fn status(&self) -> BackendStatus {
        BackendStatus {
            problems: self.server.try_out().await.err().into_iter().collect(),
            ..BackendStatus::default()
        }
    }

    fn generation(&self) -> Option<u64> {
        None
    }
}
