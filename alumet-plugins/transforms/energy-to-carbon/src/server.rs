//! The server that knows what a kWh emits now.

use alumet_core::failure::words;
use alumet_core::pipeline::EventSink;
use alumet_core::source::EventSource;
use alumet_core::{CancellationToken, Failure, async_trait};
use alumet_shared_http_delivery::HttpClient;

use crate::config::{ServerConfig, is_intensity};
use crate::intensity::Latest;

/// Asks the server for a number.
#[derive(Debug, Clone)]
pub(crate) struct IntensityServer {
    client: HttpClient,
    config: ServerConfig,
}

/// Asks again and again, and makes no samples.
pub(crate) struct IntensitySource {
    pub(crate) server: IntensityServer,
    pub(crate) latest: Latest,
}

impl IntensityServer {
    pub(crate) const fn new(client: HttpClient, config: ServerConfig) -> Self {
        Self { client, config }
    }

    /// What the server says now, in grams per kWh.
    ///
    /// # Errors
    /// When it does not answer, or with something else.
    pub(crate) async fn ask(&self) -> Result<f64, Failure> {
        let answer = self.client.send(self.client.get(self.config.path.clone())).await;
        let answer = answer.map_err(|failure| Failure::retry(failure.to_string()))?;
        number(&answer.body, &self.config.pointer).ok_or_else(|| {
            let ServerConfig { url, pointer, .. } = &self.config;
            Failure::retry(format!(
                "{url} answers `{}`, which has no number of grams per kWh at the place `{pointer}`; check `path` and `pointer`",
                words(&answer.body)
            ))
        })
    }
}

#[async_trait]
impl EventSource for IntensitySource {
    async fn run(&mut self, out: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        loop {
            let intensity = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                answer = self.server.ask() => answer?,
            };
            *self.latest.lock() = Some((intensity, out.now().monotonic));
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(*self.server.config.refresh_interval) => {}
            }
        }
    }
}

/// The number at a place in JSON; it may stand there as text.
fn number(body: &[u8], pointer: &str) -> Option<f64> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let value = json.pointer(pointer)?;
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    is_intensity(number).then_some(number)
}

#[cfg(test)]
mod tests {
    use alumet_core::duration::HumanDuration;
    use alumet_shared_http_delivery::testkit::{TestServer, local};
    use proptest::prelude::*;

    use super::*;

    fn ask(
        answer: impl Fn() -> (&'static str, String) + Send + Sync + 'static,
        timeout: u64,
    ) -> Result<f64, String> {
        let server = TestServer::answering(move |_| answer()).unwrap();
        let mut http = local();
        http.timeout = HumanDuration::from_millis(timeout);
        let config = ServerConfig {
            url: server.url(),
            path: "/now?zone=FR".to_owned(),
            pointer: "/data/0/intensity".to_owned(),
            http,
            ..ServerConfig::default()
        };
        let client = HttpClient::new("http.url", &config.url, &config.http).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let asked = runtime.block_on(IntensityServer::new(client, config).ask());
        if timeout > 1000 {
            assert_eq!(server.received()[0].line, "GET /now?zone=FR HTTP/1.1");
        }
        asked.map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_server_is_asked_for_a_number_and_any_other_answer_is_refused() {
        let ok = |body: &'static str| ask(move || ("200 OK", body.to_owned()), 10_000);
        assert_eq!(ok(r#"{"data":[{"intensity":56.5}]}"#), Ok(56.5));
        assert_eq!(ok(r#"{"data":[{"intensity":"57"}]}"#), Ok(57.0));
        for nonsense in [
            "",
            "56",
            "<html>",
            r#"{"data":[]}"#,
            r#"{"data":[{"intensity":null}]}"#,
            r#"{"data":[{"intensity":-5}]}"#,
            r#"{"data":[{"intensity":"NaN"}]}"#,
        ] {
            let error = ok(nonsense).unwrap_err();
            assert!(error.contains("/data/0/intensity"), "{error}");
        }
        let error = ask(|| ("503 Service Unavailable", String::new()), 10_000).unwrap_err();
        assert!(error.contains("503"), "{error}");
    }

    #[test]
    fn a_server_that_hangs_is_not_waited_for() {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let wait = parking_lot::Mutex::new(wait);
        let answer = move || {
            let _ = wait.lock().recv();
            ("200 OK", String::new())
        };
        assert!(ask(answer, 50).is_err());
        drop(release);
    }

    #[test]
    fn without_a_place_the_answer_is_the_number() {
        assert_eq!(number(b" 12.5\n", ""), Some(12.5));
        assert_eq!(number(b"\"12.5\"", ""), Some(12.5));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(body: Vec<u8>, pointer in ".{0,5}") {
            let _ = number(&body, &pointer);
        }
    }
}
