//! Stall times of CPU, memory, I/O and interrupts.

use alumet_core::counter::DeltaSeries;
use alumet_core::plugin::{Finding, StartContext};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource};
use alumet_reader_procfs::pressure::{self, Pressure, RESOURCES};
use alumet_reader_procfs::{ReadError, SystemRoot, Table};

use crate::error::TableError;
use crate::increments::endless;
use crate::metrics;
use crate::notes::note;

const SUBJECT: &str = "pressure (PSI)";
/// The name of the source, and what is told of.
pub(crate) const TABLE: (&str, &str) = ("pressure", SUBJECT);

/// Makes samples of `/proc/pressure`.
pub(crate) struct PressureSource {
    files: Vec<PressureCounts>,
}

struct PressureCounts {
    file: Table<Pressure>,
    some: DeltaSeries,
    full: DeltaSeries,
}

impl PressureSource {
    /// A source of those files that this kernel offers.
    ///
    /// # Errors
    /// When it offers none; then why.
    pub(crate) fn start(
        root: &SystemRoot,
        alumet: &mut StartContext<'_>,
    ) -> Result<Option<Self>, TableError> {
        let metric = alumet.metric(&metrics::PRESSURE_STALL_TIME)?;
        let (mut files, mut offered, mut refused) = (Vec::new(), Vec::new(), None::<ReadError>);
        for resource in RESOURCES {
            let file = match pressure::open(root, resource) {
                Ok(file) => file,
                Err(error) => {
                    refused.get_or_insert(error);
                    continue;
                }
            };
            let counts = |kind: &str| {
                let series = alumet
                    .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                    .attribute("stalled", resource)
                    .attribute("kind", kind);
                DeltaSeries::new(series.register(), endless())
            };
            files.push(PressureCounts {
                file,
                some: counts("some"),
                full: counts("full"),
            });
            offered.push(resource);
        }
        if let Some(error) = refused.filter(|_| files.is_empty()) {
            return Err(error.into());
        }
        note(
            alumet,
            Finding::works(SUBJECT, format!("of {}", offered.join(", "))),
        );
        Ok(Some(Self { files }))
    }
}

impl Source for PressureSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let mut failed = None;
        for counts in &mut self.files {
            let pressure = match counts.file.read() {
                Ok(pressure) => pressure,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            for (series, stalled) in [
                (&mut counts.some, pressure.some_us),
                (&mut counts.full, pressure.full_us),
            ] {
                if let Some(stalled) = stalled {
                    series.push(out, stalled);
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn reset(&mut self) {
        for counts in &mut self.files {
            counts.some.reset();
            counts.full.reset();
        }
    }
}
