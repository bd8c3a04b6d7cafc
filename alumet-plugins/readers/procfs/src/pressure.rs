//! `/proc/pressure/*` (PSI): the share of time in which threads were held up for lack of a resource.
//!
//! Format: `Documentation/accounting/psi.rst`. The `*.pressure` files of control groups have the same one.

use crate::fields::{Fields, lines, number};
use crate::fill::Extent;
use crate::kept_file::KeptFile;
use crate::{ParseError, ReadError, SystemRoot};

/// A resource that the kernel watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PressureOf {
    /// Time on a CPU.
    Cpu,
    /// Memory.
    Memory,
    /// Input and output.
    Io,
    /// Interrupt handling, since Linux 6.1 with `CONFIG_IRQ_TIME_ACCOUNTING`.
    Irq,
}

impl PressureOf {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Cpu, Self::Memory, Self::Io, Self::Irq];

    /// The name of the file below `/proc/pressure`.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Io => "io",
            Self::Irq => "irq",
        }
    }
}

/// One reading of a pressure file. A line that the kernel does not print is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// At least one thread was held up.
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
    /// Microseconds since boot.
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
        let place = match fields.word() {
            Some(b"some") => &mut out.some,
            Some(b"full") => &mut out.full,
            _ => continue,
        };
        let stall = stall(&mut fields).ok_or(ParseError::at(
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

fn stall(fields: &mut Fields<'_>) -> Option<Stall> {
    let average =
        |fields: &mut Fields<'_>, key: &[u8]| Fields::of(fields.word()?.strip_prefix(key)?).fraction();
    Some(Stall {
        avg10: average(fields, b"avg10=")?,
        avg60: average(fields, b"avg60=")?,
        avg300: average(fields, b"avg300=")?,
        total_us: number(fields.word()?.strip_prefix(b"total=")?)?,
    })
}

/// One open pressure file.
#[derive(Debug)]
pub struct PressureFile {
    file: KeptFile,
    pressure: Pressure,
}

impl PressureFile {
    /// Opens the file and reads it once, because a kernel that has PSI switched off only says so then.
    ///
    /// # Errors
    /// `NotSupported` when the kernel is too old, was built without PSI or has it switched off.
    pub fn open(root: &SystemRoot, of: PressureOf) -> Result<Self, ReadError> {
        let mend = match of {
            PressureOf::Irq => "needs Linux 6.1 with CONFIG_PSI and CONFIG_IRQ_TIME_ACCOUNTING",
            _ => "needs Linux 4.20 with CONFIG_PSI; boot with `psi=1` if it is off by default",
        };
        let path = root.proc("pressure").join(of.file_name());
        let mut opened = Self {
            file: KeptFile::open(path, Extent::OneRecord, mend)?,
            pressure: Pressure::default(),
        };
        opened.read()?;
        Ok(opened)
    }

    /// The present values.
    ///
    /// # Errors
    /// When the file cannot be read or parsed.
    pub fn read(&mut self) -> Result<Pressure, ReadError> {
        self.file.read_with(|bytes| parse(bytes, &mut self.pressure))?;
        Ok(self.pressure)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_kernel_that_only_prints_some_has_no_full() {
        let mut pressure = Pressure {
            full: Some(Stall::default()),
            ..Pressure::default()
        };
        parse(
            b"some avg10=1.91 avg60=0.86 avg300=100.00 total=3857169\n",
            &mut pressure,
        )
        .unwrap();
        let some = Stall {
            avg10: 1.91,
            avg60: 0.86,
            avg300: 100.0,
            total_us: 3_857_169,
        };
        assert_eq!(
            pressure,
            Pressure {
                some: Some(some),
                full: None
            }
        );
    }

    #[test]
    fn a_missing_or_misplaced_value_is_refused() {
        for wrong in [
            "",
            "none\n",
            "some avg10=1.91 avg60=0.86 avg300=100.00\n",
            "some avg60=1.91 avg10=0.86 avg300=100.00 total=1\n",
            "some avg10=x avg60=0.86 avg300=100.00 total=1\n",
        ] {
            assert!(
                parse(wrong.as_bytes(), &mut Pressure::default()).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn an_absent_file_says_how_to_switch_it_on() {
        let folder = tempfile::tempdir().unwrap();
        let error = PressureFile::open(&SystemRoot::at(folder.path()), PressureOf::Io).unwrap_err();
        assert!(matches!(error, ReadError::NotSupported { .. }));
        assert!(error.to_string().contains("psi=1"), "{error}");
    }

    proptest! {
        #[test]
        fn a_printed_pressure_is_read_back(centi in [0_u32..10_001, 0..10_001, 0..10_001], total: u64) {
            let [ten, sixty, three_hundred] = centi.map(|value| f64::from(value) / 100.0);
            let line = format!("avg10={ten:.2} avg60={sixty:.2} avg300={three_hundred:.2} total={total}");
            let stall = Stall { avg10: ten, avg60: sixty, avg300: three_hundred, total_us: total };
            let mut pressure = Pressure::default();
            parse(format!("some {line}\nfull {line}\n").as_bytes(), &mut pressure).unwrap();
            prop_assert_eq!(pressure, Pressure { some: Some(stall), full: Some(stall) });
        }
    }
}
