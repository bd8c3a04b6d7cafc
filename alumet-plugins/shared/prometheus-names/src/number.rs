//! Numbers that add up, and what they are in the unit in which they are exposed.

use alumet_core::Value;
use alumet_core::unit::Unit;

/// The value of a series: integers exactly, and floats with what rounding has taken from their sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer that is not negative; more than a century of whatever a computer can count.
    Whole(u128),
    /// An integer.
    Signed(i128),
    /// A sum of floats, and what is missing in it (Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation", 1974).
    Float(f64, f64),
}

impl Number {
    /// That of a sample.
    pub fn of(value: Value) -> Self {
        match value {
            Value::U64(value) => Self::Whole(value.into()),
            Value::I64(value) => Self::Signed(value.into()),
            Value::F64(value) => Self::Float(value, 0.0),
        }
    }

    /// Nothing yet, of the same type.
    pub const fn zero(self) -> Self {
        match self {
            Self::Whole(_) => Self::Whole(0),
            Self::Signed(_) => Self::Signed(0),
            Self::Float(..) => Self::Float(0.0, 0.0),
        }
    }

    /// Both together; only numbers of one type are ever added.
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => Self::Whole(one.saturating_add(other)),
            (Self::Signed(one), Self::Signed(other)) => Self::Signed(one.saturating_add(other)),
            (Self::Float(one, lost), Self::Float(other, also_lost)) => {
                let sum = one + other;
                let missing = match one.abs() >= other.abs() {
                    true => (one - sum) + other,
                    false => (other - sum) + one,
                };
                // Of infinities, nothing can be missing.
                let missing = if missing.is_finite() { missing } else { 0.0 };
                Self::Float(sum, lost + also_lost + missing)
            }
            _ => self,
        }
    }

    /// What a counter has counted since it was at `earlier`; all of it after a restart.
    pub fn since(self, earlier: Self) -> Self {
        let less = match (self, earlier) {
            (Self::Whole(now), Self::Whole(earlier)) => now.checked_sub(earlier).map(Self::Whole),
            (Self::Signed(now), Self::Signed(earlier)) if now >= earlier => Some(Self::Signed(now - earlier)),
            (Self::Float(now, lost), Self::Float(earlier, also_lost))
                if now + lost >= earlier + also_lost =>
            {
                Some(Self::Float(now, lost).plus(Self::Float(-earlier, -also_lost)))
            }
            _ => None,
        };
        less.unwrap_or(self)
    }

    /// The number as a float.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Whole(value) => value as f64,
            Self::Signed(value) => value as f64,
            Self::Float(sum, lost) => sum + lost,
        }
    }
}

/// From the unit of a metric to that in which it is exposed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// The same unit.
    One,
    /// So many times the number.
    Times(f64),
    /// A part of the number. 9 mJ over 1000 is 0.009 J, and times 0.001 its neighbour.
    Over(f64),
    /// Degrees of a scale with this zero, of which so many are a hundred.
    Degrees(f64, f64),
}

impl Scale {
    /// From one unit to another; what cannot be converted stays as it is.
    pub fn between(from: &Unit, to: &Unit) -> Self {
        let there = |value| Unit::convert(value, from, to).unwrap_or(value);
        let back = |value| Unit::convert(value, to, from).unwrap_or(value);
        match (there(0.0), there(1.0)) {
            (0.0, 1.0) => Self::One,
            (0.0, factor) if factor > 1.0 => Self::Times(factor),
            (0.0, _) => Self::Over(back(1.0)),
            _ => Self::Degrees(back(0.0), back(100.0) - back(0.0)),
        }
    }

    /// A value in the unit in which it is exposed.
    pub fn apply(self, value: f64) -> f64 {
        match self {
            Self::One => value,
            Self::Times(factor) => value * factor,
            Self::Over(divisor) => value / divisor,
            Self::Degrees(zero, hundred) => (value - zero) * 100.0 / hundred,
        }
    }

    /// Appends a number as both formats have it.
    pub fn push(self, out: &mut Vec<u8>, number: Number) {
        let mut integer = itoa::Buffer::new();
        match (self, number) {
            // The common case, in which 64 bits are enough.
            (Self::One, Number::Whole(value)) => out.extend_from_slice(match u64::try_from(value) {
                Ok(value) => integer.format(value).as_bytes(),
                Err(_) => integer.format(value).as_bytes(),
            }),
            (Self::One, Number::Signed(value)) => out.extend_from_slice(integer.format(value).as_bytes()),
            _ => {
                let value = self.apply(number.as_f64());
                let mut float = zmij::Buffer::new();
                let text = match value {
                    f64::INFINITY => "+Inf",
                    f64::NEG_INFINITY => "-Inf",
                    _ if value.is_nan() => "NaN",
                    _ => float.format_finite(value),
                };
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// Whether a counter can have this value, or grow by it.
pub fn can_count(value: Value) -> bool {
    match value {
        Value::U64(_) => true,
        Value::I64(value) => value >= 0,
        Value::F64(value) => value >= 0.0 && value.is_finite(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: Number, from: Unit, to: Unit) -> String {
        let mut out = Vec::new();
        Scale::between(&from, &to).push(&mut out, number);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_exact_in_the_unit_in_which_they_are_exposed() {
        for (number, from, to, expected) in [
            (Number::Whole(9), Unit::JOULE.milli(), Unit::JOULE, "0.009"),
            (Number::Whole(1), Unit::WATT_HOUR.kilo(), Unit::JOULE, "3600000.0"),
            (
                Number::Whole(u128::from(u64::MAX) + 1),
                Unit::ONE,
                Unit::ONE,
                "18446744073709551616",
            ),
            (Number::Signed(-7), Unit::SECOND, Unit::SECOND, "-7"),
            (Number::Whole(50), Unit::PERCENT, Unit::ONE, "0.5"),
            (Number::Whole(3), Unit::BYTE.kibi(), Unit::BYTE, "3072.0"),
            (Number::Whole(12), Unit::BIT, Unit::BYTE, "1.5"),
            (
                Number::Float(f64::NAN, 0.0),
                Unit::JOULE.milli(),
                Unit::JOULE,
                "NaN",
            ),
            (
                Number::Float(f64::NEG_INFINITY, 0.0),
                Unit::ONE,
                Unit::ONE,
                "-Inf",
            ),
            (
                Number::Float(212.0, 0.0),
                Unit::FAHRENHEIT,
                Unit::CELSIUS,
                "100.0",
            ),
        ] {
            assert_eq!(text(number, from, to), expected);
        }
    }

    #[test]
    fn small_amounts_are_not_lost_in_a_large_sum() {
        let mut sum = Number::Float(1e16, 0.0);
        for _ in 0..1000 {
            sum = sum.plus(Number::Float(0.1, 0.0));
        }
        assert_eq!(sum.as_f64(), 1e16 + 100.0);
        assert_eq!(sum.since(Number::Float(1e16, 0.0)).as_f64().round(), 100.0);
        let infinite = Number::Float(f64::INFINITY, 0.0);
        assert_eq!(infinite.plus(Number::Float(1.0, 0.0)).as_f64(), f64::INFINITY);
    }

    #[test]
    fn a_counter_that_has_restarted_counts_from_zero() {
        assert_eq!(Number::Whole(7).since(Number::Whole(5)), Number::Whole(2));
        assert_eq!(Number::Whole(3).since(Number::Whole(5)), Number::Whole(3));
    }
}
