//! Why the energy of an interval is not known, and how often that was so.

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::source::Accumulator;
use alumet_core::{Consumer, Resource, Series};

/// Why a reading, or the interval before it, is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The counter started anew.
    Reset,
    /// It rose by more than is physically possible, or the value itself is impossible.
    Excess,
    /// It may have wrapped more often than the readings show.
    Ambiguous,
    /// The machine was suspended, or its wall clock set forward.
    Suspended,
    /// It could not be read.
    Unreadable,
}

impl Refusal {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 5] = [
        Self::Reset,
        Self::Excess,
        Self::Ambiguous,
        Self::Suspended,
        Self::Unreadable,
    ];

    /// The value of the attribute `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Excess => "excess",
            Self::Ambiguous => "ambiguous",
            Self::Suspended => "suspended",
            Self::Unreadable => "unreadable",
        }
    }
}

/// How many intervals or values were refused, by reason: one series for each, which begins with the first poll and then has a
/// sample only where something was refused.
#[derive(Debug)]
pub struct Refusals {
    series: [Series<u64>; Refusal::ALL.len()],
    counts: [u64; Refusal::ALL.len()],
    has_begun: bool,
}

impl Refusals {
    /// Registers the series of `metric`, on the machine, with the attribute `reason`.
    pub fn register(catalog: &Catalog, metric: MetricHandle<u64>) -> Self {
        Self::of_resource(catalog, metric, &Resource::LocalMachine)
    }

    /// As [`Self::register`], on another resource: each source needs series of its own.
    pub fn of_resource(catalog: &Catalog, metric: MetricHandle<u64>, resource: &Resource) -> Self {
        let series = |reason: Refusal| {
            let series = catalog.series(metric, resource.clone(), Consumer::LocalMachine);
            series.attribute("reason", reason.as_str()).register()
        };
        Self {
            series: Refusal::ALL.map(series),
            counts: Default::default(),
            has_begun: false,
        }
    }

    /// Counts one.
    pub const fn count(&mut self, refusal: Refusal) {
        self.counts[refusal as usize] += 1;
    }

    /// Pushes what was counted since the previous poll.
    pub fn push(&mut self, out: &mut Accumulator<'_>) {
        for (series, count) in self.series.iter().zip(&mut self.counts) {
            match self.has_begun {
                true if *count > 0 => out.push(series, std::mem::take(count)),
                true => {}
                // What was refused by then follows with the next sample.
                false => out.push(series, 0),
            }
        }
        self.has_begun = true;
    }

    /// Lets the series begin again, as after a pause.
    pub const fn reset(&mut self) {
        self.has_begun = false;
    }
}
