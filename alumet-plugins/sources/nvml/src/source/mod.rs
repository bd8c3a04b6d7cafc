//! The sources: what makes samples of readings.

mod energy;
mod processes;
mod states;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::{Catalog, IncompatibleMetric};
use alumet_core::metric::MetricDef;
use alumet_core::series::SeriesBuilder;
use alumet_core::source::{Accumulator, Source};
use alumet_core::time::Monotonic;
use alumet_core::value::Number;
use alumet_core::{Consumer, Failure, Resource, Series, Timestamp};
use alumet_shared_energy_counter::{ReadAt, Refusal, Refusals};

use crate::config::{Config, Mode};
use crate::dcgm::Dcgm;
use crate::device::{Board, Library, NvmlError, OpenError, Readings};
use crate::metrics;

use energy::Energy;
use processes::Processes;
use states::States;

/// A GPU or driver that has gone is looked for at this interval.
const RETRY: Duration = Duration::from_secs(5);

/// What the sources of one plugin have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) library: Library,
    pub(crate) config: Config,
}

impl Shared {
    /// Opens a GPU.
    ///
    /// # Errors
    /// When there is no driver or GPU, or it does not answer.
    pub(crate) fn open(&self, bus_id: &str) -> Result<Board, OpenError> {
        let is_full = self.config.mode == Mode::Full;
        let session = self.library.open()?;
        Ok(Board::open(session, bus_id, is_full, &self.config.gpm_metrics)?)
    }
}

/// Makes samples of one GPU.
pub(crate) struct BoardSource {
    shared: Arc<Shared>,
    bus_id: Arc<str>,
    board: Option<Board>,
    /// When it is looked for again; none while it is there.
    retry_at: Option<Monotonic>,
    readings: Readings,
    energy: Energy,
    states: States,
    processes: Processes,
    dcgm: Option<Dcgm>,
    calls: Series<u64>,
    has_begun: bool,
    refusals: Refusals,
    /// What was told in the log.
    told: Vec<NvmlError>,
}

impl BoardSource {
    /// The source of a GPU, which is opened at the first poll unless it is already.
    pub(crate) fn new(
        shared: Arc<Shared>,
        bus_id: &str,
        board: Option<Board>,
        root: &Path,
        catalog: &Catalog,
    ) -> Result<Self, IncompatibleMetric> {
        let bus_id = Arc::<str>::from(bus_id);
        let gpu = Resource::Gpu {
            bus_id: Arc::clone(&bus_id),
        };
        let refused = catalog.metric(&metrics::NVML_REFUSED_VALUES)?;
        let mut source = Self {
            energy: Energy::new(&bus_id, catalog)?,
            states: States::new(&bus_id),
            processes: Processes::new(&bus_id, root, catalog)?,
            dcgm: shared.config.dcgm_metrics.then(|| Dcgm::new(root)),
            calls: of_gpu(catalog, &metrics::NVML_CALLS, &bus_id, None)?.register(),
            has_begun: false,
            refusals: Refusals::of_resource(catalog, refused, &gpu),
            board: None,
            retry_at: None,
            readings: Readings::default(),
            told: Vec::new(),
            shared,
            bus_id,
        };
        if let Some(board) = board {
            source.take(board);
        }
        Ok(source)
    }

    /// Measures this GPU from now on.
    fn take(&mut self, board: Board) {
        self.energy.limit(board.max_power());
        self.states.name(board.identity());
        self.board = Some(board);
    }

    /// Reads everything and pushes it.
    fn measure(&mut self, out: &mut Accumulator<'_>) -> Result<(), Problem> {
        if self.board.is_none() {
            let board = self.shared.open(&self.bus_id)?;
            self.take(board);
        }
        let Some(board) = &mut self.board else {
            return Ok(());
        };
        let readings = &mut self.readings;
        readings.clear();
        let tick = out.tick();
        let before = out.now();
        board.read_fields(readings)?;
        let between = out.now();
        board.read_more(readings)?;
        let read_at = ReadAt::between(tick, before, between);
        let more_at = ReadAt::between(tick, between, out.now());
        let at = more_at.timestamp;

        if readings.is_partitioned_anew {
            self.states.clear();
            self.processes.clear();
            self.dcgm.iter_mut().for_each(Dcgm::clear);
        }
        self.energy
            .push(readings, read_at, &self.bus_id, &mut self.refusals, out);
        self.states.push(readings, at, out)?;
        self.processes.push(readings, more_at, out);
        if let Some(dcgm) = &mut self.dcgm {
            dcgm.push(board.identity(), readings, at, out)?;
        }
        for fault in &readings.faults {
            self.refusals.count(Refusal::Unreadable);
            if !self.told.contains(fault) {
                self.told.push(*fault);
                tracing::warn!(
                    gpu = %self.bus_id, error = %fault,
                    "a value of a GPU cannot be read; this is told once, and counted each time"
                );
            }
        }
        self.push_calls(at, out);
        Ok(())
    }

    fn push_calls(&mut self, at: Timestamp, out: &mut Accumulator<'_>) {
        let calls = self.board.as_ref().map_or(0, Board::take_calls);
        let begins = !std::mem::replace(&mut self.has_begun, true);
        out.push_at(&self.calls, at, if begins { 0 } else { calls });
    }

    /// Nothing is known any more of what was before.
    fn begin_anew(&mut self) {
        self.energy.reset();
        self.states.reset();
        self.processes.clear();
        self.dcgm.iter_mut().for_each(Dcgm::clear);
    }
}

/// Why a GPU cannot be measured.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Gone(#[from] NvmlError),
    #[error(transparent)]
    NotThere(#[from] OpenError),
    #[error(transparent)]
    Metric(#[from] IncompatibleMetric),
}

impl Source for BoardSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        if self.retry_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        let measured = self.measure(out);
        let was_gone = self.retry_at.take().is_some();
        match measured {
            Ok(()) if was_gone => tracing::info!(gpu = %self.bus_id, "the GPU is there again"),
            Ok(()) => {}
            Err(Problem::Metric(error)) => return Err(error.into()),
            Err(error) => {
                // Whoever comes first after all have let go of the library gets that of the present driver.
                self.board = None;
                self.begin_anew();
                self.retry_at = Some(now + RETRY);
                self.refusals.count(Refusal::Unreadable);
                self.refusals.push(out);
                if !self.shared.config.skip_failed_devices {
                    return Err(error.into());
                }
                if !was_gone {
                    tracing::warn!(gpu = %self.bus_id, %error, "a GPU is left out until it works again");
                }
                return Ok(());
            }
        }
        self.refusals.push(out);
        Ok(())
    }

    fn reset(&mut self) {
        self.begin_anew();
        self.refusals.reset();
        self.has_begun = false;
    }
}

/// Begins to describe a series of a GPU, or of one of its partitions.
fn of_gpu<'c, T: Number>(
    catalog: &'c Catalog,
    metric: &MetricDef<T>,
    bus_id: &Arc<str>,
    instance: Option<u32>,
) -> Result<SeriesBuilder<'c, T>, IncompatibleMetric> {
    let metric = catalog.metric(metric)?;
    Ok(catalog.series(metric, resource_of(bus_id, instance), Consumer::LocalMachine))
}

/// A GPU, or one of its partitions.
pub(crate) fn resource_of(bus_id: &Arc<str>, instance: Option<u32>) -> Resource {
    match instance {
        None => Resource::Gpu {
            bus_id: Arc::clone(bus_id),
        },
        Some(partition) => Resource::GpuPartition {
            parent: Arc::clone(bus_id),
            partition,
        },
    }
}
