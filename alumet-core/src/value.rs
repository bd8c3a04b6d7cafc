//! The number that a sample carries.

use std::fmt;

/// The type of all values of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueType {
    /// Unsigned integer.
    U64 = 0,
    /// Signed integer.
    I64 = 1,
    /// Floating point number.
    F64 = 2,
}

words! {
    ValueType {
        U64: "u64",
        I64: "i64",
        F64: "f64",
    }
}

impl ValueType {
    /// The type whose discriminant is in the two low bits of `tag`.
    pub(crate) const fn from_tag(tag: u32) -> Self {
        match tag & 0b11 {
            0 => Self::U64,
            1 => Self::I64,
            _ => Self::F64,
        }
    }
}

/// One value with its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// An unsigned integer.
    U64(u64),
    /// A signed integer.
    I64(i64),
    /// A floating point number; may be infinite or not a number.
    F64(f64),
}

impl Value {
    /// The type of this value.
    pub const fn value_type(self) -> ValueType {
        match self {
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// The value as a float; integers above 2^53 lose their lowest bits.
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::U64(value) => value as f64,
            Self::I64(value) => value as f64,
            Self::F64(value) => value,
        }
    }

    pub(crate) const fn to_bits(self) -> u64 {
        match self {
            Self::U64(value) => value,
            Self::I64(value) => value.cast_unsigned(),
            Self::F64(value) => value.to_bits(),
        }
    }

    pub(crate) const fn from_bits(value_type: ValueType, bits: u64) -> Self {
        match value_type {
            ValueType::U64 => Self::U64(bits),
            ValueType::I64 => Self::I64(bits.cast_signed()),
            ValueType::F64 => Self::F64(f64::from_bits(bits)),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U64(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
        }
    }
}

/// A Rust type that a metric can have: `u64`, `i64` and `f64`, and no other.
pub trait Number: Copy + Into<Value> + Send + Sync + private::Sealed + 'static {
    /// The type as data.
    const TYPE: ValueType;
}

mod private {
    pub trait Sealed {}
}

macro_rules! number {
    ($type:ty, $variant:ident) => {
        impl private::Sealed for $type {}

        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        }

        impl Number for $type {
            const TYPE: ValueType = ValueType::$variant;
        }
    };
}

number!(u64, U64);
number!(i64, I64);
number!(f64, F64);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_value_survives_its_bits(u: u64, i: i64, f: f64) {
            for value in [Value::U64(u), Value::I64(i), Value::F64(f)] {
                prop_assert_eq!(Value::from_bits(value.value_type(), value.to_bits()), value);
            }
        }
    }

    #[test]
    fn every_type_survives_its_tag() {
        for value_type in [ValueType::U64, ValueType::I64, ValueType::F64] {
            assert_eq!(ValueType::from_tag(value_type as u32), value_type);
        }
    }

    #[test]
    fn every_value_has_a_float() {
        assert_eq!(Value::U64(7).as_f64(), 7.0);
        assert_eq!(Value::I64(-7).as_f64(), -7.0);
        assert_eq!(Value::F64(0.5).as_f64(), 0.5);
    }
}
