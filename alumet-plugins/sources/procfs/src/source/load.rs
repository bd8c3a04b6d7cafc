//! Load averages.

use alumet_core::plugin::{Finding, StartContext};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::loadavg::{self, LoadAverage};
use alumet_reader_procfs::{SystemRoot, Table};

use crate::error::TableError;
use crate::metrics;
use crate::notes::note;

const SUBJECT: &str = "load";
/// The name of the source, and what is told of.
pub(crate) const TABLE: (&str, &str) = ("load", SUBJECT);

/// Makes samples of `/proc/loadavg`.
pub(crate) struct LoadSource {
    file: Table<LoadAverage>,
    /// In the order of the averages.
    series: [Series<f64>; 3],
}

impl LoadSource {
    pub(crate) fn start(
        root: &SystemRoot,
        alumet: &mut StartContext<'_>,
    ) -> Result<Option<Self>, TableError> {
        let mut file = loadavg::open(root)?;
        file.read()?;
        note(alumet, Finding::works(SUBJECT, "averages of 1, 5 and 15 minutes"));
        let metric = alumet.metric(&metrics::LOAD_AVERAGE)?;
        let series = |window: &str| {
            alumet
                .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                .attribute("window", window)
                .register()
        };
        Ok(Some(Self {
            file,
            series: ["1m", "5m", "15m"].map(series),
        }))
    }
}

impl Source for LoadSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        for (series, average) in self.series.iter().zip(self.file.read()?) {
            out.push(series, *average);
        }
        Ok(())
    }
}
