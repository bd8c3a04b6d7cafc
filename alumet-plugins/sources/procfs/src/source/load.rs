//! Load averages.

use alumet_core::plugin::{Finding, StartContext};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::loadavg::{self, LoadAverage};
use alumet_reader_procfs::{SystemRoot, Table};

use crate::error::TableError;
use crate::metrics;
use crate::notes::note;

pub(crate) const SUBJECT: &str = "load";

/// Makes samples of `/proc/loadavg`.
pub(crate) struct LoadSource {
    file: Table<LoadAverage>,
    one: Series<f64>,
    five: Series<f64>,
    fifteen: Series<f64>,
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
            one: series("1m"),
            five: series("5m"),
            fifteen: series("15m"),
        }))
    }
}

impl Source for LoadSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let load = self.file.read()?;
        out.push(&self.one, load.one);
        out.push(&self.five, load.five);
        out.push(&self.fifteen, load.fifteen);
        Ok(())
    }
}
