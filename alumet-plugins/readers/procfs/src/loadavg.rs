//! `/proc/loadavg`: how many threads run or wait, averaged.
//!
//! Format: `Documentation/filesystems/proc.rst`, "loadavg".

use crate::{ParseError, ReadError, SystemRoot};
use alumet_reader_kernel_file::fields::{Fields, number};
use alumet_reader_kernel_file::{Extent, KeptFile};

/// One reading of `/proc/loadavg`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadAverage {
    /// Over one minute.
    pub one: f64,
    /// Over five minutes.
    pub five: f64,
    /// Over fifteen minutes.
    pub fifteen: f64,
    /// Threads that can run now.
    pub runnable: u64,
    /// Threads that exist.
    pub threads: u64,
    /// The process number that was given out last.
    pub last_pid: u64,
}

/// Parses `/proc/loadavg`.
///
/// # Errors
/// When one of the six numbers is missing or malformed; `out` is then unchanged.
pub fn parse(bytes: &[u8], out: &mut LoadAverage) -> Result<(), ParseError> {
    *out = load_average(bytes).ok_or(ParseError::at(
        1,
        "three averages, `runnable/threads` and a process number are expected",
    ))?;
    Ok(())
}

fn load_average(bytes: &[u8]) -> Option<LoadAverage> {
    let mut fields = Fields::of(bytes.trim_ascii_end());
    let (one, five, fifteen) = (fields.fraction()?, fields.fraction()?, fields.fraction()?);
    let counts = fields.next()?;
    let slash = counts.iter().position(|byte| *byte == b'/')?;
    let (runnable, threads) = (number(&counts[..slash])?, number(&counts[slash + 1..])?);
    Some(LoadAverage {
        one,
        five,
        fifteen,
        runnable,
        threads,
        last_pid: fields.number()?,
    })
}

/// The open `/proc/loadavg`.
#[derive(Debug)]
pub struct LoadAverageFile {
    file: KeptFile,
    load: LoadAverage,
}

impl LoadAverageFile {
    /// Opens the file.
    ///
    /// # Errors
    /// When it is absent or refused.
    pub fn open(root: &SystemRoot) -> Result<Self, ReadError> {
        let file = KeptFile::open(root.proc("loadavg"), Extent::OneRecord, crate::root::MOUNT_PROC)?;
        Ok(Self {
            file,
            load: LoadAverage::default(),
        })
    }

    /// The present values.
    ///
    /// # Errors
    /// When the file cannot be read or parsed.
    pub fn read(&mut self) -> Result<LoadAverage, ReadError> {
        self.file.read_with(|bytes| parse(bytes, &mut self.load))?;
        Ok(self.load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_six_numbers_are_read() {
        let mut load = LoadAverage::default();
        parse(b"0.12 10.09 100.03 1/86 4155\n", &mut load).unwrap();
        let expected = LoadAverage {
            one: 0.12,
            five: 10.09,
            fifteen: 100.03,
            runnable: 1,
            threads: 86,
            last_pid: 4155,
        };
        assert_eq!(load, expected);
    }

    #[test]
    fn a_shorter_or_malformed_line_is_refused() {
        for wrong in [
            "",
            "1 2 3",
            "1 2 3 4 5",
            "1 2 3 4/x 5",
            "a 2 3 4/5 6",
            "1 2 3 4/5",
        ] {
            assert!(
                parse(wrong.as_bytes(), &mut LoadAverage::default()).is_err(),
                "{wrong}"
            );
        }
    }
}
