//! A series of a number, and of the energy that it makes if it is a power.

use alumet_core::Series;
use alumet_core::source::Accumulator;
use alumet_shared_energy_counter::{PowerIntegral, ReadAt};

use crate::reading::Reading;

/// The position of a reading among those of its [`Sensors`](crate::Sensors).
#[derive(Debug, Clone, Copy)]
pub struct Position(pub(crate) usize);

/// What a series shows.
#[derive(Debug)]
pub enum Quantity {
    /// One reading.
    Shown(Position),
    /// The product of two readings, times a factor.
    Product(Position, Position, f64),
    /// A sum of readings times factors; 0 where it would be negative.
    Sum(Vec<(f64, Position)>),
}

/// A series of numbers, whole or not.
#[derive(Debug)]
pub enum Feed {
    /// Of whole numbers, to which is rounded.
    Whole(Series<u64>),
    /// Of any numbers.
    Fraction(Series<f64>),
}

#[derive(Debug)]
pub(crate) struct Gauge {
    pub(crate) quantity: Quantity,
    pub(crate) series: Feed,
    pub(crate) energy: Option<PowerIntegral>,
}

impl From<Series<u64>> for Feed {
    fn from(series: Series<u64>) -> Self {
        Self::Whole(series)
    }
}

impl From<Series<f64>> for Feed {
    fn from(series: Series<f64>) -> Self {
        Self::Fraction(series)
    }
}

impl Gauge {
    pub(crate) fn push(&mut self, readings: &[Reading], out: &mut Accumulator<'_>) {
        let Some((value, at)) = self.quantity.of(readings) else {
            self.energy.iter_mut().for_each(PowerIntegral::miss);
            return;
        };
        match &self.series {
            Feed::Whole(series) => out.push_at(series, at.timestamp, value.round() as u64),
            Feed::Fraction(series) => out.push_at(series, at.timestamp, value),
        }
        if let Some(energy) = &mut self.energy {
            energy.push(value, at, out);
        }
    }
}

impl Quantity {
    fn of(&self, readings: &[Reading]) -> Option<(f64, ReadAt)> {
        let value = |position: &Position| readings[position.0].value;
        match self {
            Self::Shown(position) => value(position),
            Self::Product(left, right, factor) => {
                let (right, at) = value(right)?;
                Some((value(left)?.0 * right * factor, at))
            }
            Self::Sum(terms) => {
                let (_, at) = value(&terms.last()?.1)?;
                let terms = terms
                    .iter()
                    .map(|(factor, position)| Some(factor * value(position)?.0));
                Some((terms.sum::<Option<f64>>()?.max(0.0), at))
            }
        }
    }
}
