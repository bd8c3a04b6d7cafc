//! Values from one unit to another.

use super::{BaseUnit, Unit};

impl Unit {
    /// The same quantity as `value`, which is in `from`, expressed in `to`; none if the two measure different things.
    ///
    /// Knows 1 `W.h` = 3600 `J`, 1 `By` = 8 `bit`, 100 `%` = 1, and °C = (°F − 32) · 5/9. The factors are kept as
    /// exact fractions, so that 9 `mJ` is 0.009 `J` and not its neighbour.
    pub fn convert(value: f64, from: &Self, to: &Self) -> Option<f64> {
        let (start, end) = (from.base.row(), to.base.row());
        if start.dimension != end.dimension {
            return None;
        }
        if from == to {
            return Some(value);
        }
        let (start_offset, end_offset) = (offset(&from.base), offset(&to.base));
        if start_offset == end_offset {
            let ratios = [
                from.prefix.row().ratio,
                start.ratio,
                flip(to.prefix.row().ratio),
                flip(end.ratio),
            ];
            return Some(scale(value, &ratios));
        }
        // An offset counts in unprefixed degrees.
        let start_degrees = scale(value, &[from.prefix.row().ratio]);
        let common = scale(start_degrees - start_offset, &[start.ratio, flip(end.ratio)]);
        Some(scale(common + end_offset, &[flip(to.prefix.row().ratio)]))
    }
}

/// Where the scale of a base unit begins on that of its dimension, in its own degrees: a value is
/// `(value - offset) * ratio`.
fn offset(base: &BaseUnit) -> f64 {
    if *base == BaseUnit::Fahrenheit { 32.0 } else { 0.0 }
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
