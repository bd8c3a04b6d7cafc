//! The output: samples come in, requests go out.

use alumet_core::Failure;
use alumet_core::output::{Delivering, Delivery, Output};
use alumet_shared_http_delivery::{HttpClient, Request};

use crate::config::Config;
use crate::encode::{Encoder, Lines};
use crate::verdict::{Refused, verdict};

/// Sends samples to a server.
#[derive(Debug)]
pub(crate) struct InfluxOutput {
    client: HttpClient,
    encoder: Encoder,
    path: String,
}

impl InfluxOutput {
    /// An output to the server of `client`.
    pub(crate) fn new(client: HttpClient, config: &Config) -> Self {
        Self {
            client,
            encoder: Encoder::new(config),
            path: config.path(),
        }
    }

    /// A request that writes lines.
    pub(crate) fn write(&self, lines: bytes::Bytes) -> Request {
        self.client
            .post(&self.path, "text/plain; charset=utf-8", lines)
            .accepting(&Refused::STATUSES)
    }
}

impl Output for InfluxOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let Lines { text, mut left_out } = self.encoder.encode(delivery);
        if text.is_empty() {
            return Ok(Delivering::Done(left_out));
        }
        let text = bytes::Bytes::from(text);
        let request = self.write(text.clone());
        let client = self.client.clone();
        Ok(Delivering::under_way(async move {
            let answer = client.send(request).await?;
            if !answer.status.is_success() {
                verdict(&answer, &text)?.tell(&mut left_out);
            }
            Ok(left_out)
        }))
    }
}
