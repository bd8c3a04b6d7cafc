//! The source: what makes samples of readings.

use alumet_core::failure::OrFail;
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Failure, Series};

use crate::device::Device;
use crate::error::IpmiError;

/// Makes samples of what the controller shows.
pub(crate) struct IpmiSource {
    pub(crate) device: Device,
    pub(crate) power: Series<f64>,
}

impl Source for IpmiSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let before = out.now();
        let reading = match self.device.read() {
            // It will not learn it.
            Err(error @ IpmiError::NotSupported) => Err(error).or_end()?,
            // It is left alone for a while.
            reading => reading.or_restart()?,
        };
        let half = out.now().monotonic.since(before.monotonic) / 2;
        out.push_at(
            &self.power,
            before.wall.saturating_add(half),
            f64::from(reading.current),
        );
        Ok(())
    }
}
