//! Stall times of CPU, memory, I/O and interrupts.

use alumet_core::plugin::{StartContext, StartError};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::pressure::{PressureFile, PressureOf};
use alumet_reader_procfs::{ReadError, SystemRoot};

use super::PollInterval;
use crate::increments::Increments;
use crate::metrics;

/// Makes samples of `/proc/pressure`.
pub(crate) struct PressureSource {
    files: Vec<PressureCounts>,
    interval: PollInterval,
}

struct PressureCounts {
    file: PressureFile,
    some: (Series<u64>, Increments),
    full: (Series<u64>, Increments),
}

impl PressureSource {
    /// A source of those files that this kernel offers.
    ///
    /// # Errors
    /// When it offers none; then why.
    pub(crate) fn start(root: &SystemRoot, alumet: &StartContext<'_>) -> Result<Self, StartError> {
        let metric = alumet.metric(&metrics::PRESSURE_STALL_TIME)?;
        let (mut files, mut refused) = (Vec::new(), None::<ReadError>);
        for of in PressureOf::ALL {
            let counts = |kind: &str| {
                let series = alumet
                    .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                    .attribute("stalled", of.file_name())
                    .attribute("kind", kind);
                (series.register(), Increments::of_64_bits())
            };
            match PressureFile::open(root, of) {
                Ok(file) => files.push(PressureCounts {
                    file,
                    some: counts("some"),
                    full: counts("full"),
                }),
                Err(error) => {
                    tracing::debug!(%error, stalled = of.file_name(), "this pressure is not measured");
                    refused.get_or_insert(error);
                }
            }
        }
        match refused {
            Some(error) if files.is_empty() => Err(error.into()),
            _ => Ok(Self {
                files,
                interval: PollInterval::default(),
            }),
        }
    }
}

impl Source for PressureSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let elapsed = self.interval.until(out.tick().monotonic);
        let mut failed = None;
        for counts in &mut self.files {
            let pressure = match counts.file.read() {
                Ok(pressure) => pressure,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            for ((series, increments), stall) in [
                (&mut counts.some, pressure.some),
                (&mut counts.full, pressure.full),
            ] {
                if let Some(increment) = stall.and_then(|stall| increments.update(stall.total_us, elapsed)) {
                    out.push(series, increment);
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn reset(&mut self) {
        for counts in &mut self.files {
            counts.some.1 = Increments::of_64_bits();
            counts.full.1 = Increments::of_64_bits();
        }
        self.interval = PollInterval::default();
    }
}
