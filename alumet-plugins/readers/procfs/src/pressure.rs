//! `/proc/pressure/*` (PSI): the share of time in which threads were held up for lack of a resource.
//!
//! Format: `Documentation/accounting/psi.rst`.

use alumet_reader_kernel_file::Extent;
pub use alumet_reader_kernel_file::pressure::{Pressure, parse};

use crate::{ReadError, SystemRoot, Table};

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

/// Opens a pressure file and reads it once, because a kernel that has PSI switched off only says so then.
///
/// # Errors
/// `NotSupported` when the kernel is too old, was built without PSI or has it switched off.
pub fn open(root: &SystemRoot, of: PressureOf) -> Result<Table<Pressure>, ReadError> {
    let mend = match of {
        PressureOf::Irq => "needs Linux 6.1 with CONFIG_PSI and CONFIG_IRQ_TIME_ACCOUNTING",
        _ => "needs Linux 4.20 with CONFIG_PSI; boot with `psi=1` if it is off by default",
    };
    let path = root.proc("pressure").join(of.file_name());
    let mut opened = Table::open(path, Extent::OneRecord, mend, Pressure::default(), parse)?;
    opened.read()?;
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_file_says_how_to_switch_it_on() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(&SystemRoot::at(folder.path()), PressureOf::Io).unwrap_err();
        assert!(matches!(error, ReadError::NotSupported { .. }));
        assert!(error.to_string().contains("psi=1"), "{error}");
    }
}
