//! What all numbers of a frame are multiples of: 4096 for memory in pages, 1000 for microseconds as nanoseconds.

/// Divides multiples of one number, without dividing.
///
/// An odd number has an inverse modulo 2^64, and a product with it is small only for multiples: Granlund and
/// Montgomery, "Division by invariant integers using multiplication", 1994, section 9.
#[derive(Debug, Clone, Copy)]
pub(super) struct Divisor {
    value: u64,
    shift: u32,
    inverse: u64,
    /// The largest quotient by the odd part.
    limit: u64,
}

impl Divisor {
    /// The greatest common divisor; `None` if all are 0.
    pub(super) fn common(values: &[u64]) -> Option<Self> {
        let mut divisor: Option<Self> = None;
        for &value in values {
            match divisor {
                _ if value == 0 => {}
                None => divisor = Some(Self::new(value)),
                Some(current) if current.value == 1 => break,
                // This happens at most 64 times, because each time at least one factor of two is lost.
                Some(current) if !current.divides(value) => {
                    divisor = Some(Self::new(greatest_common(current.value, value)));
                }
                Some(_) => {}
            }
        }
        divisor
    }

    /// Division by `value`, which is not 0.
    fn new(value: u64) -> Self {
        let shift = value.trailing_zeros();
        let odd = value >> shift;
        // Newton's iteration doubles the number of right bits, of which an odd number has three as its own inverse.
        let mut inverse = odd;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        }
        Self {
            value,
            shift,
            inverse,
            limit: u64::MAX / odd,
        }
    }

    pub(super) const fn value(self) -> u64 {
        self.value
    }

    const fn divides(self, value: u64) -> bool {
        value.trailing_zeros() >= self.shift && value.wrapping_mul(self.inverse) <= self.limit
    }

    /// The quotient of a multiple.
    pub(super) const fn divide(self, multiple: u64) -> u64 {
        (multiple >> self.shift).wrapping_mul(self.inverse)
    }
}

fn greatest_common(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zeros_have_no_divisor() {
        assert!(Divisor::common(&[0, 0]).is_none());
        assert_eq!(Divisor::common(&[0, 5, 0]).unwrap().value(), 5);
    }

    proptest! {
        #[test]
        fn the_common_divisor_divides_exactly(
            factor in 1_u64..1 << 40,
            quotients in prop::collection::vec(0_u64..1 << 24, 1..50),
        ) {
            let values: Vec<u64> = quotients.iter().map(|quotient| quotient * factor).collect();
            let expected = values.iter().fold(0, |a, &b| greatest_common(a, b));
            match Divisor::common(&values) {
                None => prop_assert_eq!(expected, 0),
                Some(divisor) => {
                    prop_assert_eq!(divisor.value(), expected);
                    for &value in &values {
                        prop_assert_eq!(divisor.divide(value), value / expected);
                    }
                }
            }
        }

        #[test]
        fn divisibility_agrees_with_the_remainder(divisor in 1_u64.., value: u64) {
            prop_assert_eq!(Divisor::new(divisor).divides(value), value % divisor == 0);
            let multiple = value - value % divisor;
            prop_assert!(Divisor::new(divisor).divides(multiple));
            prop_assert_eq!(Divisor::new(divisor).divide(multiple), value / divisor);
        }
    }
}
