//! A file that is read once per poll.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use alumet_core::source::Accumulator;
use alumet_core::time::Moment;
use alumet_shared_energy_counter::{ReadAt, Refusal, Refusals};

use crate::{NumberFile, number};

/// What is not read while it sleeps, for reading would wake it.
#[derive(Debug)]
pub(crate) struct Device {
    /// `power/runtime_status` of the device.
    status: NumberFile,
    pub(crate) is_asleep: bool,
}

#[derive(Debug)]
pub(crate) struct Reading {
    /// The position of its device, if that can sleep.
    pub(crate) device: Option<usize>,
    pub(crate) file: NumberFile,
    scale: f64,
    plausible: RangeInclusive<f64>,
    /// What was read at this poll, and when.
    pub(crate) value: Option<(f64, ReadAt)>,
    /// Whether it was told that there is no reading.
    pub(crate) is_told: bool,
}

impl Device {
    /// The device with this `power/runtime_status`.
    pub(crate) fn new(status: PathBuf) -> Self {
        Self {
            status: NumberFile::new(status),
            is_asleep: false,
        }
    }

    /// Looks whether it sleeps. A device that does not tell is awake.
    pub(crate) fn look(&mut self) {
        let is_asleep = |bytes: &[u8]| Some(bytes.trim_ascii() == b"suspended");
        self.is_asleep = self.status.read(is_asleep).unwrap_or(false);
    }
}

impl Reading {
    pub(crate) fn new(
        device: Option<usize>,
        path: PathBuf,
        scale: f64,
        plausible: RangeInclusive<f64>,
    ) -> Self {
        Self {
            device,
            file: NumberFile::new(path),
            scale,
            plausible,
            value: None,
            is_told: false,
        }
    }

    /// Reads the file; says whether it has vanished. `before` is when the previous reading ended.
    pub(crate) fn read(
        &mut self,
        before: &mut Moment,
        refusals: &mut Refusals,
        out: &Accumulator<'_>,
    ) -> bool {
        let result = self.file.read(number);
        let after = out.now();
        let at = ReadAt::between(out.tick(), std::mem::replace(before, after), after);
        let error = match result {
            Ok(value) if self.plausible.contains(&(value * self.scale)) => {
                self.value = Some((value * self.scale, at));
                return false;
            }
            Ok(_) => {
                refusals.count(Refusal::Excess);
                None
            }
            Err(_) if !self.file.path().exists() => return true,
            Err(error) => {
                refusals.count(Refusal::Unreadable);
                Some(error)
            }
        };
        if !std::mem::replace(&mut self.is_told, true) {
            let path = self.file.path().display();
            match error {
                Some(error) => {
                    tracing::warn!(%error, "a sensor has no reading; this is told once, and counted each time");
                }
                None => tracing::warn!(
                    %path, "a sensor shows what cannot be; this is told once, and counted each time"
                ),
            }
        }
        false
    }
}
