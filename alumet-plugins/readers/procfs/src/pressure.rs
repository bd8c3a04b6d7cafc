//! `/proc/pressure/*` (PSI): the share of time in which threads were held up for lack of a resource.
//!
//! Format: `Documentation/accounting/psi.rst`.

use alumet_reader_kernel_file::Extent;
pub use alumet_reader_kernel_file::pressure::{Pressure, parse};

use crate::{SystemRoot, Table};

/// What the kernel watches: time on a CPU, memory, input and output, and, since Linux 6.1 with
/// `CONFIG_IRQ_TIME_ACCOUNTING`, interrupt handling. The names are those of the files.
pub const RESOURCES: [&str; 4] = ["cpu", "memory", "io", "irq"];

/// The pressure file of one of the [`RESOURCES`]; not supported where the kernel is too old, was built without PSI or has it
/// switched off.
pub fn table(root: &SystemRoot, resource: &str) -> Table<Pressure> {
    let mend = match resource {
        "irq" => "needs Linux 6.1 with CONFIG_PSI and CONFIG_IRQ_TIME_ACCOUNTING",
        _ => "needs Linux 4.20 with CONFIG_PSI; boot with `psi=1` if it is off by default",
    };
    let path = root.proc("pressure").join(resource);
    Table::new(path, Extent::OneRecord, mend, Pressure::default(), parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadError;

    #[test]
    fn an_absent_file_says_how_to_switch_it_on() {
        let folder = tempfile::tempdir().unwrap();
        let error = table(&SystemRoot::at(folder.path()), "io").read().unwrap_err();
        assert!(matches!(error, ReadError::NotSupported { .. }));
        assert!(error.to_string().contains("psi=1"), "{error}");
    }
}
