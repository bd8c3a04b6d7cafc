//! Which GPUs there are: at the start, and later.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::catalog::{Catalog, IncompatibleMetric};
use alumet_core::pipeline::Control;
use alumet_core::plugin::{ElementSpecs, Plugin};
use alumet_core::source::{Accumulator, Source};
use alumet_core::time::Monotonic;

use crate::device::{self, Board, OpenError};
use crate::plugin::NvmlPlugin;
use crate::source::{BoardSource, Shared};

/// So long the start of the agent, and of the program of `exec`, waits for the driver, which wakes up GPUs that nobody uses, a
/// second or two for each. The GPUs of one that takes longer are added when it answers.
const PATIENCE: Duration = Duration::from_secs(2);

/// The same where every GPU has to work, or is only looked at. A driver that hangs does so for good.
const PATIENCE_WITH_ALL: Duration = Duration::from_secs(15);

/// GPUs and drivers are seldom added to a machine that runs.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The same of those that sleep or have no driver.
pub(crate) const LOOK_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// A GPU that was found: its bus id if it is known, and the GPU if it works.
pub(crate) struct Found {
    pub(crate) bus_id: Option<String>,
    pub(crate) board: Result<Board, OpenError>,
}

/// All GPUs that the driver shows; none if it does not answer in time.
///
/// # Errors
/// When there is no driver, or it does not work.
pub(crate) fn look(shared: &Arc<Shared>, is_patient: bool) -> Option<Result<Vec<Found>, OpenError>> {
    let patience = if is_patient { PATIENCE_WITH_ALL } else { PATIENCE };
    let (found, is_found) = channel();
    let shared = Arc::clone(shared);
    // Nothing but another thread can leave a call that does not return.
    let looking = std::thread::Builder::new().name("nvml-start".to_owned());
    // Nobody waits any more if it took too long.
    let looking = looking.spawn(move || drop(found.send(open_all(&shared))));
    looking.ok()?;
    is_found.recv_timeout(patience).ok()
}

fn open_all(shared: &Shared) -> Result<Vec<Found>, OpenError> {
    let session = shared.library.open()?;
    let found = device::list(&session)?.into_iter().map(|bus_id| match bus_id {
        Ok(bus_id) => Found {
            board: shared.open(&bus_id),
            bus_id: Some(bus_id),
        },
        Err(error) => Found {
            bus_id: None,
            board: Err(error.into()),
        },
    });
    Ok(found.collect())
}

/// Adds sources of GPUs that appear while the agent runs. Makes no samples.
pub(crate) struct Devices {
    pub(crate) shared: Arc<Shared>,
    pub(crate) control: Control,
    pub(crate) root: PathBuf,
    /// The bus ids of those that have a source.
    pub(crate) known: Vec<String>,
    /// Whether all GPUs slept when they were looked at last.
    pub(crate) is_asleep: bool,
    /// When they are looked for again, however often `exec --interval` wants everything to be measured.
    pub(crate) look_at: Option<Monotonic>,
}

impl Source for Devices {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        if self.look_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        if self.is_asleep {
            self.is_asleep = device::all_asleep(&self.root);
            self.look_at = Some(
                now + if self.is_asleep {
                    LOOK_AT_MOST_EVERY
                } else {
                    LOOK_EVERY
                },
            );
            if self.is_asleep {
                return Ok(());
            }
        }
        // Kept until the new sources have it, so that it is not unloaded in between.
        let session = self.shared.library.open();
        let listed = match &session {
            Ok(session) => device::list(session).map_err(OpenError::from),
            Err(OpenError::NotThere(_)) => {
                self.look_at = Some(now + LOOK_AT_MOST_EVERY);
                return Ok(());
            }
            Err(OpenError::Refused(error)) => Err((*error).into()),
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(_) if self.shared.config.skip_failed_devices => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for bus_id in listed.into_iter().flatten() {
            if self.known.contains(&bus_id) {
                continue;
            }
            let mut specs = ElementSpecs::default();
            add(
                &self.shared,
                &bus_id,
                None,
                self.root.clone(),
                out.catalog(),
                &mut specs,
            )?;
            self.control.add(NvmlPlugin::ID, specs)?;
            tracing::info!(gpu = %bus_id, "a GPU has appeared and is measured");
            self.known.push(bus_id);
        }
        Ok(())
    }
}

/// Adds the source of a GPU, on a thread of its own: a driver that hangs with one GPU answers about others.
pub(crate) fn add(
    shared: &Arc<Shared>,
    bus_id: &str,
    board: Option<Board>,
    root: PathBuf,
    catalog: &Catalog,
    specs: &mut ElementSpecs,
) -> Result<(), IncompatibleMetric> {
    let config = &shared.config;
    let source = BoardSource::new(Arc::clone(shared), bus_id, board, &root, catalog)?;
    specs
        .source(format!("device_{bus_id}"), source)
        .every(*config.poll_interval)
        .flush_every(*config.flush_interval)
        .blocking();
    Ok(())
}
