//! The terms of an event of a PMU, `event=0x3c,umask=1`, and the fields of its numbers that they stand for.
//!
//! Format: `Documentation/ABI/testing/sysfs-bus-event_source-devices-format` and `…-events`.

use crate::Code;

/// The bits that a term sets: `config1:0-7,32`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Which of the numbers of [`Code::config`].
    number: usize,
    /// The first and the last bit of each range; the lowest bits of a value go to the first range.
    ranges: Vec<(u32, u32)>,
}

impl Field {
    /// Parses what a file in the folder `format` of a PMU says.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, bits) = text.trim().split_once(':')?;
        let range = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last && last < u64::BITS).then_some((first, last))
        };
        Some(Self {
            number: number_of(number)?,
            ranges: bits.split(',').map(range).collect::<Option<_>>()?,
        })
    }

    /// Sets the field; `None` when the value has more bits than the field.
    pub(crate) fn set(&self, code: &mut Code, mut value: u64) -> Option<()> {
        for (first, last) in &self.ranges {
            let width = last - first + 1;
            let mask = u64::MAX >> (u64::BITS - width);
            let bits = &mut code.config[self.number];
            *bits = *bits & !(mask << first) | (value & mask) << first;
            value = value.checked_shr(width).unwrap_or(0);
        }
        (value == 0).then_some(())
    }
}

/// The place of `config`, `config1`, `config2` or `config3`.
pub(crate) fn number_of(name: &str) -> Option<usize> {
    ["config", "config1", "config2", "config3"]
        .iter()
        .position(|known| *known == name)
}

/// A number as perf writes it: `0x3c`, `074` or `60`.
pub(crate) fn value_of(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// The terms with their values; a term without one has 1.
pub(crate) fn terms(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split(',').map(|term| match term.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (term.trim(), None),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(format: &str, value: u64) -> Option<[u64; 4]> {
        let mut code = Code::default();
        Field::parse(format)?.set(&mut code, value)?;
        Some(code.config)
    }

    #[test]
    fn a_value_goes_to_the_bits_of_its_field() {
        assert_eq!(set("config:0-7\n", 0x3c), Some([0x3c, 0, 0, 0]));
        assert_eq!(set("config1:8-15", 1), Some([0, 0x100, 0, 0]));
        // The event select of AMD, in two parts.
        assert_eq!(set("config:0-7,32-35", 0x1c1), Some([0x1_0000_00c1, 0, 0, 0]));
        assert_eq!(set("config:23", 1), Some([1 << 23, 0, 0, 0]));
        assert_eq!(set("config2:0-63", u64::MAX), Some([0, 0, u64::MAX, 0]));
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused() {
        assert_eq!(set("config:0-7", 0x100), None);
        assert_eq!(set("config:23", 2), None);
        assert_eq!(set("config:0-7,32-35", 0x1000), None);
    }

    #[test]
    fn numbers_are_read_as_perf_reads_them() {
        let all = ["0x3c", "0X3C", "074", "60", "0", "0x", "", "-1", "08", "x"].map(value_of);
        let expected = [Some(60), Some(60), Some(60), Some(60), Some(0)];
        assert_eq!(all[..5], expected);
        assert_eq!(all[5..], [None; 5]);
    }

    proptest! {
        #[test]
        fn any_format_is_taken_or_refused(text in "(config[0-9]?:)?[0-9,: -]{0,12}|.{0,20}", value: u64) {
            if let Some(field) = Field::parse(&text) {
                let mut code = Code::default();
                let _ = field.set(&mut code, value);
            }
            terms(&text).count();
            value_of(&text);
        }

        #[test]
        fn bits_of_other_fields_are_left_alone(first in 0_u32..64, width in 1_u32..64, value: u64, before: u64) {
            let last = (first + width - 1).min(63);
            let field = Field { number: 0, ranges: vec![(first, last)] };
            let mut code = Code::new(0, before);
            let mask = (u64::MAX >> (63 - (last - first))) << first;
            let _ = field.set(&mut code, value);
            prop_assert_eq!(code.config[0] & !mask, before & !mask);
            prop_assert_eq!((code.config[0] & mask) >> first, value & (mask >> first));
        }
    }
}
