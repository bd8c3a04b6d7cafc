//! What `exec` and `watch` have in common: a first and a last measurement around the life of a process.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use alumet_core::events::ConsumerEvent;
use alumet_core::pipeline::{
    ControlError, ElementKind, ElementStatus, Ledger, Pattern, PipelineBuilder, mark,
};
use alumet_core::series::SeriesInfo;
use alumet_core::time::{Clock, SystemClock, Timestamp};
use alumet_core::{Consumer, Resource};
use alumet_reader_procfs::SystemRoot;
use nix::time::{ClockId, clock_gettime};

use crate::app::App;
use crate::cli::{Global, Measuring, Scope};
use crate::exit::Failed;
use crate::measured::{Followed, GPU_ENERGY, MeasuredTree, SharedTree, TreeSource};
use crate::session::{SUMMARY, Session};
use crate::setup::Setup;
use crate::summary::{Energy, EnergyOutput, Subject, Summary, Times};

/// How long the end of a measurement waits for outputs that fail, such as those on a full disk: whoever waits for the program
/// has its result already.
const PATIENCE_WITH_FAILING: Duration = Duration::from_millis(1500);

/// A session that measures a program.
pub(crate) struct Measurement {
    pub(crate) session: Session,
    labels: BTreeMap<String, String>,
    pub(super) energy: Energy,
    /// The program, as soon as it is known.
    program: Arc<OnceLock<Consumer>>,
    pub(crate) tree: SharedTree,
    /// Where the plugins find the system.
    pub(crate) root: SystemRoot,
    /// When everything was measured for the first time.
    started: Instant,
    /// What this process had used when the program was there.
    used_before: Duration,
}

impl Measurement {
    /// Starts the pipeline with everything measured once.
    pub(crate) async fn start(
        app: &Arc<App>,
        setup: Setup,
        global: &Global,
        measuring: &Measuring,
    ) -> Result<Self, Failed> {
        let program = Arc::new(OnceLock::new());
        let tree = SharedTree::default();
        let keeps = wanted(measuring.only.clone(), Arc::clone(&program), Arc::clone(&tree));
        let output = EnergyOutput::new(global.labels.keys().cloned());
        let energy = output.energy.clone();
        let root = SystemRoot::at(&setup.settings.system_root);
        let mut session = Session::start(app, setup, global, |mut builder| {
            builder.output(SUMMARY, output);
            builder.source("program", TreeSource::new(Arc::clone(&tree)));
            builder.filter_outputs(keeps)
        })
        .await?;
        session.patience_with_failing = Some(PATIENCE_WITH_FAILING);
        let mut measurement = Self {
            session,
            labels: global.labels.clone(),
            energy,
            program,
            tree,
            root,
            started: Instant::now(),
            used_before: own_cpu_time(),
        };
        if let Some(interval) = measuring.interval {
            measurement.set_interval(*interval).await;
        }
        measurement.first_poll().await;
        measurement.started = Instant::now();
        Ok(measurement)
    }

    /// Announces the program. What it has used by now counts.
    pub(crate) fn begin(&mut self, tree: Option<MeasuredTree>) {
        self.used_before = own_cpu_time();
        let Some(mut tree) = tree else {
            return;
        };
        if let Followed::Tree(_, processes) = &mut tree.followed
            && !processes.sees_children()
        {
            tracing::warn!(
                "descendants are not measured: this kernel does not tell them; it needs CONFIG_PROC_CHILDREN"
            );
        }
        // A small program that ends soon would not be seen otherwise.
        tree.read(SystemClock.now().wall);
        let consumer = tree.consumer();
        let _ = self.program.set(consumer.clone());
        *self.tree.lock() = Some(tree);
        self.publish(ConsumerEvent::Started([consumer].into()));
    }

    /// Polls all sources: what a program that was there before has used by now does not count.
    pub(crate) async fn poll(&self) {
        self.trigger(Pattern::kind(ElementKind::Source)).await;
    }

    /// Measures a process, which has started and ended then, for the last time, tells what came of it, and stops. `reap` waits
    /// for a program that this one has started, and says what is told of.
    pub(crate) async fn finish(
        self,
        started: Instant,
        ended: Instant,
        reap: impl FnOnce(&SharedTree) -> Result<Subject, Failed>,
    ) -> Result<(ExitCode, Summary), Failed> {
        // A program is a zombie now, so its final CPU time can still be read.
        if let Some(consumer) = self.program.get() {
            self.publish(ConsumerEvent::Ended([consumer.clone()].into()));
        }
        self.poll().await;
        let times = Times {
            duration: ended.saturating_duration_since(started),
            ended: wall_clock(ended),
            measured: self.started.elapsed(),
            agent: own_cpu_time().saturating_sub(self.used_before),
        };
        let subject = reap(&self.tree)?;
        // What is told of the tree shall be what its samples add up to.
        self.trigger(Pattern::plugin(PipelineBuilder::EMBEDDED)).await;
        let whose = self.program.get().cloned().unwrap_or(Consumer::LocalMachine);
        let why = self
            .session
            .pipeline
            .control()
            .explain(&whose)
            .unwrap_or_default();
        let elements = self
            .session
            .pipeline
            .control()
            .list(&Pattern::kind(ElementKind::Output));
        // All of them have just been polled; the end would do it once more.
        let _ = self
            .session
            .pipeline
            .control()
            .pause(&Pattern::kind(ElementKind::Source));
        let outcome = self.session.stop().await;
        // What waits, such as energy for those who used it, is there now.
        let tree = self.tree.lock().take();
        let mut summary = Summary::of(subject, self.labels, times, tree.as_ref(), &self.energy, &why);
        summary.samples = destinations(&elements.unwrap_or_default(), &outcome.report.ledger);
        Ok((outcome.exit_code(), summary))
    }

    fn publish(&self, event: ConsumerEvent) {
        self.session.pipeline.events().publish(event);
    }

    /// Waits until everything was measured once.
    async fn first_poll(&self) {
        let control = self.session.pipeline.control().clone();
        // One that hangs is told elsewhere.
        let _ = tokio::task::spawn_blocking(move || control.ping()).await;
    }

    async fn set_interval(&self, interval: Duration) {
        let control = self.session.pipeline.control().clone();
        let sources = Pattern::kind(ElementKind::Source);
        let set = tokio::task::spawn_blocking(move || control.set_interval(&sources, interval));
        if let Ok(Err(error)) = set.await {
            tracing::warn!(%error, "some sources are not polled as often as --interval says");
        }
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

/// What outputs get of the series: what is in one of the scopes.
fn wanted(
    only: Vec<Scope>,
    program: Arc<OnceLock<Consumer>>,
    tree: SharedTree,
) -> impl Fn(&SeriesInfo) -> bool {
    move |series| {
        let consumer = series.consumer();
        // There is none of the program with all its processes, such as of CPU time.
        let is_of_program = |pid| {
            series.metric.name == GPU_ENERGY && tree.lock().as_ref().is_some_and(|tree| tree.has_had(pid))
        };
        // A run is divided by its marks, whatever is kept of it.
        series.metric.name == mark::PHASE.doc.name
            || only.contains(&match consumer {
                _ if program.get() == Some(consumer) => Scope::Program,
                Consumer::Process { pid } if is_of_program(*pid) => Scope::Program,
                Consumer::LocalMachine if !matches!(series.resource(), Resource::CpuCore { .. }) => {
                    Scope::Machine
                }
                _ => Scope::Others,
            })
    }
}

/// The CPU time of this process so far; nothing if the kernel does not tell.
fn own_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    time.map_or(Duration::ZERO, Duration::from)
}

/// How many samples are where.
fn destinations(outputs: &[ElementStatus], ledger: &Ledger) -> BTreeMap<String, u64> {
    let told = outputs.iter().filter_map(|output| {
        let key = &output.key;
        let delivered = ledger.outputs.get(key)?.delivered;
        let destination = output.destination.as_deref().unwrap_or(&key.plugin);
        let is_told = delivered > 0 && key.plugin != PipelineBuilder::EMBEDDED;
        is_told.then(|| (destination.to_owned(), delivered))
    });
    told.collect()
}

/// What the wall clock showed at a moment that is over.
pub(crate) fn wall_clock(moment: Instant) -> Timestamp {
    SystemClock.now().wall.saturating_sub(moment.elapsed())
}
