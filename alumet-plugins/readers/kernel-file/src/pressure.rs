//! Pressure stall information (PSI): how long threads were held up for lack of a resource.
//!
//! Format: `Documentation/accounting/psi.rst`; the same for `/proc/pressure/*` and the `*.pressure` files of control
//! groups. The averages that the kernel prints as well are left out: they can be computed from the totals.

use crate::fields::{Fields, lines, number};
use crate::{ParseError, Parsed};

/// One reading of a pressure file: microseconds since boot, or since the control group was made. A line that the kernel
/// does not print is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// At least one thread was held up. Absent for `irq`.
    pub some_us: Option<u64>,
    /// All threads that were not idle were held up at once. Absent for `cpu` before Linux 5.13.
    pub full_us: Option<u64>,
}

/// Parses a pressure file.
///
/// # Errors
/// When neither of the two lines is sound.
pub fn parse(bytes: &[u8], out: &mut Pressure) -> Parsed {
    *out = Pressure::default();
    let mut odd = None;
    for (index, line) in lines(bytes) {
        let mut fields = Fields::of(line);
        let place = match fields.next() {
            Some(b"some") => &mut out.some_us,
            Some(b"full") => &mut out.full_us,
            _ => continue,
        };
        *place = fields.find_map(|field| number(field.strip_prefix(b"total=")?));
        if place.is_none() {
            odd = odd.or(Some(ParseError::at(index, "`total=` and a count are expected")));
        }
    }
    if *out == Pressure::default() {
        return Err(odd.unwrap_or(ParseError::whole("a line `some` or `full` is expected")));
    }
    Ok(odd)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_kernel_that_prints_one_line_has_no_other() {
        let line = "avg10=1.91 avg60=0.86 avg300=100.00 total=3857169\n";
        let mut pressure = Pressure {
            some_us: None,
            full_us: Some(1),
        };
        parse(format!("some {line}").as_bytes(), &mut pressure).unwrap();
        assert_eq!((pressure.some_us, pressure.full_us), (Some(3_857_169), None));
        parse(format!("full {line}").as_bytes(), &mut pressure).unwrap();
        assert_eq!((pressure.some_us, pressure.full_us), (None, Some(3_857_169)));
    }

    #[test]
    fn a_file_without_a_sound_total_is_refused() {
        for wrong in [
            "",
            "none\n",
            "some avg10=1.91 avg60=0.86 avg300=100.00\n",
            "some avg10=1.91 avg60=0.86 avg300=100.00 total=x\n",
            "some avg10=1.91 avg60=0.86 avg300=100.00 total=1",
        ] {
            assert!(
                parse(wrong.as_bytes(), &mut Pressure::default()).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn an_odd_average_takes_nothing_away_and_an_odd_line_only_itself() {
        let mut pressure = Pressure::default();
        let text = "some avg10=-0.01 avg60=nan total=5\nfull avg10=0.00 total=-1\n";
        let odd = parse(text.as_bytes(), &mut pressure).unwrap();
        assert_eq!((pressure.some_us, pressure.full_us), (Some(5), None));
        assert_eq!(odd.unwrap().line, Some(2));
    }

    proptest! {
        #[test]
        fn a_printed_pressure_is_read_back(some: u64, full: u64) {
            let line = |total| format!("avg10=0.12 avg60=0.00 avg300=99.00 total={total}\n");
            let mut pressure = Pressure::default();
            parse(format!("some {}full {}", line(some), line(full)).as_bytes(), &mut pressure).unwrap();
            prop_assert_eq!(pressure, Pressure { some_us: Some(some), full_us: Some(full) });
        }
    }
}
