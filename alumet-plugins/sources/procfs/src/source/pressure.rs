//! Stall times of CPU, memory, I/O and interrupts.

use alumet_core::Failure;
use alumet_core::catalog::Catalog;
use alumet_core::counter::DeltaSeries;
use alumet_core::plugin::Finding;
use alumet_core::source::{Accumulator, Source};
use alumet_reader_procfs::pressure::{self, Pressure, RESOURCES};
use alumet_reader_procfs::{SystemRoot, Table};

use super::{Opened, of_machine};
use crate::error::TableError;
use crate::increments::endless;
use crate::metrics;

/// What is told of.
pub(crate) const SUBJECT: &str = "pressure (PSI)";

/// Makes samples of `/proc/pressure`.
pub(crate) struct PressureSource {
    /// Each with the stalls of some threads and of all.
    files: Vec<(Table<Pressure>, [DeltaSeries; 2])>,
}

/// A source of those files that this kernel offers.
///
/// # Errors
/// When it offers none; then why.
pub(crate) fn open(root: &SystemRoot, catalog: &Catalog) -> Opened<PressureSource> {
    let metric = catalog.metric(&metrics::PRESSURE_STALL_TIME)?;
    let (mut files, mut offered, mut refused) = (Vec::new(), Vec::new(), None::<TableError>);
    for resource in RESOURCES {
        let mut file = pressure::table(root, resource);
        if let Err(error) = file.read().map_err(TableError::from) {
            if error.is_for_now() {
                return Err(error);
            }
            refused.get_or_insert(error);
            continue;
        }
        let counts = ["some", "full"].map(|kind| {
            let series = of_machine(catalog, metric).attribute("stalled", resource);
            DeltaSeries::new(series.attribute("kind", kind).register(), endless())
        });
        files.push((file, counts));
        offered.push(resource);
    }
    if let Some(error) = refused.filter(|_| files.is_empty()) {
        return Err(error);
    }
    let finding = Finding::works(SUBJECT, format!("of {}", offered.join(", ")));
    Ok((Some(PressureSource { files }), finding))
}

impl Source for PressureSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let mut result = Ok(());
        for (file, counts) in &mut self.files {
            let stalled = match file.read() {
                Ok(pressure) => [pressure.some_us, pressure.full_us],
                Err(error) => {
                    result = Err(error.into());
                    continue;
                }
            };
            for (series, stalled) in counts.iter_mut().zip(stalled) {
                if let Some(stalled) = stalled {
                    series.push(out, stalled);
                }
            }
        }
        result
    }

    fn reset(&mut self) {
        for (_, counts) in &mut self.files {
            counts.iter_mut().for_each(DeltaSeries::reset);
        }
    }
}
