//! Energy counters: what they counted in an interval, or why that is not known.
//!
//! [`EnergyCounter`] judges readings, [`EnergySeries`] makes energy of them, and [`Refusals`] counts the intervals of which
//! the energy is not known. Where there is no counter, [`PowerIntegral`] makes energy of readings of power. Whatever is doubtful is refused: it is counted by its reason, and the series begins anew with a 0.

#![forbid(unsafe_code)]

mod counter;
mod integral;
mod refusal;
mod series;

pub use counter::{EnergyCounter, Interval, ReadAt};
pub use integral::PowerIntegral;
pub use refusal::{Refusal, Refusals};
pub use series::{EnergySeries, Outcome};
