//! Pressure stall information (PSI): the share of time in which threads were held up for lack of a resource.
//!
//! Format: `Documentation/accounting/psi.rst`; the same for `/proc/pressure/*` and the `*.pressure` files of control
//! groups.

use crate::ParseError;
use crate::fields::{Fields, fraction, lines, number};

/// One reading of a pressure file. A line that the kernel does not print is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// At least one thread was held up. Absent for `irq`.
    pub some: Option<Stall>,
    /// All threads that were not idle were held up at once. Absent for `cpu` before Linux 5.13.
    pub full: Option<Stall>,
}

/// How long threads were held up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stall {
    /// Percentage of the last 10 seconds.
    pub avg10: f64,
    /// Percentage of the last 60 seconds.
    pub avg60: f64,
    /// Percentage of the last 300 seconds.
    pub avg300: f64,
    /// Microseconds since boot, or since the control group was made.
    pub total_us: u64,
}

/// Parses a pressure file.
///
/// # Errors
/// When there is neither of the two lines or a value is missing or malformed.
pub fn parse(bytes: &[u8], out: &mut Pressure) -> Result<(), ParseError> {
    *out = Pressure::default();
    for (index, line) in lines(bytes) {
        let mut fields = Fields::of(line);
        let place = match fields.next() {
            Some(b"some") => &mut out.some,
            Some(b"full") => &mut out.full,
            _ => continue,
        };
        let stall = stall(fields).ok_or(ParseError::at(
            index,
            "`avg10=`, `avg60=`, `avg300=` and `total=` are expected",
        ))?;
        *place = Some(stall);
    }
    if out.some.is_none() && out.full.is_none() {
        return Err(ParseError::whole("a line `some` or `full` is expected"));
    }
    Ok(())
}

fn stall(mut fields: Fields<'_>) -> Option<Stall> {
    let mut after = |key: &[u8]| fields.next()?.strip_prefix(key);
    Some(Stall {
        avg10: fraction(after(b"avg10=")?)?,
        avg60: fraction(after(b"avg60=")?)?,
        avg300: fraction(after(b"avg300=")?)?,
        total_us: number(after(b"total=")?)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_kernel_that_prints_one_line_has_no_other() {
        let line = "avg10=1.91 avg60=0.86 avg300=100.00 total=3857169\n";
        let stall = Stall {
            avg10: 1.91,
            avg60: 0.86,
            avg300: 100.0,
            total_us: 3_857_169,
        };
        let mut pressure = Pressure {
            full: Some(Stall::default()),
            ..Pressure::default()
        };
        parse(format!("some {line}").as_bytes(), &mut pressure).unwrap();
        assert_eq!((pressure.some, pressure.full), (Some(stall), None));
        parse(format!("full {line}").as_bytes(), &mut pressure).unwrap();
        assert_eq!((pressure.some, pressure.full), (None, Some(stall)));
    }

    #[test]
    fn a_missing_misplaced_or_cut_value_is_refused() {
        for wrong in [
            "",
            "none\n",
            "some avg10=1.91 avg60=0.86 avg300=100.00\n",
            "some avg60=1.91 avg10=0.86 avg300=100.00 total=1\n",
            "some avg10=x avg60=0.86 avg300=100.00 total=1\n",
            "some avg10=1.91 avg60=0.86 avg300=100.00 total=1",
        ] {
            assert!(
                parse(wrong.as_bytes(), &mut Pressure::default()).is_err(),
                "{wrong}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_printed_pressure_is_read_back(centi in [0_u32..10_001, 0..10_001, 0..10_001], total: u64) {
            let [avg10, avg60, avg300] = centi.map(|value| f64::from(value) / 100.0);
            let line = format!("avg10={avg10:.2} avg60={avg60:.2} avg300={avg300:.2} total={total}");
            let stall = Stall { avg10, avg60, avg300, total_us: total };
            let mut pressure = Pressure::default();
            parse(format!("some {line}\nfull {line}\n").as_bytes(), &mut pressure).unwrap();
            prop_assert_eq!(pressure, Pressure { some: Some(stall), full: Some(stall) });
        }
    }
}
