//! CPU time, memory and I/O of processes.

mod cpu_use;
mod followed;
mod series;
mod stopwatch;

use std::sync::Arc;

use alumet_core::Failure;
use alumet_core::plugin::{StartContext, StartError};
use alumet_core::source::{Accumulator, Source};
use alumet_reader_procfs::cpu_online::OnlineCpus;
use alumet_reader_procfs::process::Processes;
use alumet_reader_procfs::{Capacity, CpuPercentBase, ReadError, SystemRoot};
use parking_lot::Mutex;

use crate::config::PlanConfig;
use crate::watch::{Arrival, Birth, Watcher};

use followed::{Context, Followed};
use series::ProcessMetrics;
use stopwatch::Stopwatch;

/// Makes samples of all processes of one group, or of all announced processes.
pub(crate) struct ProcessesSource {
    watcher: Arc<Mutex<Watcher>>,
    /// Which inbox of the watcher is ours.
    index: usize,
    plan: PlanConfig,
    metrics: ProcessMetrics,
    processes: Processes,
    followed: Vec<Followed>,
    stopwatch: Stopwatch,
    online: OnlineCpus,
    base: CpuPercentBase,
    /// Whether what arrives next was born in a gap that is not billed.
    is_fresh: bool,
}

/// How many `statm` files stay open, those of all sources together: with the files that the watcher keeps, far below the
/// limit of 1024 that most systems set for a program. Processes beyond the number cost about 3 µs more at each poll.
const KEPT_MEMORY_FILES: usize = 512;

impl ProcessesSource {
    /// The source with this inbox of the watcher, one of `sources`.
    ///
    /// # Errors
    /// When the processes cannot be listed or a metric means something else already.
    pub(crate) fn start(
        watcher: Arc<Mutex<Watcher>>,
        (index, sources): (usize, usize),
        plan: &PlanConfig,
        base: CpuPercentBase,
        root: &SystemRoot,
        alumet: &StartContext<'_>,
    ) -> Result<Self, StartError> {
        Ok(Self {
            watcher,
            index,
            plan: plan.clone(),
            metrics: ProcessMetrics::register(alumet)?,
            processes: Processes::open(root, KEPT_MEMORY_FILES / sources.max(1))?,
            followed: Vec::new(),
            stopwatch: Stopwatch::new(alumet.clock()),
            online: OnlineCpus::open(root),
            base,
            is_fresh: false,
        })
    }
}

impl Source for ProcessesSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        let (inbox, scan) = self.watcher.lock().collect(self.index, now);

        let capacity = Capacity::new(self.base, self.online.count());
        self.stopwatch.expire();
        let mut context = Context {
            processes: &mut self.processes,
            stopwatch: &mut self.stopwatch,
            plan: &self.plan,
            metrics: self.metrics,
            capacity,
        };
        for Arrival { process, birth } in inbox.arrivals {
            let birth = if self.is_fresh { Birth::BeforeWatch } else { birth };
            let followed = Followed::new(Arrival { process, birth }, &mut context, out);
            self.followed.push(followed);
        }
        self.is_fresh = false;

        let mut gone = Vec::new();
        self.followed
            .retain_mut(|process| match process.poll(&mut context, out) {
                Ok(()) => {
                    process.follow_program(&mut context, out);
                    true
                }
                Err(ReadError::Gone { .. }) => {
                    let last = process.last_read().unwrap_or(now);
                    gone.push((process.pid(), process.start_ticks(), last));
                    false
                }
                Err(error) => {
                    tracing::debug!(%error, pid = process.pid(), "a process could not be read this time");
                    true
                }
            });
        if !gone.is_empty() || !inbox.ended.is_empty() {
            let mut watcher = self.watcher.lock();
            for (pid, start_ticks, last) in gone {
                watcher.release(pid, start_ticks, Some(last));
            }
            // What was announced to have ended has just been read for the last time.
            self.followed.retain(|process| {
                let stays = !inbox.ended.contains(&process.pid());
                if !stays {
                    watcher.release(process.pid(), process.start_ticks(), None);
                }
                stays
            });
        }
        Ok(scan?)
    }

    fn reset(&mut self) {
        self.followed.iter_mut().for_each(Followed::forget);
        self.is_fresh = true;
        self.watcher.lock().scan_at_once();
    }
}
