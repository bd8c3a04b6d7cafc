//! `/proc/cpuinfo`: what kind of CPUs there are.
//!
//! Format: `arch/x86/kernel/cpu/proc.c`. Other architectures show less of it, ARM for example no name of a model.

use std::io;

use alumet_reader_kernel_file::fields::number;

use crate::SystemRoot;

/// What the machine says of its CPUs, which are alike: the first one tells for all. What it does not say is 0 or empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuInfo {
    /// Who made them, such as `GenuineIntel`.
    pub vendor: String,
    /// The number of their family.
    pub family: u32,
    /// The number of their model in the family.
    pub model: u32,
    /// The name of their model.
    pub model_name: Option<String>,
    /// How many run.
    pub online: u32,
    /// How many packages (sockets) they are in.
    pub packages: u32,
    /// Whether a hypervisor shows them.
    pub are_virtual: bool,
}

impl CpuInfo {
    /// What the file below `root` says.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(root: &SystemRoot) -> io::Result<Self> {
        std::fs::read(root.proc("cpuinfo")).map(|bytes| Self::parse(&bytes))
    }

    /// What a text says, of which lines that are not understood are passed over.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut info = Self::default();
        let mut packages = Vec::new();
        let text = String::from_utf8_lossy(bytes);
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            let small = || number(value.as_bytes()).and_then(|number| number.try_into().ok());
            let is_first = info.online <= 1;
            match key.trim() {
                "processor" => info.online += 1,
                "vendor_id" if is_first => value.clone_into(&mut info.vendor),
                "cpu family" if is_first => info.family = small().unwrap_or(0),
                "model" if is_first => info.model = small().unwrap_or(0),
                "model name" if !value.is_empty() => {
                    info.model_name.get_or_insert_with(|| value.to_owned());
                }
                "physical id" if !packages.contains(&value) => packages.push(value),
                "flags" => info.are_virtual |= value.split(' ').any(|flag| flag == "hypervisor"),
                _ => {}
            }
        }
        info.packages = u32::try_from(packages.len()).unwrap_or(u32::MAX);
        info
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_cpu_tells_for_all_and_packages_are_counted() {
        let text = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Xeon: x\n\
                    physical id\t: 0\nflags\t\t: fpu vme\n\nprocessor\t: 1\nvendor_id\t: other\nmodel\t: 1\nphysical id\t: 0\n\n\
                    processor\t: 2\nphysical id\t: 1\n";
        let expected = CpuInfo {
            vendor: "GenuineIntel".to_owned(),
            family: 6,
            model: 85,
            model_name: Some("Xeon: x".to_owned()),
            online: 3,
            packages: 2,
            are_virtual: false,
        };
        assert_eq!(CpuInfo::parse(text.as_bytes()), expected);
        assert!(CpuInfo::parse(b"processor: 0\nflags\t: fpu hypervisor\n").are_virtual);
        // As on ARM.
        let text = b"processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        let expected = CpuInfo {
            online: 1,
            ..CpuInfo::default()
        };
        assert_eq!(CpuInfo::parse(text), expected);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(text in "([a-z_ ]{0,9}[:\n\t ]{0,3}){0,9}", raw: Vec<u8>) {
            CpuInfo::parse(text.as_bytes());
            CpuInfo::parse(&raw);
        }
    }
}
