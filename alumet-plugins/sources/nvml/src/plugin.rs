//! From the configuration to the sources.

use std::sync::Arc;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};

use crate::config::Config;
use crate::device::{Board, Library, OpenError, Readings, all_asleep};
use crate::discovery::{self, Devices, Found, LOOK_AT_MOST_EVERY, LOOK_EVERY};
use crate::source::Shared;
use crate::{dcgm, metrics};

const SUBJECT: &str = "GPUs of NVIDIA";

/// Measures GPUs of NVIDIA.
#[derive(Debug)]
pub struct NvmlPlugin;

impl Plugin for NvmlPlugin {
    const ID: &'static str = "nvml";
    const SUMMARY: &'static str = "Measures energy and use of NVIDIA GPUs, and who uses them, with NVML.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        [metrics::all(), dcgm::all()].concat()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let library = Library::new(config.library.clone());
        let shared = Arc::new(Shared { library, config });
        let root = alumet.root().to_path_buf();
        let is_asleep = all_asleep(&root);
        let known = match is_asleep {
            true => {
                let reason = "all of them sleep, and are measured as soon as somebody uses one";
                alumet.note(Finding::absent(SUBJECT, reason));
                Vec::new()
            }
            false => find(&shared, alumet)?,
        };
        let devices = Devices {
            shared,
            control: alumet.control().clone(),
            root,
            known,
            is_asleep,
            look_at: None,
        };
        let interval = if is_asleep { LOOK_AT_MOST_EVERY } else { LOOK_EVERY };
        alumet.source("devices", devices).every(interval).blocking();
        Ok(Self)
    }
}

/// Adds the sources of the GPUs that there are; gives their bus ids.
///
/// # Errors
/// When one of them or the driver does not work, and the configuration wants them to.
fn find(shared: &Arc<Shared>, alumet: &mut StartContext<'_>) -> Result<Vec<String>, StartError> {
    let is_strict = !shared.config.skip_failed_devices;
    let mut known = Vec::new();
    match discovery::look(shared, is_strict || alumet.is_trial()) {
        Some(Ok(found)) => {
            if found.is_empty() {
                alumet.note(Finding::absent(SUBJECT, "the driver shows none"));
            }
            for Found { bus_id, board } in found {
                let board = match board {
                    Ok(board) => Some(board),
                    Err(error) if is_strict => return Err(error.into()),
                    Err(error) => {
                        alumet.note(failed(&error));
                        // Its source tells of one that has a name.
                        if bus_id.is_none() {
                            tracing::warn!(%error, "a GPU is left out until it works");
                        }
                        None
                    }
                };
                let Some(bus_id) = bus_id else { continue };
                let board = board.map(|board| noted(board, alumet));
                let root = alumet.root().to_path_buf();
                discovery::add(shared, &bus_id, board, root, alumet.catalog(), alumet)?;
                known.push(bus_id);
            }
        }
        // A machine may well have none, or get one later.
        Some(Err(error @ OpenError::NotThere(_))) => {
            tracing::debug!(%error, "no GPU of NVIDIA is measured until there is a driver");
            alumet.note(Finding::absent(SUBJECT, error.to_string()));
        }
        Some(Err(error)) if is_strict => return Err(error.into()),
        Some(Err(error)) => {
            tracing::warn!(%error, "no GPU of NVIDIA is measured until its driver works");
            alumet.note(failed(&error));
        }
        None => {
            let error = "the driver of NVIDIA does not answer";
            if is_strict {
                return Err(StartError::new(error));
            }
            tracing::warn!("{error}; its GPUs are measured as soon as it does");
            alumet.note(failed(&error));
        }
    }
    Ok(known)
}

fn failed(error: &dyn std::fmt::Display) -> Finding {
    let remedy = "see what `nvidia-smi` and `dmesg | grep -i -e nvrm -e xid` say";
    Finding::broken(SUBJECT, error.to_string(), remedy)
}

/// Notes what a GPU shows, and in a trial also what it does not.
fn noted(mut board: Board, alumet: &mut StartContext<'_>) -> Board {
    let identity = board.identity();
    let name = format!(
        "{} ({}), driver {},",
        identity.model, identity.bus_id, identity.driver
    );
    if !alumet.is_trial() {
        alumet.note(Finding::works(SUBJECT, format!("{name} is measured")));
        return board;
    }
    let mut readings = Readings::default();
    let read = board.read_fields(&mut readings);
    if let Err(error) = read.and_then(|()| board.read_more(&mut readings)) {
        alumet.note(failed(&error));
        return board;
    }
    let energy = match readings.energy {
        Some(_) => "counts its energy",
        None => "counts no energy, which is modelled by its power",
    };
    let lacking: Vec<_> = board.lacks().iter().map(|error| error.function).collect();
    let lacking = match lacking.is_empty() {
        true => String::new(),
        false => format!("; it, its driver or this user lacks {}", lacking.join(", ")),
    };
    alumet.note(Finding::works(SUBJECT, format!("{name} {energy}{lacking}")));
    board
}
