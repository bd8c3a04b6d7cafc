//! The model: the sum of two values of a metric.

use alumet_core::value::Value;

/// The exact sum in the type of both; integers stop at the ends of their range.
pub(crate) fn sum(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::U64(one), Value::U64(other)) => Value::U64(one.saturating_add(other)),
        (Value::I64(one), Value::I64(other)) => Value::I64(one.saturating_add(other)),
        // Both are of one metric, and so of one type.
        (one, other) => Value::F64(one.as_f64() + other.as_f64()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_are_added_exactly(one in 0..u64::MAX / 2, other in 0..u64::MAX / 2, a in i64::MIN / 2..i64::MAX / 2, b in i64::MIN / 2..i64::MAX / 2) {
            prop_assert_eq!(sum(Value::U64(one), Value::U64(other)), Value::U64(one + other));
            prop_assert_eq!(sum(Value::I64(a), Value::I64(b)), Value::I64(a + b));
        }
    }

    #[test]
    fn no_sum_leaves_its_type() {
        assert_eq!(sum(Value::U64(u64::MAX), Value::U64(1)), Value::U64(u64::MAX));
        assert_eq!(sum(Value::I64(i64::MIN), Value::I64(-1)), Value::I64(i64::MIN));
        assert_eq!(sum(Value::F64(0.5), Value::F64(0.25)), Value::F64(0.75));
    }
}
