//! `/proc/loadavg`: how many threads run or wait, averaged.
//!
//! Format: `Documentation/filesystems/proc.rst`, "loadavg".

use crate::{ParseError, Parsed, SystemRoot, Table};
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::Fields;

/// The averages over one, five and fifteen minutes.
pub type LoadAverage = [f64; 3];

/// Parses `/proc/loadavg`.
///
/// # Errors
/// When one of the three averages is missing or malformed; `out` is then unchanged.
pub fn parse(bytes: &[u8], out: &mut LoadAverage) -> Parsed {
    let mut fields = Fields::of(bytes.trim_ascii_end());
    let mut next = || {
        fields
            .fraction()
            .ok_or(ParseError::at(1, "three averages are expected"))
    };
    *out = [next()?, next()?, next()?];
    Ok(None)
}

/// `/proc/loadavg`.
pub fn table(root: &SystemRoot) -> Table<LoadAverage> {
    let (path, mend) = (root.proc("loadavg"), crate::root::MOUNT_PROC);
    Table::new(path, Extent::OneRecord, mend, LoadAverage::default(), parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_averages_are_read_whatever_follows() {
        for rest in [" 1/86 4155\n", " 0/-1 -5\n", ""] {
            let mut load = LoadAverage::default();
            parse(format!("0.12 10.09 100.03{rest}").as_bytes(), &mut load).unwrap();
            assert_eq!(load, [0.12, 10.09, 100.03]);
        }
    }

    #[test]
    fn a_shorter_or_malformed_line_is_refused() {
        for wrong in ["", "1 2", "a 2 3 4/5 6"] {
            assert!(
                parse(wrong.as_bytes(), &mut LoadAverage::default()).is_err(),
                "{wrong}"
            );
        }
    }
}
