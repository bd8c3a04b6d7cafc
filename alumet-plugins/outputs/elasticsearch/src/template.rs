//! The template that gives new indices their types.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::failure::Remedy;
use alumet_core::time::Monotonic;
use alumet_shared_http_delivery::{HttpClient, Request};
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;

use crate::config::Config;

/// The template, and when it was written. Clones share that.
#[derive(Clone)]
pub(crate) struct Template {
    request: Request,
    written: Arc<Mutex<Option<Monotonic>>>,
}

/// The server may be replaced by an empty one at any time, without a word. To one that has the template, it is no work.
const LASTS: Duration = Duration::from_secs(60);

/// Text that is longer, in characters, is kept but not indexed: the server refuses terms of more than 32 766 bytes.
const LONGEST_TERM: usize = 8191;

impl Template {
    /// The template for the indices of a configuration.
    pub(crate) fn new(client: &HttpClient, config: &Config) -> Self {
        let path = format!("/_index_template/{}_index_template", config.index_prefix);
        let body = body(config).to_string().into_bytes();
        Self {
            request: client.post(path, "application/json", body).accepting(&[400, 403]),
            written: Arc::default(),
        }
    }

    /// Writes it if that was not done recently; others wait meanwhile.
    ///
    /// # Errors
    /// Why it cannot be written: nothing else may be then.
    pub(crate) async fn ensure(&self, client: &HttpClient, now: Monotonic) -> Result<(), Failure> {
        let mut written = self.written.lock().await;
        if written.is_some_and(|at| now.since(at) < LASTS) {
            return Ok(());
        }
        let answer = client.send(self.request.clone()).await;
        // The samples are not to blame.
        let answer = answer.map_err(|failure| match failure.remedy() {
            Remedy::Retry => failure,
            _ => Failure::retry(failure.to_string()),
        })?;
        if !answer.status.is_success() {
            return Err(Failure::retry(format!(
                "the server refuses the index template ({}: {}); allow this user `manage_index_templates`, or write the \
                 template there yourself and set `ensure_template = false`",
                answer.status,
                answer.words()
            )));
        }
        *written = Some(now);
        Ok(())
    }

    /// Something is wrong with the server; it may come back as another.
    pub(crate) async fn forget(&self) {
        *self.written.lock().await = None;
    }
}

/// Attributes are keywords, whatever they are in JSON, so that no two samples of an index contradict each other. A value is
/// what it is in JSON: `long` or `double`, exactly.
fn body(config: &Config) -> Json {
    let keyword = json!({"type": "keyword", "ignore_above": LONGEST_TERM});
    let attributes = |json_type: &str| {
        json!({
            format!("attributes_{json_type}"): {
                "match_mapping_type": json_type, "unmatch": "value", "mapping": keyword
            }
        })
    };
    let mut body = json!({
        "index_patterns": [format!("{}-*", config.index_prefix)],
        "priority": 80,
        "_meta": {"description": "samples of Alumet"},
        "template": {
            // Without it, 2.5 would be indexed as 2 where a metric has had integers before.
            "settings": {"index.mapping.coerce": false},
            "mappings": {
                "date_detection": false,
                "dynamic_templates": [
                    {"value": {"match": "value", "match_mapping_type": "double", "mapping": {"type": "double"}}},
                    attributes("string"), attributes("long"), attributes("double"), attributes("boolean")
                ],
                "properties": {"@timestamp": {"type": "date_nanos"}}
            }
        }
    });
    if config.data_streams {
        body["data_stream"] = json!({});
    }
    body
}
