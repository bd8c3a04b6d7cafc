//! An output that runs, and waiting for what it does.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::pipeline::{Control, Pattern, Pipeline, PipelineBuilder, StopReport};
use alumet_core::spool::{Spool, SpoolReader, SpoolSlot};
use alumet_plugin_relay_client::{Config, RelayClientPlugin};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use crate::spool::FakeSpool;

/// Longer than anything takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// An output that runs in a pipeline without sources.
pub(crate) struct Running {
    pipeline: Arc<Pipeline>,
    spool: FakeSpool,
    watching: AbortOnDropHandle<()>,
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
        let slot = spool.clone();
        let slot = SpoolSlot::new(move |_| -> Arc<dyn Spool> { Arc::new(slot.clone()) });
        let mut builder = PipelineBuilder::new().spool(slot);
        builder.plugin::<RelayClientPlugin>(config.clone()).unwrap();
        let pipeline = Arc::new(builder.start().unwrap());
        let watching = tokio::spawn(watch(pipeline.control().clone(), spool.clone()));
        Self {
            pipeline,
            spool: spool.clone(),
            watching: AbortOnDropHandle::new(watching),
        }
    }

    /// Waits until nothing is left, and ends it.
    pub(crate) async fn ended(self) -> StopReport {
        let spool = self.spool.clone();
        until("everything is done", || spool.waiting() == 0).await;
        self.stopped(LONG).await
    }

    /// Ends it, with so much time for what is left.
    pub(crate) async fn stopped(self, time: Duration) -> StopReport {
        let Self { pipeline, .. } = self;
        tokio::task::spawn_blocking(move || pipeline.stop(time))
            .await
            .unwrap()
    }

    /// As when the program is killed.
    pub(crate) async fn kill(self) {
        drop(self.watching);
        let pipeline = self.pipeline;
        pipeline.abort();
        tokio::task::spawn_blocking(move || pipeline.stop(Duration::ZERO))
            .await
            .unwrap();
    }
}

/// Takes note of how the output is doing.
async fn watch(control: Control, spool: FakeSpool) {
    let (mut failures, mut is_failing) = (0, false);
    loop {
        sleep(Duration::from_millis(1)).await;
        let Ok(elements) = control.list(&Pattern::plugin("relay-client")) else {
            return;
        };
        let Some(status) = elements.first() else { return };
        if status.failures > failures {
            spool.note(status.last_error.clone());
        }
        if is_failing && status.failures_in_a_row == 0 {
            spool.note(None);
        }
        (failures, is_failing) = (status.failures, status.failures_in_a_row > 0);
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
