//! The source: what polls the sensors.

use std::time::Duration;

use alumet_core::Failure;
use alumet_core::catalog::Catalog;
use alumet_core::source::{Accumulator, Source};
use alumet_core::time::Monotonic;
use alumet_reader_kernel_file::ReadError;
use alumet_shared_energy_counter::Refusals;

use crate::Sensors;

/// Devices can be plugged in, and sysfs does not tell; one that vanishes is noticed at once.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// Makes samples of sensors.
#[derive(Debug)]
pub struct SensorSource<L> {
    list: L,
    refusals: Refusals,
    sensors: Sensors,
    listed: Option<Monotonic>,
}

impl<L> SensorSource<L>
where
    L: FnMut(&Catalog) -> Result<Sensors, ReadError> + Send + 'static,
{
    /// A source of what `list` lists, which counts in `refusals` what is not believed.
    pub fn new(list: L, refusals: Refusals) -> Self {
        Self {
            list,
            refusals,
            sensors: Sensors::default(),
            listed: None,
        }
    }

    /// Lists what is there. What cannot be listed for want of a descriptor is listed at the next poll.
    fn list(&mut self, now: Monotonic, catalog: &Catalog) -> Result<(), ReadError> {
        match (self.list)(catalog) {
            Ok(mut sensors) => {
                sensors.adopt(std::mem::take(&mut self.sensors));
                self.sensors = sensors;
                self.listed = Some(now);
                Ok(())
            }
            Err(error) if self.sensors.is_empty() => Err(error),
            Err(error) => {
                tracing::debug!(%error, "the sensors cannot be listed anew; those that are known are measured");
                Ok(())
            }
        }
    }
}

impl<L> Source for SensorSource<L>
where
    L: FnMut(&Catalog) -> Result<Sensors, ReadError> + Send + 'static,
{
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        if self.listed.is_none_or(|listed| now.since(listed) >= LIST_EVERY) {
            self.list(now, out.catalog())?;
        }
        if self.sensors.poll(&mut self.refusals, out) {
            self.listed = None;
        }
        self.refusals.push(out);
        Ok(())
    }

    fn reset(&mut self) {
        self.sensors.reset();
        self.refusals.reset();
    }
}
