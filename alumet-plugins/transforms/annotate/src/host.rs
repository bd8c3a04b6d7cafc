//! Facts about the host, each in a file.

use std::io;
use std::path::Path;

use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::cpuinfo::CpuInfo;

use crate::config::HostFact;

impl HostFact {
    /// The name of the attribute, and the file that says it.
    pub(crate) const fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Hostname => ("hostname", "proc/sys/kernel/hostname"),
            Self::Kernel => ("kernel", "proc/sys/kernel/osrelease"),
            Self::CpuModel => ("cpu_model", "proc/cpuinfo"),
            Self::MachineId => ("machine_id", "etc/machine-id"),
        }
    }

    /// What it is on the machine below `root`; `None` if the file does not say.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(self, root: &Path) -> io::Result<Option<String>> {
        if self == Self::CpuModel {
            return Ok(CpuInfo::read(&SystemRoot::at(root))?.model_name);
        }
        let bytes = std::fs::read(root.join(self.row().1))?;
        let text = String::from_utf8_lossy(&bytes);
        let said = text.lines().next().unwrap_or_default().trim();
        Ok((!said.is_empty()).then(|| said.to_owned()))
    }
}
