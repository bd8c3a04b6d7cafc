//! A server that takes what the API of Kwollect takes.

use std::sync::Arc;

use alumet_core::duration::HumanDuration;
use alumet_plugin_kwollect_output::Config;
use alumet_shared_http_delivery::HttpConfig;
use alumet_shared_http_delivery::testkit::{TestServer, local};
use parking_lot::Mutex;
use serde_json::Value as Json;

/// A server that keeps all metrics, as often as they come. It lives as long as the test program.
pub(crate) struct Kwollect {
    server: TestServer,
    metrics: Arc<Mutex<Vec<Json>>>,
}

/// The only header `Authorization` that is let through.
pub(crate) const RIGHT: &str = "Basic YWx1bWV0OnJpZ2h0";

impl Kwollect {
    /// One that refuses a list if it refuses one of its values.
    pub(crate) fn start(is_refused: impl Fn(&Json) -> bool + Send + Sync + 'static) -> Self {
        let metrics = Arc::<Mutex<Vec<Json>>>::default();
        let kept = Arc::clone(&metrics);
        let server = TestServer::answering(move |request| {
            assert_eq!(request.line, "POST /stable/sites/lyon/metrics HTTP/1.1");
            assert_eq!(request.header("content-type"), Some("application/json"));
            if request
                .header("authorization")
                .is_some_and(|shown| shown != RIGHT)
            {
                return ("401 Unauthorized", "who are you?".to_owned());
            }
            let list: Vec<Json> = serde_json::from_slice(&request.body).unwrap();
            if list.iter().any(|metric| is_refused(&metric["value"])) {
                return ("400 Bad Request", "no such value".to_owned());
            }
            kept.lock().extend(list);
            ("200 OK", String::new())
        });
        Self {
            server: server.unwrap(),
            metrics,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.url().rsplit_once(':').unwrap().1.parse().unwrap()
    }

    pub(crate) fn metrics(&self) -> Vec<Json> {
        self.metrics.lock().clone()
    }

    /// All values, sorted.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let metrics = self.metrics.lock();
        let mut numbers: Vec<u64> = metrics
            .iter()
            .map(|metric| metric["value"].as_u64().unwrap())
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

/// An output to the server on this port.
pub(crate) fn config(port: u16) -> Config {
    Config {
        url: format!("http://127.0.0.1:{port}/stable/sites/lyon/metrics"),
        hostname: Some("taurus-7".to_owned()),
        http: HttpConfig {
            timeout: HumanDuration::from_millis(500),
            ..local()
        },
        ..Config::default()
    }
}
