//! The program's own traces and metrics, sent by OTLP. What is measured is not among them: that is for outputs.
//!
//! The SDK keeps spans and reads numbers in threads of its own, and what it encodes goes through the HTTP client of the
//! outputs. So nothing waits for a collector: what it does not take in time is dropped.

mod collector;
mod metrics;
mod settings;

use std::path::Path;
use std::thread;
use std::time::Duration;

use alumet_core::pipeline::Control;
use alumet_core::plugin::StartError;
use alumet_core::span;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanLimits,
};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::app::App;
use crate::exit::Failed;
use crate::logging::Spans;
use crate::settings::Settings;

use collector::{Collector, METRICS, TRACES};

pub(crate) use collector::try_out;
pub(crate) use settings::TelemetrySettings;

/// What collects spans and numbers, and sends them.
pub(crate) struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

/// Where spans and numbers say that they come from.
const SCOPE: &str = "alumet";
/// How many spans may wait to be sent, how many are sent together, and after how long.
const WAITING: usize = 2048;
const TOGETHER: usize = 512;
const SOON: Duration = Duration::from_secs(5);
/// How long the end of the program may wait for the collector.
const LAST_WORD: Duration = Duration::from_secs(2);

impl Telemetry {
    /// Begins to collect spans, if that is what the settings want. What is sent is sent in this runtime.
    ///
    /// # Errors
    /// What is wrong with the files that the settings name.
    pub(crate) fn start(app: &App, settings: &Settings) -> Result<Option<Self>, Failed> {
        let Some(telemetry) = &settings.telemetry else {
            return Ok(None);
        };
        let resource = resource(app, &settings.system_root);
        let cannot_start = |error: StartError| {
            Failed::running(format!(
                "the program's own traces and metrics cannot be sent: {error}\n  help: mend it, or remove [telemetry]"
            ))
        };
        let traces = telemetry
            .has_traces()
            .then(|| traces(telemetry, resource.clone()));
        let metrics = telemetry.has_metrics().then(|| metrics(telemetry, resource));
        Ok(Some(Self {
            traces: traces.transpose().map_err(cannot_start)?,
            metrics: metrics.transpose().map_err(cannot_start)?,
        }))
    }

    /// What hands spans to it.
    pub(crate) fn spans(&self) -> Option<Spans> {
        let tracer = self.traces.as_ref()?.tracer(SCOPE);
        let spans = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false);
        // Nothing of what sends them, or sending would make more of them.
        let chosen = Targets::new().with_target(span::TARGET, LevelFilter::DEBUG);
        Some(spans.with_filter(chosen).boxed())
    }

    /// Begins to read the numbers of a pipeline.
    pub(crate) fn observe(&self, control: &Control) {
        if let Some(provider) = &self.metrics {
            metrics::observe(&provider.meter(SCOPE), control);
        }
    }

    /// Sends what is left, and waits for that as long as the end of a program may.
    pub(crate) async fn stop(mut self) {
        let (traces, metrics) = (self.traces.take(), self.metrics.take());
        let (done, end) = oneshot::channel();
        // In a thread that may be left behind, because it blocks, and what is sent needs this runtime.
        let flush = move || {
            let traces = traces.map(|traces| traces.shutdown_with_timeout(LAST_WORD));
            let metrics = metrics.map(|metrics| metrics.shutdown_with_timeout(LAST_WORD));
            // Nobody may be waiting any more. Errors are in the log.
            drop((done.send(()), traces, metrics));
        };
        let is_begun = thread::Builder::new()
            .name("telemetry-end".to_owned())
            .spawn(flush);
        if is_begun.is_ok() && timeout(LAST_WORD, end).await.is_err() {
            tracing::warn!("the collector has not taken the last traces and metrics in time");
        }
    }
}

/// Without a [`Telemetry::stop`], nothing waits.
impl Drop for Telemetry {
    fn drop(&mut self) {
        std::mem::forget((self.traces.take(), self.metrics.take()));
    }
}

fn traces(settings: &TelemetrySettings, resource: Resource) -> Result<SdkTracerProvider, StartError> {
    let exporter = Collector::behind(SpanExporter::builder().with_http(), settings, &TRACES)?;
    // Each is set, because what is not is read from the environment.
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(WAITING)
        .with_max_export_batch_size(TOGETHER)
        .with_scheduled_delay(SOON);
    let processor = BatchSpanProcessor::builder(exporter.build()?).with_batch_config(batches.build());
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor.build())
        .with_sampler(Sampler::TraceIdRatioBased(settings.sampling))
        .with_span_limits(SpanLimits::default())
        .with_resource(resource)
        .build())
}

fn metrics(settings: &TelemetrySettings, resource: Resource) -> Result<SdkMeterProvider, StartError> {
    let exporter = Collector::behind(MetricExporter::builder().with_http(), settings, &METRICS)?;
    let reader = PeriodicReader::builder(exporter.build()?).with_interval(*settings.interval);
    Ok(SdkMeterProvider::builder()
        .with_reader(reader.build())
        .with_resource(resource)
        .build())
}

/// Which program this is, and where.
fn resource(app: &App, root: &Path) -> Resource {
    let line = |path| {
        let text = std::fs::read_to_string(root.join(path)).ok()?;
        Some(text.trim().to_owned())
    };
    let known = [
        ("service.name", Some(app.name.to_owned())),
        ("service.version", Some(app.version.to_owned())),
        // Another one with each start.
        ("service.instance.id", line("proc/sys/kernel/random/uuid")),
        ("host.name", line("proc/sys/kernel/hostname")),
    ];
    let known = known.into_iter();
    Resource::builder_empty()
        .with_attributes(known.filter_map(|(key, value)| Some(KeyValue::new(key, value?))))
        .build()
}
