use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alumet_core::async_trait;
use alumet_core::plugin::{Finding, StartError};
use alumet_shared_http_delivery::{HttpClient, Request};
use alumet_shared_trust::try_server;
use opentelemetry_http::{Bytes, HttpError, Response};
use opentelemetry_otlp::{RetryPolicy, WithExportConfig, WithHttpConfig};
use tokio::runtime::Handle;

use crate::settings::Settings;

use super::settings::{Protocol, TelemetrySettings};

/// Sends what the SDK has encoded of one signal to the collector.
#[derive(Debug)]
pub(super) struct Collector {
    http: HttpClient,
    protocol: Protocol,
    signal: &'static Signal,
    /// The threads of the SDK have none.
    runtime: Handle,
    /// Whether what was sent last did not arrive.
    is_away: AtomicBool,
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
    /// An exporter that sends a signal to the collector of the settings.
    ///
    /// # Errors
    /// What is wrong with the files that they name.
    pub(super) fn behind<B: WithExportConfig + WithHttpConfig>(
        exporter: B,
        settings: &TelemetrySettings,
        signal: &'static Signal,
    ) -> Result<B, StartError> {
        let collector = Self {
            http: client(settings)?,
            protocol: settings.protocol,
            signal,
            runtime: Handle::current(),
            is_away: AtomicBool::new(false),
        };
        // Each is set, because what is not is read from the environment.
        Ok(exporter
            .with_endpoint(&settings.endpoint)
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_timeout(*settings.http.timeout)
            .with_retry_policy(RetryPolicy::disabled())
            .with_http_client(collector))
    }
}

#[async_trait]
impl opentelemetry_http::HttpClient for Collector {
    /// Of the request, only the body counts: headers of it come from the environment.
    async fn send_bytes(
        &self,
        request: opentelemetry_http::Request<Bytes>,
    ) -> Result<Response<Bytes>, HttpError> {
        let request = self
            .signal
            .request(&self.http, self.protocol, request.into_body());
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move { http.send(request).await });
        let result = sent.await?;
        let was_away = self.is_away.swap(result.is_err(), Ordering::Relaxed);
        let signal = self.signal.name;
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

impl Signal {
    fn request(&self, http: &HttpClient, protocol: Protocol, body: Bytes) -> Request {
        match protocol {
            Protocol::Grpc => http.call(self.method, &body),
            Protocol::Http => http.post(self.path, "application/x-protobuf", body),
        }
    }
}

fn client(settings: &TelemetrySettings) -> Result<HttpClient, StartError> {
    let make = match settings.protocol {
        Protocol::Grpc => HttpClient::grpc,
        Protocol::Http => HttpClient::new,
    };
    make("telemetry.endpoint", &settings.endpoint, &settings.http)
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
    let tried = |signal: &Signal| {
        let subject = format!("{} to {}", signal.name, settings.endpoint);
        let http = match client(settings) {
            Ok(http) => http,
            Err(error) => return Finding::broken(subject, error.to_string(), remedy),
        };
        let request = signal.request(&http, settings.protocol, Bytes::new());
        try_server(subject, TRIAL, remedy, async move {
            let answer = http.send(request).await;
            let answer = answer.map_err(|failure| failure.to_string())?;
            Ok(format!("answers {}", answer.status))
        })
    };
    signals.into_iter().flatten().map(tried).collect()
}
