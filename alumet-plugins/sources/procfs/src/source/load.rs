//! Load averages.

use alumet_core::plugin::{StartContext, StartError};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::loadavg::LoadAverageFile;

use crate::metrics;

/// Makes samples of `/proc/loadavg`.
pub(crate) struct LoadSource {
    file: LoadAverageFile,
    one: Series<f64>,
    five: Series<f64>,
    fifteen: Series<f64>,
}

impl LoadSource {
    pub(crate) fn start(root: &SystemRoot, alumet: &StartContext<'_>) -> Result<Self, StartError> {
        let file = LoadAverageFile::open(root)?;
        let metric = alumet.metric(&metrics::LOAD_AVERAGE)?;
        let series = |window: &str| {
            alumet
                .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                .attribute("window", window)
                .register()
        };
        Ok(Self {
            file,
            one: series("1m"),
            five: series("5m"),
            fifteen: series("15m"),
        })
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
