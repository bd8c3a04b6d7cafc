//! `/sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq`: the present clock frequency of each CPU.
//!
//! Format: `Documentation/admin-guide/pm/cpufreq.rst`. On some drivers a reading interrupts the CPU that it asks about
//! and can take up to 20 ms there: poll it seldom.

use crate::root::numbered;
use crate::{ParseError, Parsed, ReadError, SystemRoot};
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
pub struct CpuFrequencyFiles(Vec<(u32, KeptFile)>);

impl CpuFrequencyFiles {
    /// Lists the CPUs. That none has a frequency is normal on virtual machines: the list is then empty.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn discover(root: &SystemRoot) -> Result<Self, ReadError> {
        let folder = root.sys("devices/system/cpu");
        let cpus = numbered(&folder, "cpu").map_err(|error| ReadError::Io { path: folder, error })?;
        let files = cpus
            .into_iter()
            .map(|(cpu, folder)| (cpu, folder.join("cpufreq/scaling_cur_freq")));
        let files = files.filter(|(_, path)| path.exists());
        let kept = |path| KeptFile::new(path, Extent::OneRecord, "load a cpufreq driver");
        Ok(Self(files.map(|(cpu, path)| (cpu, kept(path))).collect()))
    }

    /// Whether no CPU of this machine shows a frequency.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The CPUs by rising number, with their present frequencies in hertz. A CPU whose file cannot be read, because it is
    /// offline or its driver does not know, is left out of this reading.
    pub fn read(&mut self) -> impl Iterator<Item = (u32, u64)> {
        self.0.iter_mut().filter_map(|(cpu, file)| {
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
