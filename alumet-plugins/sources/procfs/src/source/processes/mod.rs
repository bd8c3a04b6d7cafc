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
use alumet_reader_procfs::{Capacity, CpuPercentBase, SystemRoot};
use parking_lot::Mutex;

use crate::config::PlanConfig;
use crate::watch::{Arrival, Watcher};

use followed::{Context, Followed};
use series::ProcessMetrics;
use stopwatch::Stopwatch;

/// Makes samples of all processes of one group, or of all announced processes.
pub(crate) struct ProcessesSource {
    watcher: Arc<Mutex<Watcher>>,
    /// Which inbox of the watcher is ours.
    index: usize,
    context: Context,
    followed: Vec<Followed>,
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
        let mut online = OnlineCpus::open(root);
        Ok(Self {
            watcher,
            index,
            context: Context {
                processes: Processes::open(root, KEPT_MEMORY_FILES / sources.max(1))?,
                stopwatch: Stopwatch::new(alumet.clock()),
                plan: plan.clone(),
                metrics: ProcessMetrics::register(alumet)?,
                capacity: Capacity::new(base, online.count()),
            },
            followed: Vec::new(),
            online,
            base,
            is_fresh: false,
        })
    }
}

impl Source for ProcessesSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        let (inbox, scan) = self.watcher.lock().collect(self.index, now);

        let context = &mut self.context;
        context.capacity = Capacity::new(self.base, self.online.count());
        context.stopwatch.expire();
        for Arrival { process, birth } in inbox.arrivals {
            let birth = birth.filter(|_| !self.is_fresh);
            self.followed.push(Followed::new(process, birth, context, out));
        }
        self.is_fresh = false;

        let is_gone = |process: &mut Followed| !process.poll(context, out);
        let gone: Vec<Followed> = self.followed.extract_if(.., is_gone).collect();
        // What was announced to have ended has just been read for the last time.
        let has_ended = |followed: &mut Followed| inbox.ended.contains(&followed.process.pid());
        let ended: Vec<Followed> = self.followed.extract_if(.., has_ended).collect();
        let gone = gone
            .iter()
            .map(|followed| (followed, Some(followed.last_read().unwrap_or(now))));
        let ended = ended.iter().map(|followed| (followed, None));
        for (Followed { process, .. }, last) in gone.chain(ended) {
            self.watcher
                .lock()
                .release(process.pid(), process.start_ticks(), last);
        }
        Ok(scan?)
    }

    fn reset(&mut self) {
        self.followed.iter_mut().for_each(Followed::forget);
        self.is_fresh = true;
        self.watcher.lock().scan_at_once();
    }
}
