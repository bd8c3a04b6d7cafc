//! The plugins of a run: started, waiting to be tried again, and changed when the configuration is read again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Arc, Weak};
use std::time::Duration;

use alumet_core::pipeline::Pipeline;
use parking_lot::Mutex;
use tokio::sync::Notify;

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
    general: BTreeMap<String, toml::Value>,
    plugins: Mutex<Vec<EnabledPlugin>>,
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
            plugins: Mutex::new(plugins),
            waiting: Notify::new(),
        }
    }

    /// Reads the configuration again and restarts what has changed; says what that was, in the log as well.
    ///
    /// # Errors
    /// Why the configuration is refused; nothing has changed then, but for a plugin that cannot start with its new
    /// configuration, which goes on with its old one. Blocks.
    pub(crate) fn reload(&self) -> Result<String, String> {
        let result = self.read_again();
        match &result {
            Ok(report) => tracing::info!("the configuration was read again: {report}"),
            Err(error) => {
                tracing::error!("the configuration was read again: {error}");
            }
        }
        result
    }

    fn read_again(&self) -> Result<String, String> {
        let mut current = self.plugins.lock();
        let setup = Setup::load(&self.app, &self.global, IfMissing::Fail).map_err(|failed| {
            let refused = "it is refused, so nothing has changed";
            format!("{refused}\n{}", failed.message())
        })?;
        let pipeline = self.pipeline.upgrade().ok_or("the program is about to end")?;
        let mut report = Report::default();
        report.general(&self.general, &general(&setup.settings));
        let mut before = std::mem::take(&mut *current);

        before.retain(|old| {
            let id = old.descriptor.id;
            let stays = setup.plugins.iter().any(|plugin| plugin.descriptor.id == id);
            if !stays {
                self.stop(&pipeline, id);
                report.did("stopped", id);
            }
            stays
        });
        for plugin in setup.plugins {
            let id = plugin.descriptor.id;
            let old = before.iter().position(|old| old.descriptor.id == id);
            let plugin = match old.map(|index| before.swap_remove(index)) {
                Some(old) if old.is_same(&plugin) => plugin,
                Some(old) => self.replace(&pipeline, old, plugin, &mut report),
                None => {
                    match start(&pipeline, &plugin) {
                        Ok(()) => report.did("started", id),
                        Err(error) => {
                            report
                                .failed
                                .push(format!("the plugin {id} cannot start: {error}"));
                            self.note_failure(&plugin, error);
                        }
                    }
                    plugin
                }
            };
            current.push(plugin);
        }
        drop(current);
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
        for plugin in plugins.iter().filter(|plugin| waits(plugin.descriptor.id)) {
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

    /// Restarts a plugin with another configuration; if it cannot start, with the old one.
    fn replace(
        &self,
        pipeline: &Pipeline,
        old: EnabledPlugin,
        new: EnabledPlugin,
        report: &mut Report,
    ) -> EnabledPlugin {
        let id = new.descriptor.id;
        // What is measured in the meantime waits for the new transforms and outputs.
        let hold = pipeline.control().hold();
        if let Err(error) = &hold {
            tracing::warn!(plugin = id, %error, "samples of this moment may miss the plugin");
        }
        let has_run = self.stop(pipeline, id);
        let Err(error) = start(pipeline, &new) else {
            report.did("restarted", id);
            return new;
        };
        if has_run && start(pipeline, &old).is_ok() {
            report.failed.push(format!(
                "the plugin {id} cannot start with its new configuration and goes on with the old one: {error}"
            ));
            return old;
        }
        report.failed.push(format!(
            "the plugin {id} cannot start, neither with its new configuration nor the old one: {error}"
        ));
        self.note_failure(&new, error);
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

    /// A plugin cannot start while the agent runs: the agent goes on in any case.
    fn note_failure(&self, plugin: &EnabledPlugin, error: String) {
        let is_tried_again = plugin.on_error != OnError::Disable;
        self.health.missing(plugin.descriptor.id, error, is_tried_again);
    }
}

fn start(pipeline: &Pipeline, plugin: &EnabledPlugin) -> Result<(), String> {
    let started = pipeline.start_plugin(&plugin.descriptor, &plugin.config);
    started.map_err(|error| error.to_string())
}

/// The settings key by key, so that two of them can be compared.
fn general(settings: &Settings) -> BTreeMap<String, toml::Value> {
    let mut general = BTreeMap::new();
    for (key, value) in toml::Table::try_from(settings).unwrap_or_default() {
        match value {
            toml::Value::Table(table) => {
                general.extend(
                    table
                        .into_iter()
                        .map(|(inner, value)| (format!("{key}.{inner}"), value)),
                );
            }
            value => {
                general.insert(key, value);
            }
        }
    }
    general
}

/// What a reload did.
#[derive(Default)]
struct Report {
    done: Vec<String>,
    failed: Vec<String>,
    needs_restart: Vec<String>,
}

impl Report {
    fn did(&mut self, what: &str, plugin: &str) {
        self.done.push(format!("{what} {plugin}"));
    }

    /// Notes the keys outside of `[plugins]` that differ.
    fn general(&mut self, before: &BTreeMap<String, toml::Value>, after: &BTreeMap<String, toml::Value>) {
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
        self.needs_restart = changed.cloned().collect();
    }

    fn finish(self) -> Result<String, String> {
        let mut text = if self.done.is_empty() {
            "no plugin has changed".to_owned()
        } else {
            self.done.join(", ")
        };
        if !self.needs_restart.is_empty() {
            let _ = write!(text, "; only a restart changes {}", self.needs_restart.join(", "));
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
        let mut report = Report::default();
        report.general(&general(&Settings::default()), &general(&changed));
        assert_eq!(
            report.finish().unwrap(),
            "no plugin has changed; only a restart changes log.level, pipeline.self_metrics, system_root"
        );
    }
}
