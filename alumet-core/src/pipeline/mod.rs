//! The engine: polls sources, runs transforms and feeds outputs.
//!
//! ```text
//!  poll threads ──┐                        ┌─ queue ─► writer (thread or task) ─► output
//!  event sources ─┴─ ingest queue ─► router ┤
//!                                  (transforms)  └─ queue ─► writer ─► output
//! ```
//!
//! Sources with the same interval share a poll thread and are polled back to back; intervals below 10 ms and blocking
//! devices have threads of their own. One router thread runs all transforms in order. Each output has a bounded queue.
//! Every hand-over is booked in the [`Ledger`], so that no sample can get lost unseen.

mod add;
mod backlog;
mod builder;
mod control;
mod element;
mod event_source;
mod health;
mod lateness;
mod ledger;
pub mod mark;
mod measuring;
mod message;
mod pattern;
mod poll;
mod queue;
mod router;
mod runtime;
pub mod self_metrics;
mod shared;
mod supervise;
mod writer;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::events::ConsumerEvents;
use crate::failure::Failure;
use crate::plugin::{
    Host, PluginConfig, PluginDescriptor, PluginError, RunningPlugin, StartContext, StartError,
};

pub use add::AddError;
pub use builder::{BuildError, PipelineBuilder};
pub use control::{AddToStatus, Control, ControlError, Explain, Hold, PipelineStatus, Reload};
pub use element::{ElementKey, ElementKind, ElementState, ElementStatus};
pub use event_source::{EventSink, PipelineStopped};
pub use health::CertificateStatus;
pub use lateness::Lateness;
pub use ledger::{DropReason, Ledger, OutputAccount};
pub use measuring::MeasuredWork;
pub use message::Problem;
pub use pattern::{Pattern, PatternError};
pub use poll::Punctuality;

use poll::PollCommand;
use shared::{ElementHandle, Phase, Shared, Worker};

/// A pipeline that runs. Dropping it stops it without waiting for outputs; [`Self::stop`] does it well.
pub struct Pipeline {
    shared: Arc<Shared>,
    host: Host,
    plugins: Mutex<Vec<(&'static str, Box<dyn RunningPlugin>)>>,
    /// The numbers of the outputs of [`Self::measure`] that are there.
    measuring: Mutex<BTreeSet<usize>>,
}

/// How a pipeline ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReport {
    /// Where every sample went.
    pub ledger: Ledger,
    /// What did not end in time.
    pub stuck: Vec<String>,
}

impl StopReport {
    /// Whether every sample was written, or waits on disk for the next start, and everything has ended.
    pub fn is_complete(&self) -> bool {
        self.stuck.is_empty()
            && !self.ledger.outputs.values().any(|account| {
                account.buffered > account.spooled || account.dropped.contains_key(&DropReason::Shutdown)
            })
            && self.ledger.dropped.is_empty()
    }
}

impl Pipeline {
    /// Lists and steers the elements.
    pub const fn control(&self) -> &Control {
        &self.host.control
    }

    /// All metrics and series.
    pub fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }

    /// The bus of consumer events.
    pub const fn events(&self) -> &ConsumerEvents {
        &self.host.events
    }

    /// Cancelled when somebody asked through [`Control::request_shutdown`] that the program ends.
    pub fn shutdown_requested(&self) -> CancellationToken {
        self.shared.shutdown_requested.clone()
    }

    /// Cancelled when the last source has ended, so that nothing is measured any more.
    pub fn sources_ended(&self) -> CancellationToken {
        self.shared.sources_ended.clone()
    }

    /// Cancelled when the last output has ended by itself, so that nothing is delivered any more.
    pub fn outputs_ended(&self) -> CancellationToken {
        self.shared.outputs_ended.clone()
    }

    /// Starts one more plugin while the pipeline runs.
    ///
    /// # Errors
    /// When the plugin cannot start or its elements cannot be added; then nothing of it is left.
    pub fn start_plugin(
        &self,
        descriptor: &PluginDescriptor,
        config: &PluginConfig,
    ) -> Result<(), PluginError> {
        let mut context = StartContext::new(&self.host);
        let plugin = descriptor.start(config, &mut context)?;
        let plugin = (descriptor.id, plugin);
        if let Err(error) = self.host.control.add(descriptor.id, context.take_specs()) {
            stop_plugins(vec![plugin]);
            return Err(StartError::from(error).into());
        }
        self.plugins.lock().push(plugin);
        Ok(())
    }

    /// Ends the elements of a plugin and the plugin itself; the plugin stays if a source of it is in a poll that does not
    /// end.
    ///
    /// # Errors
    /// When an element did not end in time or failed, as for [`Control::stop`].
    pub fn stop_plugin(&self, id: &str) -> Result<(), ControlError> {
        let pattern = Pattern::plugin(id);
        let ended = match self.host.control.stop(&pattern) {
            Ok(_) | Err(ControlError::NothingSelected { .. }) => Ok(()),
            Err(error) => Err(error),
        };
        if !self.host.control.list(&pattern)?.is_empty() {
            return ended;
        }
        let stopped = self
            .plugins
            .lock()
            .extract_if(.., |(plugin, _)| *plugin == id)
            .collect();
        stop_plugins(stopped);
        ended
    }

    /// Gives up everything that still waits, so that a [`Self::stop`] in another thread returns at once.
    pub fn abort(&self) {
        self.shared.ingest.abandon();
        for queue in self.shared.output_queues() {
            queue.abandon();
        }
    }

    /// Polls every source a last time, lets the transforms finish, waits until the outputs have written everything, and
    /// stops the plugins.
    ///
    /// What is not written within `timeout` counts as dropped. Blocks; call it where blocking is allowed. A second call
    /// reports the same ledger.
    pub fn stop(&self, timeout: Duration) -> StopReport {
        let mut stuck = Vec::new();
        if std::mem::replace(&mut *self.shared.phase.lock(), Phase::Stopped) != Phase::Stopped {
            let deadline = Instant::now() + timeout;
            let leaving = std::mem::take(&mut *self.shared.leaving.lock());
            self.shared.elements.lock().extend(leaving);
            // The last samples are few; an output that is behind must not keep them from being made.
            self.open_wide();
            let before_outputs = deadline.max(Instant::now() + Self::LAST_GRACE);
            // A source that hangs leaves the outputs half of the time.
            let for_sources = Instant::now() + (timeout / 2).max(Self::LAST_GRACE);
            self.stop_sources(for_sources, &mut stuck);
            self.shared.ingest.close();
            if let Some(router) = self.shared.router.lock().take() {
                if !router.wait(before_outputs) {
                    // A transform holds it up.
                    self.abort();
                }
                router.wait_or_note(before_outputs + Self::LAST_GRACE, "the transforms", &mut stuck);
            }
            self.stop_outputs(deadline, &mut stuck);
            self.commit_spool(deadline);
            stop_plugins(std::mem::take(&mut *self.plugins.lock()));
            self.shared.runtime.end();
        }
        StopReport {
            ledger: self.shared.ledger.lock().clone(),
            stuck,
        }
    }

    /// As [`Self::stop`], on a thread of its own, so that the outputs can write in the runtime that waits.
    pub async fn stop_async(self, timeout: Duration) -> StopReport {
        let this = Arc::new(self);
        let stopping = Arc::clone(&this);
        let (done, report) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("alumet-stop".to_owned());
        let started = thread.spawn(move || done.send(stopping.stop(timeout)));
        match report.await {
            Ok(report) => report,
            Err(_) => {
                tracing::error!(
                    started = started.is_ok(),
                    "no thread stops the pipeline, so this one waits for it"
                );
                this.stop(timeout)
            }
        }
    }

    fn open_wide(&self) {
        self.shared.ingest.open_wide();
        for queue in self.shared.output_queues() {
            queue.open_wide();
        }
    }

    /// How long a part may take to notice that it is given up, and sources and transforms in any case.
    const LAST_GRACE: Duration = Duration::from_millis(500);

    /// How often it is looked whether somebody has given up.
    const LOOK: Duration = Duration::from_millis(100);

    fn stop_sources(&self, deadline: Instant, stuck: &mut Vec<String>) {
        let threads = std::mem::take(&mut *self.shared.poll_threads.lock());
        for thread in &threads {
            thread.send(PollCommand::Stop);
        }
        let mut event_sources = Vec::new();
        for element in self.shared.elements.lock().iter_mut() {
            if let ElementHandle::EventSource { stop, worker } = &mut element.handle {
                stop.cancel();
                event_sources.push((
                    element.cell.key().to_string(),
                    std::mem::replace(worker, Worker::nobody()),
                ));
            }
        }
        for thread in threads {
            let hangs = |(_, since): (ElementKey, Instant)| since.elapsed() >= Control::PATIENCE;
            let patience = if self.shared.polled_on(&thread.name).is_some_and(hangs) {
                Instant::now() + Self::LAST_GRACE
            } else {
                deadline
            };
            thread.worker.wait(patience);
            let name = match self.shared.polled_on(&thread.name) {
                Some((source, _)) => source.to_string(),
                None => format!("thread {}", thread.name),
            };
            thread.worker.wait_or_note(Instant::now(), &name, stuck);
        }
        for (name, worker) in event_sources {
            worker.wait_or_note(deadline, &name, stuck);
        }
    }

    /// What waits in the spool is on disk before the program ends, or it is dropped.
    fn commit_spool(&self, deadline: Instant) {
        let Some(spool) = self.shared.spool.opened() else {
            return;
        };
        let patience = deadline
            .saturating_duration_since(Instant::now())
            .max(Self::LAST_GRACE);
        let deadline = Instant::now() + patience;
        loop {
            let began = Instant::now();
            let patience = Self::LOOK.min(deadline.saturating_duration_since(began));
            if spool.commit(patience) {
                return;
            }
            // Whoever gives up does not wait, and neither does a spool that will never commit.
            if self.shared.ingest.is_abandoned() || began + patience >= deadline || began.elapsed() < patience
            {
                break;
            }
        }
        let samples = spool.status().uncommitted_samples;
        tracing::error!(samples, "the spool cannot be written: samples were dropped");
        let mut ledger = self.shared.ledger.lock();
        let keys: Vec<_> = ledger.outputs.keys().cloned().collect();
        for key in keys {
            ledger.dropped_from_spool(&key, samples, DropReason::Shutdown);
        }
    }

    fn stop_outputs(&self, deadline: Instant, stuck: &mut Vec<String>) {
        // The elements stay where `abort` finds their queues.
        let mut outputs = Vec::new();
        for element in self.shared.elements.lock().iter_mut() {
            if let ElementHandle::Output { queue, worker, .. } = &mut element.handle {
                let worker = std::mem::replace(worker, Worker::nobody());
                outputs.push((Arc::clone(&element.cell), Arc::clone(queue), worker));
            }
        }
        for (cell, queue, worker) in outputs {
            queue.close();
            // One that was abandoned before, and cannot leave what it is in, has nothing more to write.
            if queue.is_abandoned() || !worker.wait(deadline) {
                queue.abandon();
            }
            worker.wait_or_note(Instant::now() + Self::LAST_GRACE, &cell.key().to_string(), stuck);
            let left = self.shared.ledger.lock().give_up(&cell, DropReason::Shutdown);
            if left > 0 {
                tracing::error!(element = %cell.key(), samples = left, "the time to stop is over: samples were dropped");
            }
        }
    }
}

fn stop_plugins(plugins: Vec<(&'static str, Box<dyn RunningPlugin>)>) {
    for (id, mut plugin) in plugins {
        let stopped = supervise::guard(|| {
            plugin.stop();
            drop(plugin);
            Ok::<(), Failure>(())
        });
        if let Err(error) = stopped {
            tracing::error!(plugin = id, %error, "the plugin failed to stop");
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if *self.shared.phase.lock() != Phase::Stopped {
            self.abort();
            self.stop(Duration::ZERO);
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pipeline")
    }
}
