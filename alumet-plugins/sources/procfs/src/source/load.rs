//! Load averages.

use alumet_core::catalog::Catalog;
use alumet_core::plugin::Finding;
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Failure, Series};
use alumet_reader_procfs::loadavg::{self, LoadAverage};
use alumet_reader_procfs::{SystemRoot, Table};

use super::{Opened, of_machine};
use crate::metrics;

/// What is told of.
pub(crate) const SUBJECT: &str = "load";

/// Makes samples of `/proc/loadavg`.
pub(crate) struct LoadSource {
    file: Table<LoadAverage>,
    /// In the order of the averages.
    series: [Series<f64>; 3],
}

pub(crate) fn open(root: &SystemRoot, catalog: &Catalog) -> Opened<LoadSource> {
    let mut file = loadavg::table(root);
    file.read()?;
    let metric = catalog.metric(&metrics::LOAD_AVERAGE)?;
    let series = ["1m", "5m", "15m"].map(|window| {
        let described = of_machine(catalog, metric).attribute("window", window);
        described.register()
    });
    let finding = Finding::works(SUBJECT, "averages of 1, 5 and 15 minutes");
    Ok((Some(LoadSource { file, series }), finding))
}

impl Source for LoadSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        for (series, average) in self.series.iter().zip(self.file.read()?) {
            out.push(series, *average);
        }
        Ok(())
    }
}
