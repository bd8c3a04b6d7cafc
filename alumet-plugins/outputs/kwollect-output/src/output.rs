//! The output: samples come in, requests go out.

use alumet_core::Failure;
use alumet_core::output::{Delivering, Delivery, Output};
use alumet_shared_http_delivery::HttpClient;

use crate::encode::Encoder;

/// Pushes samples to a server.
#[derive(Debug)]
pub(crate) struct KwollectOutput {
    client: HttpClient,
    encoder: Encoder,
}

/// Answers to a request of which something is refused, without a word about which part.
const REFUSED: [u16; 2] = [400, 422];

impl KwollectOutput {
    /// An output to the server of `client`.
    pub(crate) const fn new(client: HttpClient, encoder: Encoder) -> Self {
        Self { client, encoder }
    }
}

impl Output for KwollectOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let metrics = self.encoder.encode(delivery);
        if metrics.text.is_empty() {
            return Ok(Delivering::Done(metrics.left_out));
        }
        let request = self.client.post("", "application/json", metrics.text);
        let (client, request) = (self.client.clone(), request.accepting(&REFUSED));
        Ok(Delivering::under_way(async move {
            let answer = client.send(request).await?;
            if !answer.status.is_success() {
                // Parts come again, down to the samples that are refused alone.
                let said = format!("the server answers {}: {}", answer.status, answer.words());
                return Err(Failure::too_large(said));
            }
            Ok(metrics.left_out)
        }))
    }
}
