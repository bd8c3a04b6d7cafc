//! `/sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq`: the present clock frequency of each CPU.
//!
//! Format: `Documentation/admin-guide/pm/cpufreq.rst`. On some drivers a reading interrupts the CPU that it asks about
//! and can take up to 20 ms there: poll it seldom.

use std::fs;

use crate::{ParseError, Parsed, SystemRoot};
use alumet_reader_kernel_file::fields::number;
use alumet_reader_kernel_file::{Extent, KeptFile};

/// Parses `scaling_cur_freq` (kilohertz) into hertz.
///
/// # Errors
/// When it is not one number, such as the `<unknown>` of some drivers; `hertz` is then unchanged.
pub fn parse(bytes: &[u8], hertz: &mut u64) -> Parsed {
    *hertz = number(bytes.trim_ascii())
        .and_then(|kilohertz| kilohertz.checked_mul(1000))
        .ok_or(ParseError::at(1, "a frequency in kHz is expected"))?;
    Ok(None)
}

/// The open frequency files of all CPUs that have one.
#[derive(Debug)]
pub struct CpuFrequencyFiles {
    root: SystemRoot,
    files: Vec<(u32, KeptFile)>,
}

impl CpuFrequencyFiles {
    /// Lists the CPUs. That none has a frequency is normal on virtual machines: the list is then empty.
    pub fn discover(root: &SystemRoot) -> Self {
        let mut found = Self {
            root: root.clone(),
            files: Vec::new(),
        };
        found.rediscover();
        found
    }

    /// Lists the CPUs anew, after one was plugged in.
    pub fn rediscover(&mut self) {
        self.files.clear();
        let Ok(folder) = fs::read_dir(self.root.sys("devices/system/cpu")) else {
            return;
        };
        for entry in folder.flatten() {
            let name = entry.file_name();
            let Some(cpu) = name.as_encoded_bytes().strip_prefix(b"cpu").and_then(number) else {
                continue;
            };
            let path = entry.path().join("cpufreq/scaling_cur_freq");
            if let Ok(cpu) = u32::try_from(cpu)
                && path.exists()
            {
                self.files.push((
                    cpu,
                    KeptFile::closed(path, Extent::OneRecord, "load a cpufreq driver"),
                ));
            }
        }
        self.files.sort_unstable_by_key(|(cpu, _)| *cpu);
    }

    /// Whether no CPU of this machine shows a frequency.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The CPUs by rising number, with their present frequencies in hertz. A CPU whose file cannot be read, because it is
    /// offline or its driver does not know, is left out of this reading.
    pub fn read(&mut self) -> impl Iterator<Item = (u32, u64)> {
        self.files.iter_mut().filter_map(|(cpu, file)| {
            let mut hertz = 0;
            let read = file.read_with(|bytes| parse(bytes, &mut hertz));
            read.is_ok().then_some((*cpu, hertz))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilohertz_become_hertz() {
        let mut hertz = 0;
        parse(b"2400000\n", &mut hertz).unwrap();
        assert_eq!(hertz, 2_400_000_000);
    }

    #[test]
    fn a_driver_that_does_not_know_is_an_error() {
        for wrong in [&b"<unknown>\n"[..], b"", b"18446744073709551615"] {
            assert!(parse(wrong, &mut 0).is_err());
        }
    }
}
