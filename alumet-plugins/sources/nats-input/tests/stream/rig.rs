//! Collectors, and those who send.

use std::path::Path;
use std::sync::Arc;

use alumet_core::catalog::Catalog;
use alumet_core::output::{RecordedSample, Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::spool::{Spool, SpoolSlot};
use alumet_core::value::Value;
use alumet_plugin_nats_input::{Config, NatsInputPlugin};
use alumet_shared_nats::ConnectionConfig;
use alumet_shared_output_testkit::{LONG, Nats};
use alumet_shared_spool::{DiskSpool, SpoolConfig};
use async_nats::jetstream::{self, Context};
use tokio::runtime::Runtime;

/// The configuration of a collector.
pub(crate) fn config(servers: &[&Nats]) -> Config {
    Config {
        connection: connection(servers),
        ..toml::from_str("ack_wait = '1s'").unwrap()
    }
}

/// The configuration of an output.
pub(crate) fn sending(servers: &[&Nats]) -> alumet_plugin_nats::Config {
    alumet_plugin_nats::Config {
        connection: connection(servers),
        client_name: Some("sender".to_owned()),
        ..alumet_plugin_nats::Config::default()
    }
}

fn connection(servers: &[&Nats]) -> ConnectionConfig {
    ConnectionConfig {
        servers: servers.iter().map(|server| server.url()).collect(),
        ..toml::from_str("timeout = '2s'").unwrap()
    }
}

/// A spool in a folder.
pub(crate) fn spool(folder: &Path) -> SpoolSlot {
    let path = folder.join("spool.db");
    SpoolSlot::new(move |catalog: &Catalog| -> Arc<dyn Spool> {
        let config = SpoolConfig {
            path: Some(path.clone()),
            commit_interval: std::time::Duration::from_millis(5),
            ..SpoolConfig::default()
        };
        DiskSpool::open(config, catalog.clone())
    })
}

/// A collector whose samples are kept in memory.
pub(crate) struct Collector {
    pipeline: Pipeline,
    recording: Recording,
}

impl Collector {
    pub(crate) fn start(folder: &Path, config: Config) -> Self {
        let mut builder = PipelineBuilder::new()
            .spool(spool(folder))
            .durable_by_default(true);
        let output = RecordingOutput::new();
        let recording = output.recording();
        builder.output("recording", output);
        builder.plugin::<NatsInputPlugin>(config).unwrap();
        let pipeline = builder.start().unwrap();
        Self { pipeline, recording }
    }

    /// What it has taken, without what it says of itself.
    pub(crate) fn samples(&self) -> Vec<RecordedSample> {
        let mut samples = self.recording.samples();
        samples.retain(|sample| !sample.series.metric.name.starts_with("nats_"));
        samples
    }

    /// The numbers that it has taken, in their order.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.samples().iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// All that it has counted of this metric.
    pub(crate) fn counted(&self, metric: &str) -> u64 {
        let samples = self.recording.samples();
        let of_metric = samples
            .iter()
            .filter(|sample| sample.series.metric.name == metric);
        of_metric.map(|sample| sample.value.as_f64() as u64).sum()
    }

    pub(crate) fn stop(&self) {
        let report = self.pipeline.stop(LONG);
        assert!(report.ledger.is_balanced(), "{report:?}");
    }
}

fn number(sample: &RecordedSample) -> Option<u64> {
    match sample.value {
        Value::U64(number) if sample.series.metric.name == "number" => Some(number),
        _ => None,
    }
}

/// Another program that uses the server.
pub(crate) struct Other {
    pub(crate) runtime: Runtime,
    pub(crate) context: Context,
}

impl Other {
    pub(crate) fn connect(server: &Nats) -> Self {
        let runtime = Runtime::new().unwrap();
        let connecting = async { jetstream::new(async_nats::connect(server.url()).await.unwrap()) };
        let context = runtime.block_on(connecting);
        Self { runtime, context }
    }

    pub(crate) fn publish(&self, subject: &'static str, payload: &[u8]) {
        let payload = payload.to_vec().into();
        self.runtime.block_on(async {
            self.context
                .publish(subject, payload)
                .await
                .unwrap()
                .await
                .unwrap()
        });
    }
}
