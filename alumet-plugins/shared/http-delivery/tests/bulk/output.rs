//! The output: lines of JSON, and a verdict for each in the answer.

use std::fmt::Write as _;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::output::{Delivering, Delivery, Output, QueuePolicy, Receipt};
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_shared_http_delivery::{Answer, HttpClient, HttpConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where samples go.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Config {
    /// The address of the server.
    pub(crate) url: String,
    /// How it is spoken with.
    #[serde(flatten)]
    pub(crate) http: HttpConfig,
    /// How samples wait for it.
    pub(crate) queue: QueuePolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "http://localhost:9200".to_owned(),
            http: HttpConfig::default(),
            queue: QueuePolicy::default(),
        }
    }
}

pub(crate) struct BulkPlugin;

impl Plugin for BulkPlugin {
    const ID: &'static str = "bulk";
    const SUMMARY: &'static str = "Writes samples to a server with a bulk API.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        let mut faults = Faults::default();
        config.queue.check("queue", &mut faults);
        config.http.check("url", &config.url, &mut faults);
        faults.or_ok()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let http = HttpClient::new("url", &config.url, &config.http)?;
        http.try_out(http.get("/ping"), alumet)?;
        alumet
            .output("samples", BulkOutput { http })
            .queue(config.queue)
            .joined(100, Duration::from_millis(20))
            .in_flight(4)
            .timeout(*config.http.timeout + Duration::from_secs(1));
        Ok(Self)
    }
}

struct BulkOutput {
    http: HttpClient,
}

impl Output for BulkOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let request = self
            .http
            .post("/_bulk", "application/x-ndjson", encode(delivery).into_bytes());
        let http = self.http.clone();
        Ok(Delivering::under_way(async move {
            receipt(&http.send(request).await?)
        }))
    }
}

fn encode(delivery: &Delivery) -> String {
    let mut lines = String::new();
    for sample in delivery.samples() {
        let series = delivery.catalog().describe(sample.series);
        let name = series.map_or_else(String::new, |series| format!("{}", series.consumer()));
        let (time, value) = (sample.timestamp.as_nanos(), sample.value());
        let _ = writeln!(lines, r#"{{"series":"{name}","time":{time},"value":{value}}}"#);
    }
    lines
}

/// What the server says of each line.
#[derive(Deserialize)]
struct Verdicts {
    items: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    status: u16,
    #[serde(default)]
    error: String,
}

fn receipt(answer: &Answer) -> Result<Receipt, Failure> {
    let verdicts: Verdicts = serde_json::from_slice(&answer.body)?;
    let mut receipt = Receipt::all();
    for (position, verdict) in verdicts.items.into_iter().enumerate() {
        match verdict.status {
            200..=299 => {}
            429 => receipt.again(position),
            _ => receipt.reject(position, verdict.error),
        }
    }
    Ok(receipt)
}
