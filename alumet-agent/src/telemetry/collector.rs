use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alumet_core::async_trait;
use alumet_core::failure::Failure;
use alumet_core::plugin::{Finding, StartError};
use alumet_shared_http_delivery::{Answer, HttpClient};
use alumet_shared_trust::try_server;
use opentelemetry_http::{Bytes, HttpError, Request, Response};
use opentelemetry_otlp::{RetryPolicy, WithExportConfig, WithHttpConfig};
use tokio::runtime::Handle;

use crate::settings::Settings;

use super::settings::{Protocol, TelemetrySettings};

/// Sends what the SDK has encoded to the collector.
#[derive(Debug)]
pub(super) struct Collector {
    client: Client,
    /// The threads of the SDK have none.
    runtime: Handle,
    /// Whether what was sent last did not arrive.
    is_away: AtomicBool,
}

/// Speaks of one signal with the collector.
#[derive(Debug, Clone)]
struct Client {
    http: HttpClient,
    signal: &'static Signal,
    settings: Arc<TelemetrySettings>,
}

/// What is sent, and where to.
#[derive(Debug)]
pub(super) struct Signal {
    name: &'static str,
    path: &'static str,
    method: &'static str,
}

pub(super) static TRACES: Signal = Signal {
    name: "traces",
    path: "/v1/traces",
    method: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
};
pub(super) static METRICS: Signal = Signal {
    name: "metrics",
    path: "/v1/metrics",
    method: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
};

/// How long the collector may take while it is only tried.
const TRIAL: Duration = Duration::from_secs(5);

impl Collector {
    /// The collector of the settings, for one signal.
    ///
    /// # Errors
    /// What is wrong with the files that they name.
    pub(super) fn new(settings: &TelemetrySettings, signal: &'static Signal) -> Result<Self, StartError> {
        Ok(Self {
            client: Client::new(settings, signal)?,
            runtime: Handle::current(),
            is_away: AtomicBool::new(false),
        })
    }

    /// An exporter that sends through it.
    pub(super) fn exported<B: WithExportConfig + WithHttpConfig>(self, exporter: B) -> B {
        let settings = Arc::clone(&self.client.settings);
        exporter
            .with_endpoint(&settings.endpoint)
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_timeout(*settings.http.timeout)
            .with_retry_policy(RetryPolicy::disabled())
            .with_http_client(self)
    }
}

#[async_trait]
impl opentelemetry_http::HttpClient for Collector {
    /// Of the request, only the body counts: headers of it come from the environment.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, body) = (self.client.clone(), request.into_body());
        let sent = self.runtime.spawn(async move { client.send(body).await });
        let result = sent.await?;
        let was_away = self.is_away.swap(result.is_err(), Ordering::Relaxed);
        let signal = self.client.signal.name;
        match &result {
            Err(error) if !was_away => tracing::warn!(
                %error,
                "the collector does not take the program's own {signal}; they are dropped until it does"
            ),
            Ok(_) if was_away => tracing::info!("the collector takes the program's own {signal} again"),
            _ => {}
        }
        let answer = result.map_err(|failure| failure.to_string())?;
        Ok(Response::new(answer.body))
    }
}

impl Client {
    fn new(settings: &TelemetrySettings, signal: &'static Signal) -> Result<Self, StartError> {
        let make = match settings.protocol {
            Protocol::Grpc => HttpClient::grpc,
            Protocol::Http => HttpClient::new,
        };
        Ok(Self {
            http: make("endpoint", &settings.endpoint, &settings.http)?,
            signal,
            settings: Arc::new(settings.clone()),
        })
    }

    async fn send(&self, body: Bytes) -> Result<Answer, Failure> {
        let request = match self.settings.protocol {
            Protocol::Grpc => self.http.call(self.signal.method, &body),
            Protocol::Http => self.http.post(self.signal.path, "application/x-protobuf", body),
        };
        self.http.send(request).await
    }
}

/// Sends messages with nothing in them to the collector, and tells what came of it.
pub(crate) fn try_out(settings: &Settings) -> Vec<Finding> {
    let Some(settings) = &settings.telemetry else {
        return Vec::new();
    };
    let remedy = "mend that, or remove [telemetry]; until then they are dropped";
    let signals = [
        settings.has_traces().then_some(&TRACES),
        settings.has_metrics().then_some(&METRICS),
    ];
    let tried = |signal: &'static Signal| {
        let subject = format!("{} to {}", signal.name, settings.endpoint);
        match Client::new(settings, signal) {
            Err(error) => Finding::broken(subject, error.to_string(), remedy),
            Ok(client) => try_server(subject, TRIAL, remedy, async move {
                let answer = client.send(Bytes::new()).await;
                let answer = answer.map_err(|failure| failure.to_string())?;
                Ok(format!("answers {}", answer.status))
            }),
        }
    };
    signals.into_iter().flatten().map(tried).collect()
}
