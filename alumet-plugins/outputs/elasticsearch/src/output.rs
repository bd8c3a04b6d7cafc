//! The output: samples come in, requests go out.

use alumet_core::Failure;
use alumet_core::failure::Remedy;
use alumet_core::output::{Delivering, Delivery, Output};
use alumet_shared_http_delivery::{HttpClient, StatusCode};

use crate::config::Config;
use crate::encode::Encoder;
use crate::template::Template;
use crate::verdict::verdict;

/// Sends samples to a server.
pub(crate) struct ElasticsearchOutput {
    client: HttpClient,
    encoder: Encoder,
    template: Option<Template>,
}

/// Of each document, only what has become of it is answered.
const BULK: &str = "/_bulk?filter_path=items.*.status,items.*.error";

impl ElasticsearchOutput {
    /// An output to the server of `client`.
    pub(crate) fn new(client: HttpClient, config: &Config) -> Self {
        Self {
            encoder: Encoder::new(config),
            template: config.ensure_template.then(|| Template::new(&client, config)),
            client,
        }
    }
}

impl Output for ElasticsearchOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let mut bulk = self.encoder.encode(delivery);
        if bulk.documents == 0 {
            return Ok(Delivering::Done(bulk.left_out));
        }
        let text = std::mem::take(&mut bulk.text);
        let request = self
            .client
            .post(BULK, "application/x-ndjson", text)
            .accepting(&[400]);
        let (client, template, now) = (
            self.client.clone(),
            self.template.clone(),
            delivery.now().monotonic,
        );
        Ok(Delivering::under_way(async move {
            if let Some(template) = &template {
                template.ensure(&client, now).await?;
            }
            let result = match client.send(request).await {
                // Something in it is no document at all; alone, that is refused, and nothing with it.
                Ok(answer) if answer.status == StatusCode::BAD_REQUEST => {
                    let said = format!("the server answers {}: {}", answer.status, answer.words());
                    return Err(Failure::too_large(said));
                }
                Ok(answer) => verdict(&answer, &mut bulk),
                Err(failure) => Err(failure),
            };
            if let (Some(template), Err(failure)) = (&template, &result)
                && failure.remedy() == Remedy::Retry
            {
                template.forget().await;
            }
            result
        }))
    }
}
