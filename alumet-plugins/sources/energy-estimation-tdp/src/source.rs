//! The source: what makes samples of how busy the CPUs were.

use alumet_core::counter::{Counter, CounterRange, Increment};
use alumet_core::source::{Accumulator, Source};
use alumet_core::time::Monotonic;
use alumet_core::{Failure, Series};

use crate::device::BusyTime;
use crate::model::PowerCurve;

/// Makes a sample of the mean load since the previous poll.
#[derive(Debug)]
pub(crate) struct EstimateSource {
    busy: BusyTime,
    curve: PowerCurve,
    series: Series<f64>,
    counter: Counter,
    read_at: Option<Monotonic>,
    /// Metrics with one of which it ends; `None` after the first poll, when all plugins are there.
    only_without: Option<Vec<String>>,
}

impl EstimateSource {
    /// A source that pushes the energy by `curve` to `series`.
    pub(crate) const fn new(
        busy: BusyTime,
        curve: PowerCurve,
        series: Series<f64>,
        only_without: Vec<String>,
    ) -> Self {
        Self {
            busy,
            curve,
            series,
            counter: Counter::new(CounterRange::Unknown),
            read_at: None,
            only_without: Some(only_without),
        }
    }
}

impl Source for EstimateSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let mut measured = self.only_without.take().into_iter().flatten();
        if let Some(metric) = measured.find(|metric| out.catalog().find_metric(metric).is_some()) {
            return Err(Failure::end(format!("energy is measured: there is `{metric}`")));
        }
        let busy = self.busy.read()?;
        let now = out.tick().monotonic;
        let elapsed = self.read_at.replace(now).map(|before| now.since(before));
        let joules = match (self.counter.update(busy.ticks), elapsed) {
            (Increment::Delta(ticks), Some(elapsed)) => {
                let seconds = elapsed.as_secs_f64();
                let all = seconds * f64::from(busy.cpus) * BusyTime::ticks_per_second() as f64;
                // Ticks are coarser than a short interval, and what a sleeping CPU did is counted late.
                let load = if all > 0.0 {
                    (ticks as f64 / all).min(1.0)
                } else {
                    0.0
                };
                self.curve.watts(load) * seconds
            }
            // The series begins, or begins again.
            _ => 0.0,
        };
        out.push(&self.series, joules);
        Ok(())
    }

    fn reset(&mut self) {
        self.counter.reset();
        self.read_at = None;
    }
}
