//! What `exec` and `watch` have in common: a first and a last measurement around the life of a process.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use alumet_core::Consumer;
use alumet_core::events::ConsumerEvent;
use alumet_core::pipeline::{ControlError, ElementKind, Pattern, PipelineBuilder};
use alumet_core::time::{Clock, SystemClock, Timestamp};
use alumet_reader_procfs::SystemRoot;

use crate::app::App;
use crate::child::End;
use crate::cli::Global;
use crate::exit::Failed;
use crate::session::{SUMMARY, Session};
use crate::setup::Setup;
use crate::summary::{self, Energy, EnergyOutput, Times};
use crate::terminal;
use crate::tree::{MeasuredTree, SharedTree, TreeSource};

/// A session that measures a program.
pub(crate) struct Measurement {
    pub(crate) session: Session,
    energy: Energy,
    pub(crate) tree: SharedTree,
    /// Where the plugins find the system.
    pub(crate) root: SystemRoot,
    /// When everything was measured for the first time.
    started: Instant,
}

impl Measurement {
    /// Starts the pipeline with everything measured once.
    pub(crate) async fn start(app: &Arc<App>, setup: Setup, global: &Global) -> Result<Self, Failed> {
        let output = EnergyOutput::default();
        let energy = output.energy.clone();
        let tree = SharedTree::default();
        let root = SystemRoot::at(&setup.settings.system_root);
        let session = Session::start(app, setup, global, |builder| {
            builder.output(SUMMARY, output);
            builder.source("program", TreeSource::new(Arc::clone(&tree)));
        })
        .await?;
        let mut measurement = Self {
            session,
            energy,
            tree,
            root,
            started: Instant::now(),
        };
        measurement.trigger(Pattern::kind(ElementKind::Source)).await;
        measurement.started = Instant::now();
        Ok(measurement)
    }

    /// Announces the program and measures it for the first time.
    pub(crate) async fn begin(&self, tree: Option<MeasuredTree>) {
        let Some(mut tree) = tree else {
            return;
        };
        if !tree.tree.sees_children() {
            tracing::warn!(
                "descendants are not measured: this kernel does not tell them; it needs CONFIG_PROC_CHILDREN"
            );
        }
        let consumer = Consumer::Process { pid: tree.pid };
        *self.tree.lock() = Some(tree);
        self.publish(ConsumerEvent::Started([consumer].into()));
        self.trigger(Pattern::kind(ElementKind::Source)).await;
    }

    /// Measures a process, which has started and ended then, for the last time, tells what came of it, and stops. `reap` waits
    /// for a program that this one has started, and gives the title of what is told.
    pub(crate) async fn finish(
        self,
        started: Instant,
        ended: Instant,
        reap: impl FnOnce(&SharedTree) -> Result<(String, Option<End>), Failed>,
    ) -> Result<(ExitCode, Option<End>), Failed> {
        // A program is a zombie now, so its final CPU time can still be read.
        let pid = self.tree.lock().as_ref().map(|tree| tree.pid);
        if let Some(pid) = pid {
            self.publish(ConsumerEvent::Ended([Consumer::Process { pid }].into()));
        }
        self.trigger(Pattern::kind(ElementKind::Source)).await;
        let times = Times {
            duration: ended.saturating_duration_since(started),
            ended: wall_clock(ended),
            measured: self.started.elapsed(),
        };
        let (title, end) = reap(&self.tree)?;
        // What is told of the tree shall be what its samples add up to.
        self.trigger(Pattern::plugin(PipelineBuilder::EMBEDDED)).await;
        let tree = self.tree.lock().take();
        let whose = pid.map_or(Consumer::LocalMachine, |pid| Consumer::Process { pid });
        let why = self
            .session
            .pipeline
            .control()
            .explain(&whose)
            .unwrap_or_default();
        let outcome = self.session.stop().await;
        // What waits, such as energy for those who used it, is there now.
        let text = summary::render(&title, times, tree, end.as_ref(), &self.energy, &why);
        terminal::complain(text.trim_end());
        Ok((outcome.exit_code(), end))
    }

    fn publish(&self, event: ConsumerEvent) {
        self.session.pipeline.events().publish(event);
    }

    /// Polls sources now. When that does not work, the process must not suffer from it: it goes on, measured or not.
    async fn trigger(&self, sources: Pattern) {
        let control = self.session.pipeline.control().clone();
        match tokio::task::spawn_blocking(move || control.trigger(&sources)).await {
            // Without sources that are polled there is nothing to ask; failures of sources are in the log.
            Ok(
                Ok(_)
                | Err(
                    ControlError::NothingSelected { .. }
                    | ControlError::NotApplicable { .. }
                    | ControlError::Failed(_),
                ),
            ) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the process could not be measured at once; its first or last values may be missing");
            }
            Err(error) => tracing::error!(%error, "the process could not be measured"),
        }
    }
}

/// What the wall clock showed at a moment that is over.
pub(crate) fn wall_clock(moment: Instant) -> Timestamp {
    SystemClock.now().wall.saturating_sub(moment.elapsed())
}
