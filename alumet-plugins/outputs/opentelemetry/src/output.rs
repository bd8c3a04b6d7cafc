//! The output: samples come in, requests go out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alumet_core::Failure;
use alumet_core::attributes::Attributes;
use alumet_core::output::{Delivering, Delivery, Output};
use alumet_core::plugin::StartError;
use alumet_shared_http_delivery::{HttpClient, Request};
use prost::Message;

use crate::answer::Response;
use crate::config::{Config, Protocol};
use crate::encode::{Encoded, Encoder};

/// Sends samples to a collector, one request after the other.
#[derive(Debug)]
pub(crate) struct OtlpOutput {
    client: Client,
    encoder: Encoder,
    /// Whether the collector has what was encoded last.
    is_taken: Arc<AtomicBool>,
}

/// Speaks with a collector. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: HttpClient,
    protocol: Protocol,
}

impl OtlpOutput {
    /// An output to the collector of `client`, for samples of `host`.
    pub(crate) fn new(client: Client, config: &Config, host: Attributes) -> Self {
        Self {
            client,
            encoder: Encoder::new(config, host),
            is_taken: Arc::default(),
        }
    }
}

impl Output for OtlpOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        // Then these samples come again, or parts of them, and each must say the same as before.
        if !self.is_taken.swap(false, Ordering::Relaxed) {
            self.encoder.take_back();
        }
        let Encoded {
            message,
            points,
            left_out: mut receipt,
        } = self.encoder.encode(delivery);
        if points == 0 {
            return Ok(Delivering::Done(receipt));
        }
        let request = self.client.request(message);
        let client = self.client.clone();
        let is_taken = Arc::new(AtomicBool::new(false));
        self.is_taken = Arc::clone(&is_taken);
        Ok(Delivering::under_way(async move {
            let response = client.send(request).await?;
            is_taken.store(true, Ordering::Relaxed);
            if let Some(warning) = response.tell(&mut receipt, points) {
                tracing::warn!(
                    warning,
                    "the collector has taken all samples, and has something to say"
                );
            }
            Ok(receipt)
        }))
    }
}

impl Client {
    /// A client as it is configured.
    ///
    /// # Errors
    /// What is wrong with the configuration, or with the files that it names.
    pub(crate) fn new(config: &Config) -> Result<Self, StartError> {
        let make = match config.protocol {
            Protocol::Grpc => HttpClient::grpc,
            Protocol::Http => HttpClient::new,
        };
        Ok(Self {
            http: make("collector_host", &config.collector_host, &config.http)?,
            protocol: config.protocol,
        })
    }

    /// What is asked of it.
    pub(crate) const fn http(&self) -> &HttpClient {
        &self.http
    }

    /// A request that sends points.
    pub(crate) fn request(&self, message: Vec<u8>) -> Request {
        match self.protocol {
            Protocol::Grpc => {
                let method = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
                self.http.call(method, &message)
            }
            Protocol::Http => self.http.post("/v1/metrics", "application/x-protobuf", message),
        }
    }

    /// Sends a request.
    async fn send(&self, request: Request) -> Result<Response, Failure> {
        let answer = self.http.send(request.accepting(&[400])).await?;
        if !answer.status.is_success() {
            // Nothing of it is taken then. Parts may be.
            let said = format!("the collector answers {}: {}", answer.status, answer.words());
            return Err(Failure::too_large(said));
        }
        // Some say that all is taken in words of their own.
        Ok(Response::decode(answer.body).unwrap_or_default())
    }
}
