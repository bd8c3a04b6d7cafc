//! Values from one unit to another.

use super::{BaseUnit, Unit};

/// What a base unit measures; only units of one dimension convert.
#[derive(PartialEq)]
enum Dimension<'a> {
    Number,
    Time,
    Power,
    Energy,
    Tension,
    Current,
    Frequency,
    Temperature,
    Data,
    Custom(&'a str),
}

/// How a base unit lies on its dimension's scale: `(value - offset) * ratio`, with the ratio as numerator and
/// denominator.
struct Place<'a> {
    dimension: Dimension<'a>,
    ratio: (u64, u64),
    offset: f64,
}

impl Unit {
    /// The same quantity as `value`, which is in `from`, expressed in `to`; none if the two measure different things.
    ///
    /// Knows 1 `W.h` = 3600 `J`, 1 `By` = 8 `bit`, 100 `%` = 1, and °C = (°F − 32) · 5/9. The factors are kept as
    /// exact fractions, so that 9 `mJ` is 0.009 `J` and not its neighbour.
    pub fn convert(value: f64, from: &Self, to: &Self) -> Option<f64> {
        let (start, end) = (place(&from.base), place(&to.base));
        if start.dimension != end.dimension {
            return None;
        }
        if from == to {
            return Some(value);
        }
        if start.offset == end.offset {
            let ratios = [
                from.prefix.ratio(),
                start.ratio,
                flip(to.prefix.ratio()),
                flip(end.ratio),
            ];
            return Some(scale(value, &ratios));
        }
        // An offset counts in unprefixed degrees.
        let start_degrees = scale(value, &[from.prefix.ratio()]);
        let common = scale(start_degrees - start.offset, &[start.ratio, flip(end.ratio)]);
        Some(scale(common + end.offset, &[flip(to.prefix.ratio())]))
    }
}

fn place(base: &BaseUnit) -> Place<'_> {
    let (dimension, ratio) = match base {
        BaseUnit::One => (Dimension::Number, (1, 1)),
        BaseUnit::Percent => (Dimension::Number, (1, 100)),
        BaseUnit::Second => (Dimension::Time, (1, 1)),
        BaseUnit::Watt => (Dimension::Power, (1, 1)),
        BaseUnit::Joule => (Dimension::Energy, (1, 1)),
        BaseUnit::WattHour => (Dimension::Energy, (3600, 1)),
        BaseUnit::Volt => (Dimension::Tension, (1, 1)),
        BaseUnit::Ampere => (Dimension::Current, (1, 1)),
        BaseUnit::Hertz => (Dimension::Frequency, (1, 1)),
        BaseUnit::Celsius => (Dimension::Temperature, (1, 1)),
        BaseUnit::Fahrenheit => (Dimension::Temperature, (5, 9)),
        BaseUnit::Byte => (Dimension::Data, (8, 1)),
        BaseUnit::Bit => (Dimension::Data, (1, 1)),
        BaseUnit::Custom { code, .. } => (Dimension::Custom(code), (1, 1)),
    };
    let offset = if *base == BaseUnit::Fahrenheit { 32.0 } else { 0.0 };
    Place {
        dimension,
        ratio,
        offset,
    }
}

const fn flip((numerator, denominator): (u64, u64)) -> (u64, u64) {
    (denominator, numerator)
}

/// `value` times the product of the ratios, reduced first. The largest product, 10¹² · 10¹² · 3600 or
/// 2⁴⁰ · 10¹² · 8, fits in 128 bits.
fn scale(value: f64, ratios: &[(u64, u64)]) -> f64 {
    let numerator: u128 = ratios.iter().map(|ratio| u128::from(ratio.0)).product();
    let denominator: u128 = ratios.iter().map(|ratio| u128::from(ratio.1)).product();
    let divisor = greatest_common_divisor(numerator, denominator);
    value * (numerator / divisor) as f64 / (denominator / divisor) as f64
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
