//! The source: what makes samples of readings.

use alumet_core::failure::OrFail;
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Failure, Series};

use crate::device::Module;

/// Makes samples of what a module shows.
pub(crate) struct QuarchSource {
    pub(crate) module: Module,
    pub(crate) power: Series<f64>,
}

impl Source for QuarchSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let before = out.now();
        // A module that is away is left alone for a while.
        let watts = self.module.watts().or_restart()?;
        let half = out.now().monotonic.since(before.monotonic) / 2;
        out.push_at(&self.power, before.wall.saturating_add(half), watts);
        Ok(())
    }
}
