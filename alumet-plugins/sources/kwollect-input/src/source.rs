//! The source: asks for what is new, and makes samples of the answers.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::failure::words;
use alumet_core::pipeline::EventSink;
use alumet_core::source::EventSource;
use alumet_core::{CancellationToken, Consumer, Failure, Resource, Series, Timestamp, async_trait};
use alumet_shared_http_delivery::HttpClient;
use hashbrown::HashMap;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::answer::{Key, Value, values};

/// Asks a server for values of a device.
#[derive(Debug, Clone)]
pub(crate) struct Kwollect {
    client: HttpClient,
    /// What is asked for, but for the times.
    query: Arc<str>,
}

/// Asks again and again.
pub(crate) struct KwollectSource {
    pub(crate) server: Kwollect,
    pub(crate) interval: Duration,
    /// By the name.
    pub(crate) metrics: HashMap<String, MetricHandle<f64>>,
    pub(crate) known: HashMap<Key, Known>,
    /// When it was asked for the first time.
    pub(crate) began: Option<Timestamp>,
    /// From when values are asked for, since there are some.
    pub(crate) since: Option<Timestamp>,
}

/// A series, and how far it has come.
pub(crate) struct Known {
    series: Series<f64>,
    last: Timestamp,
}

/// A series that is behind the others is waited for this long; what comes later is older than what is asked for.
const WAITED: Duration = Duration::from_secs(600);

/// How long the end of the program waits for the last values.
const LAST: Duration = Duration::from_secs(5);

impl Kwollect {
    /// A server, and the names of device and metrics.
    pub(crate) fn new(client: HttpClient, device: &str, metrics: &[String]) -> Self {
        let query = format!("?nodes={device}&metrics={}", metrics.join(","));
        Self {
            client,
            query: query.into(),
        }
    }

    /// The values between two instants.
    ///
    /// # Errors
    /// When the server does not answer, or with something else.
    pub(crate) async fn ask(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Value>, Failure> {
        let seconds = |time: Timestamp| time.as_nanos().div_euclid(1_000_000_000);
        // The last second is asked for as a whole.
        let (from, to) = (seconds(from), seconds(to) + 1);
        let path = format!("{}&start_time={from}&end_time={to}", self.query);
        let answer = self.client.send(self.client.get(path)).await;
        // Of a source, no request is passed over.
        let answer = answer.map_err(|failure| Failure::retry(failure.to_string()))?;
        values(&answer.body).ok_or_else(|| {
            let said = words(&answer.body);
            Failure::retry(format!(
                "Kwollect answers `{said}`, which is no list of values; check `url`"
            ))
        })
    }
}

impl KwollectSource {
    /// Asks for what is new.
    async fn ask(&mut self, out: &EventSink) -> Result<Vec<Value>, Failure> {
        let now = out.now().wall;
        let began = *self.began.get_or_insert(now);
        self.server.ask(self.since.unwrap_or(began), now).await
    }

    /// Hands on what was not yet there.
    async fn take(&mut self, values: Vec<Value>, out: &EventSink) -> Result<(), Failure> {
        let mut batch = out.batch();
        let began = self.began.unwrap_or(Timestamp::from_nanos(i64::MIN));
        for Value {
            timestamp,
            number,
            key,
        } in values
        {
            let Some(metric) = self.metrics.get(&key.metric) else {
                continue;
            };
            let known = self.known.entry(key).or_insert_with_key(|key| Known {
                series: series(out.catalog(), *metric, key),
                // Of the second in which it all began, the rest.
                last: Timestamp::from_nanos(began.as_nanos().saturating_sub(1)),
            });
            if timestamp > known.last {
                known.last = timestamp;
                batch.push(&known.series, timestamp, number);
            }
        }
        if let Some(newest) = self.known.values().map(|known| known.last).max() {
            let waited = newest.saturating_sub(WAITED).max(began);
            let has = |name: &String| self.known.keys().any(|key| key.metric == *name);
            self.since = match self.metrics.keys().all(has) {
                true => {
                    let lasts = self.known.values().map(|known| known.last);
                    lasts.filter(|last| *last >= waited).min()
                }
                // Its first values may be late.
                false => Some(waited),
            };
        }
        let sent = out.send(batch).await;
        sent.map_err(|stopped| Failure::end(stopped.to_string()))
    }
}

#[async_trait]
impl EventSource for KwollectSource {
    async fn run(&mut self, out: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let Some(answer) = stop.run_until_cancelled(self.ask(&out)).await else {
                break;
            };
            self.take(answer?, &out).await?;
        }
        // What was measured since the last question.
        match timeout(LAST, self.ask(&out)).await {
            Ok(answer) => self.take(answer?, &out).await,
            Err(_) => {
                tracing::warn!("Kwollect does not answer: the values since the last question are missing");
                Ok(())
            }
        }
    }
}

fn series(catalog: &Catalog, metric: MetricHandle<f64>, key: &Key) -> Series<f64> {
    let resource = Resource::new("device_id", &key.device);
    let consumer = Consumer::new("device_origin", &key.origin);
    let series = catalog
        .series(metric, resource, consumer)
        .attribute("metric_id", key.metric.as_str());
    let labels = key.labels.iter().filter(|(name, _)| *name != "metric_id");
    labels
        .fold(series, |series, (name, label)| {
            series.attribute(name.clone(), label.as_str())
        })
        .register()
}
