//! The plugins of a run: started, waiting to be tried again, and changed when the configuration is read again.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::{Arc, Weak};
use std::time::Duration;

use alumet_core::pipeline::Pipeline;
use alumet_core::span;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::field::Empty;

use crate::app::App;
use crate::cli::Global;
use crate::health::Health;
use crate::settings::{OnError, Settings};
use crate::setup::{EnabledPlugin, IfMissing, Setup};

/// The plugins that the configuration enables, and what became of each.
pub(crate) struct RunningPlugins {
    app: Arc<App>,
    global: Global,
    pipeline: Weak<Pipeline>,
    health: Arc<Health>,
    /// The configuration outside of `[plugins]`, which only a restart changes.
    general: BTreeSet<(String, String)>,
    /// `None` when the program is about to end: nothing changes any more.
    plugins: Mutex<Option<Vec<EnabledPlugin>>>,
    /// Told when a plugin begins to wait.
    waiting: Notify,
}

impl RunningPlugins {
    pub(crate) fn new(
        app: Arc<App>,
        global: Global,
        pipeline: &Arc<Pipeline>,
        health: Arc<Health>,
        settings: &Settings,
        plugins: Vec<EnabledPlugin>,
    ) -> Self {
        Self {
            app,
            global,
            pipeline: Arc::downgrade(pipeline),
            health,
            general: general(settings),
            plugins: Mutex::new(Some(plugins)),
            waiting: Notify::new(),
        }
    }

    /// Reads the configuration again and restarts what has changed; says what that was, in the log as well.
    ///
    /// # Errors
    /// Why the configuration is refused; nothing has changed then, but for a plugin that cannot start with its new
    /// configuration, which goes on with its old one. Blocks.
    pub(crate) fn reload(&self) -> Result<String, String> {
        let span = tracing::debug_span!(target: span::TARGET, "reload", otel.status_description = Empty);
        let result = span.in_scope(|| self.read_again());
        match &result {
            Ok(report) => tracing::info!("the configuration was read again: {report}"),
            Err(error) => {
                span.record("otel.status_description", error);
                tracing::error!("the configuration was read again: {error}");
            }
        }
        result
    }

    /// Waits for the end of a change, and lets none begin: what waits for an output that is exchanged must find it.
    pub(crate) fn freeze(&self) {
        *self.plugins.lock() = None;
    }

    fn read_again(&self) -> Result<String, String> {
        let mut plugins = self.plugins.lock();
        let current = plugins.as_mut().ok_or(ENDING)?;
        let setup = Setup::load(&self.app, &self.global, IfMissing::Fail).map_err(|failed| {
            let refused = "it is refused, so nothing has changed";
            format!("{refused}\n{}", failed.message())
        })?;
        let pipeline = self.pipeline.upgrade().ok_or(ENDING)?;
        let mut report = Report::comparing(&self.general, &general(&setup.settings));
        if is_same(current, &setup.plugins) {
            return report.finish();
        }
        // What is measured in the meantime waits for the new transforms and outputs.
        let hold = pipeline.control().hold();
        if let Err(error) = &hold {
            tracing::warn!(%error, "samples of this moment may miss the plugins that change");
        }
        let mut before = std::mem::take(current);
        before.retain(|old| {
            let id = old.descriptor.id;
            let stays = setup.plugins.iter().any(|plugin| plugin.descriptor.id == id);
            if !stays {
                self.stop(&pipeline, id);
                report.done.push(format!("stopped {id}"));
            }
            stays
        });
        for plugin in setup.plugins {
            let id = plugin.descriptor.id;
            let old = before.iter().position(|old| old.descriptor.id == id);
            current.push(match old.map(|index| before.swap_remove(index)) {
                Some(old) if old.is_same(&plugin) => plugin,
                old => self.change(&pipeline, old, plugin, &mut report),
            });
        }
        drop((hold, plugins));
        self.waiting.notify_one();
        report.finish()
    }

    /// Tries waiting plugins again, with pauses that double up to a minute; never ends.
    pub(crate) async fn retry(self: Arc<Self>) {
        let first = Duration::from_secs(1);
        let mut pause = first;
        loop {
            if self.health.waiting_plugins().is_empty() {
                self.waiting.notified().await;
                pause = first;
                continue;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(60));
            let this = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || this.retry_once()).await {
                tracing::error!(%error, "waiting plugins could not be tried again");
            }
        }
    }

    fn retry_once(&self) {
        let Some(pipeline) = self.pipeline.upgrade() else {
            return;
        };
        let plugins = self.plugins.lock();
        let waiting = self.health.waiting_plugins();
        let waits = |id| waiting.iter().any(|(waiting, _)| *waiting == id);
        for plugin in plugins
            .iter()
            .flatten()
            .filter(|plugin| waits(plugin.descriptor.id))
        {
            let id = plugin.descriptor.id;
            match start(&pipeline, plugin) {
                Ok(()) => {
                    tracing::info!(plugin = id, "the plugin has started");
                    self.health.not_missing(id);
                }
                Err(error) => {
                    tracing::debug!(plugin = id, error, "the plugin still cannot start");
                    self.health.missing(id, error, true);
                }
            }
        }
    }

    /// Starts a plugin, in place of that with its old configuration if there is one; if it cannot start, that one goes on.
    fn change(
        &self,
        pipeline: &Pipeline,
        old: Option<EnabledPlugin>,
        new: EnabledPlugin,
        report: &mut Report,
    ) -> EnabledPlugin {
        let id = new.descriptor.id;
        let done = if old.is_some() { "restarted" } else { "started" };
        let has_run = old.filter(|_| self.stop(pipeline, id));
        let Err(error) = start(pipeline, &new) else {
            report.done.push(format!("{done} {id}"));
            return new;
        };
        if let Some(old) = has_run
            && start(pipeline, &old).is_ok()
        {
            report.failed.push(format!(
                "the plugin {id} cannot start with its new configuration and goes on with the old one: {error}"
            ));
            return old;
        }
        report
            .failed
            .push(format!("the plugin {id} cannot start: {error}"));
        // The agent goes on in any case.
        let is_tried_again = new.on_error != OnError::Disable;
        self.health.missing(id, error, is_tried_again);
        new
    }

    /// Stops a plugin; whether it has run.
    fn stop(&self, pipeline: &Pipeline, id: &'static str) -> bool {
        let has_run = !self.health.not_missing(id);
        if has_run && let Err(error) = pipeline.stop_plugin(id) {
            tracing::error!(plugin = id, %error, "the plugin does not stop");
        }
        has_run
    }
}

pub(crate) const ENDING: &str = "the program is about to end";

/// Whether both have the same plugins with the same configurations.
fn is_same(old: &[EnabledPlugin], new: &[EnabledPlugin]) -> bool {
    let is_there = |plugin: &EnabledPlugin| old.iter().any(|old| old.is_same(plugin));
    old.len() == new.len() && new.iter().all(is_there)
}

fn start(pipeline: &Pipeline, plugin: &EnabledPlugin) -> Result<(), String> {
    let started = pipeline.start_plugin(&plugin.descriptor, &plugin.config);
    started.map_err(|error| error.to_string())
}

/// The settings, each with its key and its value, so that two of them can be compared.
fn general(settings: &Settings) -> BTreeSet<(String, String)> {
    let mut general = BTreeSet::new();
    for (key, value) in toml::Table::try_from(settings).unwrap_or_default() {
        match value {
            toml::Value::Table(table) => {
                let inner = table.into_iter();
                general.extend(inner.map(|(inner, value)| (format!("{key}.{inner}"), value.to_string())));
            }
            value => drop(general.insert((key, value.to_string()))),
        }
    }
    general
}

/// What a reload did.
#[derive(Default)]
struct Report {
    done: Vec<String>,
    failed: Vec<String>,
    /// Keys outside of `[plugins]`.
    needs_restart: BTreeSet<String>,
}

impl Report {
    fn comparing(before: &BTreeSet<(String, String)>, after: &BTreeSet<(String, String)>) -> Self {
        let changed = before.symmetric_difference(after).map(|(key, _)| key.clone());
        Self {
            needs_restart: changed.collect(),
            ..Self::default()
        }
    }

    fn finish(self) -> Result<String, String> {
        let mut text = if self.done.is_empty() {
            "no plugin has changed".to_owned()
        } else {
            self.done.join(", ")
        };
        if !self.needs_restart.is_empty() {
            let keys: Vec<String> = self.needs_restart.into_iter().collect();
            let _ = write!(text, "; only a restart changes {}", keys.join(", "));
        }
        if self.failed.is_empty() {
            Ok(text)
        } else {
            Err(format!("{}\n{text}", self.failed.join("\n")))
        }
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::duration::HumanDuration;

    use super::*;

    #[test]
    fn keys_that_only_a_restart_changes_are_named() {
        let mut changed = Settings {
            system_root: "/host".into(),
            ..Settings::default()
        };
        changed.pipeline.self_metrics = HumanDuration::from_secs(2);
        changed.log.level = Some("debug".to_owned());
        let report = Report::comparing(&general(&Settings::default()), &general(&changed));
        assert_eq!(
            report.finish().unwrap(),
            "no plugin has changed; only a restart changes log.level, pipeline.self_metrics, system_root"
        );
    }
}
