//! A pipeline from its start to its end: plugins, signals, health, and an orderly stop.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::pipeline::{
    BuildError, ElementKey, ElementKind, ElementState, ElementStatus, Pipeline, PipelineBuilder, StopReport,
};
use alumet_core::spool::SpoolSlot;
use alumet_shared_spool::DiskSpool;
use anyhow::Context;
use nix::libc;
use nix::sys::signal::Signal;
use tokio::runtime::{Builder, Runtime};

use crate::app::{App, Purpose};
use crate::cli::Global;
use crate::config::{Document, Problems};
use crate::exit::Failed;
use crate::health::{self, Health, Missing};
use crate::logging;
use crate::outcome::Outcome;
use crate::reload::RunningPlugins;
use crate::settings::OnError;
use crate::setup::{EnabledPlugin, Setup};
use crate::signals::Signals;
use crate::telemetry::Telemetry;

/// A running pipeline with all that is around it.
pub(crate) struct Session {
    pub(crate) pipeline: Arc<Pipeline>,
    /// Those that ask the program to end.
    signals: Signals,
    /// Writing beyond a limit of file size shall be an error of the write, not the death of the program.
    _file_size: Signals,
    plugins: Arc<RunningPlugins>,
    shutdown_timeout: Duration,
    /// How long the end waits for outputs that fail, if that is shorter.
    pub(crate) patience_with_failing: Option<Duration>,
    pub(crate) health: Arc<Health>,
    telemetry: Option<Telemetry>,
    /// Whether a signal has asked the agent to end.
    asked_to_end: bool,
}

/// The output of those that tell at the end what was measured.
pub(crate) const SUMMARY: &str = "summary";

/// Signals that come together are one request: `timeout`, for example, sends each to the process and again to its group.
const ECHO: Duration = Duration::from_millis(100);

/// How often the end looks whether it waits in vain.
const LOOK: Duration = Duration::from_millis(100);

/// Does the work of a command in the runtime in which asynchronous plugins and signals work.
pub(crate) fn block_on<T>(
    global: &Global,
    work: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failed> {
    let runtime = runtime(global)?;
    let result = runtime.block_on(work);
    // A task may hang in the kernel; everything that counts has been written or counted.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

fn runtime(global: &Global) -> Result<Runtime, Failed> {
    let mut builder = match global.normal_worker_threads.unwrap_or(0) {
        0 => Builder::new_current_thread(),
        threads => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    let runtime = builder.enable_all().thread_name("alumet-async").build();
    Ok(runtime.context("the asynchronous runtime cannot be started")?)
}

impl Session {
    /// Starts the log, all plugins and the pipeline; `extend` may add elements before.
    pub(crate) async fn start(
        app: &Arc<App>,
        setup: Setup,
        global: &Global,
        extend: impl FnOnce(PipelineBuilder) -> PipelineBuilder,
    ) -> Result<Self, Failed> {
        let telemetry = Telemetry::start(app, &setup.settings)?;
        let spans = telemetry.as_ref().and_then(Telemetry::spans);
        logging::start(&setup.settings.log, global.log_format, global.quiet, spans)?;
        let mut result = Self::started(app, setup, global, extend).await;
        match (telemetry, &mut result) {
            (Some(telemetry), Ok(session)) => {
                telemetry.observe(session.pipeline.control());
                session.telemetry = Some(telemetry);
            }
            // That says what failed.
            (Some(telemetry), Err(_)) => telemetry.stop().await,
            (None, _) => {}
        }
        result
    }

    async fn started(
        app: &Arc<App>,
        setup: Setup,
        global: &Global,
        extend: impl FnOnce(PipelineBuilder) -> PipelineBuilder,
    ) -> Result<Self, Failed> {
        // Before the first sample is made, so that no signal can end the program without a word.
        let signals = Signals::listen([libc::SIGTERM, libc::SIGINT, libc::SIGHUP])?;
        let file_size = Signals::listen([libc::SIGXFSZ])?;
        let settings = setup.settings;
        if let Some(text) = &setup.default_text {
            write_default(app.config_file, text);
        }
        for warning in setup.document.warnings() {
            tracing::warn!("{warning}");
        }
        if settings.max_update_interval.is_some() || global.max_update_interval.is_some() {
            tracing::warn!("max_update_interval has no effect: commands take effect at once; remove it");
        }
        // Before anything is opened or started that would have to be stopped again.
        let listener = match settings.health.address {
            Some(address) => Some(health::listen(address).await?),
            None => None,
        };
        let spool = settings.spool.config(app.name, &settings.system_root);
        let mut builder = PipelineBuilder::new()
            .root(&settings.system_root)
            .ingest_capacity(settings.pipeline.ingest_capacity)
            .transform_order(settings.pipeline.transforms.clone())
            // It is opened when an output needs it.
            .spool(SpoolSlot::new(move |catalog| {
                DiskSpool::open(spool.clone(), catalog.clone())
            }))
            .durable_by_default(settings.spool.durable.unwrap_or(app.purpose == Purpose::Receive))
            .real_time_thread(global.priority_worker_threads != Some(0));
        if let Some(folder) = &settings.state_dir {
            builder = builder.state_dir(folder);
        }
        if !settings.pipeline.self_metrics.is_zero() {
            builder = builder.self_metrics(*settings.pipeline.self_metrics);
        }
        let mut missing = Missing::new();
        for plugin in &setup.plugins {
            start_plugin(&mut builder, plugin, &mut missing)?;
        }
        let pipeline = Arc::new(
            extend(builder)
                .start()
                .map_err(|error| cannot_build(&setup.document, error))?,
        );
        warn_without_output(&pipeline);
        let health = Health::new(Arc::clone(app), pipeline.control().clone(), missing);
        let health = Arc::new(health);
        if let Some(listener) = listener {
            tokio::spawn(health::serve(listener, Arc::clone(&health)));
        }
        let plugins = RunningPlugins::new(
            Arc::clone(app),
            global.clone(),
            &pipeline,
            Arc::clone(&health),
            &settings,
            setup.plugins,
        );
        let plugins = Arc::new(plugins);
        tokio::spawn(Arc::clone(&plugins).retry());
        let reloaded = Arc::downgrade(&plugins);
        pipeline
            .control()
            .on_reload(Box::new(move || match reloaded.upgrade() {
                Some(plugins) => plugins.reload(),
                None => Err(crate::reload::ENDING.to_owned()),
            }));
        Ok(Self {
            pipeline,
            signals,
            _file_size: file_size,
            plugins,
            shutdown_timeout: *settings.pipeline.shutdown_timeout,
            patience_with_failing: None,
            health,
            telemetry: None,
            asked_to_end: false,
        })
    }

    /// Waits until the agent is told to end, or nothing is left to measure or to write to; says what it was.
    pub(crate) async fn wait(&mut self) -> &'static str {
        let shutdown = self.pipeline.shutdown_requested();
        let (sources_ended, outputs_ended) = (self.pipeline.sources_ended(), self.pipeline.outputs_ended());
        loop {
            tokio::select! {
                signal = self.signals.next() => match signal {
                    // At a terminal, it says that the terminal is gone; a service is asked to read its files again.
                    libc::SIGHUP if !io::stderr().is_terminal() => {
                        // Beside everything else; the log tells what came of it.
                        let plugins = Arc::clone(&self.plugins);
                        tokio::task::spawn_blocking(move || plugins.reload());
                    }
                    signal => {
                        self.asked_to_end = true;
                        return name(signal);
                    }
                },
                () = shutdown.cancelled() => return "a request to stop",
                () = sources_ended.cancelled() => return "the end of the last source",
                () = outputs_ended.cancelled() => return "the end of the last output",
            }
        }
    }

    /// The next signal, whatever it is for.
    pub(crate) async fn signal(&mut self) -> i32 {
        self.signals.next().await
    }

    /// The next signal, which asks the agent to end.
    pub(crate) async fn signal_to_end(&mut self) -> &'static str {
        let signal = self.signals.next().await;
        self.asked_to_end = true;
        name(signal)
    }

    /// Stops the pipeline; a further signal that asks the agent to end cuts it short.
    pub(crate) async fn stop(mut self) -> Outcome {
        self.health.stopping();
        let (pipeline, plugins) = (Arc::clone(&self.pipeline), Arc::clone(&self.plugins));
        let timeout = self.shutdown_timeout;
        let mut stopping = tokio::task::spawn_blocking(move || {
            plugins.freeze();
            pipeline.stop(timeout)
        });
        let mut asked = self.asked_to_end.then(Instant::now);
        let begun = Instant::now();
        let mut looks = tokio::time::interval(LOOK);
        let result = loop {
            tokio::select! {
                result = &mut stopping => break result,
                _ = looks.tick(), if self.patience_with_failing.is_some() => {
                    if self.patience_with_failing <= Some(begun.elapsed()) && self.only_what_fails_is_left() {
                        self.patience_with_failing = None;
                        self.pipeline.abort();
                    }
                }
                signal = self.signals.next() => match asked {
                    _ if signal == libc::SIGHUP => {}
                    Some(first) if first.elapsed() < ECHO => {}
                    Some(_) => {
                        tracing::warn!(signal = name(signal), "the second signal: what is not written yet is dropped");
                        let pipeline = Arc::clone(&self.pipeline);
                        // Does not wait for anything.
                        pipeline.abort();
                    }
                    // When a program that was measured ends by a signal, the terminal gives the same one to the agent.
                    None => {
                        asked = Some(Instant::now());
                        tracing::info!(signal = name(signal), "the rest is being written; the next signal drops it");
                    }
                }
            }
        };
        let report = result.unwrap_or_else(|error| {
            tracing::error!(%error, "the pipeline could not be stopped");
            StopReport {
                ledger: Default::default(),
                stuck: vec!["the pipeline".to_owned()],
            }
        });
        let status = self.pipeline.control().status();
        let outcome = Outcome {
            report,
            last_errors: last_errors(status.map_or_else(|_| Vec::new(), |status| status.elements)),
            not_started: self.health.waiting_plugins(),
            outputs_ended: self.pipeline.outputs_ended().is_cancelled(),
        };
        outcome.log();
        if let Some(telemetry) = self.telemetry.take() {
            telemetry.stop().await;
        }
        outcome
    }

    /// Whether the end waits only for outputs whose attempts fail, or for a spool that cannot be written.
    fn only_what_fails_is_left(&self) -> bool {
        let Ok(status) = self.pipeline.control().status() else {
            return false;
        };
        let elements = status.elements.iter();
        let mut left = elements
            .filter(|element| element.key.kind == ElementKind::Output && element.state != ElementState::Ended)
            .peekable();
        let waits_for_spool = status.spool.is_some_and(|spool| spool.fault.is_some());
        (left.peek().is_some() || waits_for_spool) && left.all(|output| !output.is_healthy())
    }
}

/// What was last wrong with each element.
fn last_errors(elements: Vec<ElementStatus>) -> BTreeMap<ElementKey, String> {
    let with_error = elements
        .into_iter()
        .filter_map(|element| Some((element.key, element.last_error?)));
    with_error.collect()
}

/// Writes the default configuration, which is used whether that works or not.
fn write_default(path: &str, text: &str) {
    match File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => tracing::info!(path, "there was no configuration, so the default one was written"),
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => tracing::warn!(
            path, %error,
            "there is no configuration and the default one cannot be written; it is used all the same"
        ),
    }
}

/// An order of transforms that does not fit is the fault of the configuration; the rest is that of the machine.
fn cannot_build(document: &Document, error: BuildError) -> Failed {
    match error {
        BuildError::TransformOrder(_) => {
            Problems::from(document.refused(&["pipeline", "transforms"], error.to_string())).into()
        }
        error => anyhow::Error::from(error)
            .context("the pipeline cannot start")
            .into(),
    }
}

fn cannot_start(id: &str, error: &alumet_core::plugin::PluginError) -> Failed {
    Failed::running(format!(
        "the plugin `{id}` cannot start: {error}\n  help: mend it, switch the plugin off with `enabled = false`, or go \
             on without it with `on_error = \"disable\"` or \"retry\" in [plugins.{id}]"
    ))
}

fn warn_without_output(pipeline: &Pipeline) {
    let Ok(status) = pipeline.control().status() else {
        return;
    };
    let keys = status.elements.iter().map(|element| &element.key);
    let outputs: Vec<&ElementKey> = keys.filter(|key| key.kind == ElementKind::Output).collect();
    let is_summary = |key: &&ElementKey| key.plugin == PipelineBuilder::EMBEDDED && key.name == SUMMARY;
    let what_to_do = "enable one of those that `plugins list` names";
    if outputs.is_empty() {
        tracing::warn!("no output is enabled: all samples are dropped; {what_to_do}");
    } else if outputs.iter().all(is_summary) {
        // As it was asked for, if nobody has forgotten something.
        tracing::info!("no output is enabled: only the summary tells what was measured; {what_to_do}");
    }
}

/// Starts a plugin before the pipeline; when it cannot start, its `on_error` decides.
fn start_plugin(
    builder: &mut PipelineBuilder,
    plugin: &EnabledPlugin,
    missing: &mut Missing,
) -> Result<(), Failed> {
    let id = plugin.descriptor.id;
    let Err(error) = builder.described_plugin(&plugin.descriptor, &plugin.config) else {
        tracing::info!(plugin = id, "the plugin has started");
        return Ok(());
    };
    match plugin.on_error {
        OnError::Fail => return Err(cannot_start(id, &error)),
        OnError::Disable => {
            tracing::warn!(plugin = id, %error, "the plugin cannot start; the rest goes on without it");
        }
        OnError::Retry => {
            tracing::warn!(plugin = id, %error, "the plugin cannot start; it will be tried again");
        }
    }
    missing.insert(id, (error.to_string(), plugin.on_error == OnError::Retry));
    Ok(())
}

/// The name of a signal.
fn name(number: i32) -> &'static str {
    Signal::try_from(number).map_or("a signal", Signal::as_str)
}
