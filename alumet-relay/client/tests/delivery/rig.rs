//! An output that runs, and waiting for what it does.

use std::time::Duration;

use alumet_core::Failure;
use alumet_plugin_relay_client::{Config, RelayOutput};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::spool::FakeSpool;

/// Longer than anything takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A running output.
pub(crate) struct Running {
    pub(crate) task: JoinHandle<Result<(), Failure>>,
    pub(crate) stop: CancellationToken,
}

/// A configuration with short pauses.
pub(crate) fn config(servers: impl std::fmt::Display) -> Config {
    let toml = format!(
        "client_name = 'node'\nrelay_server = {servers}\nconnect_timeout = '5s'\n\
         retry = {{ initial_delay = '5ms', max_delay = '40ms' }}"
    );
    toml::from_str(&toml).unwrap()
}

/// A configuration with one server.
pub(crate) fn config_of(address: impl std::fmt::Display) -> Config {
    config(format!("'{address}'"))
}

impl Running {
    pub(crate) fn start(config: &Config, spool: &FakeSpool) -> Self {
        config.check().unwrap();
        let mut output = RelayOutput::new(config).unwrap();
        let mut feed = spool.clone();
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let stop = stop.clone();
            async move { output.deliver(&mut feed, &stop).await }
        });
        Self { task, stop }
    }

    /// Waits for the end.
    pub(crate) async fn ended(self) {
        timeout(LONG, self.task)
            .await
            .expect("it does not end")
            .unwrap()
            .unwrap();
    }

    /// As when the program is killed.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Waits until something is the case.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let late = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < late, "not so after {LONG:?}: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
