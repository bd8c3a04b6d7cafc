//! `/proc/PID/status` and other files of lines such as `NSpid:\t4711\t2`, where single lines are looked up.
//!
//! Format: `Documentation/filesystems/proc.rst`, table 1-2. Kernels and sandboxes leave out lines, so nothing but the
//! line that is asked for has to be there.

use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::{Fields, lines};

use super::Processes;
use crate::ReadError;

/// The text behind `name:`, without the blanks around it.
pub fn field<'a>(file: &'a [u8], name: &str) -> Option<&'a [u8]> {
    lines(file).find_map(|(_, line)| {
        let text = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
        Some(text.trim_ascii())
    })
}

/// The first number behind `name:`.
pub fn number(file: &[u8], name: &str) -> Option<u64> {
    Fields::of(field(file, name)?).number()
}

/// The size behind `name:`, in bytes; the kernel writes KiB, with the unit `kB`.
pub fn size(file: &[u8], name: &str) -> Option<u64> {
    let kibibytes = field(file, name)?.strip_suffix(b" kB")?;
    Fields::of(kibibytes).number()?.checked_mul(1024)
}

/// The set of bits behind `name:`, which the kernel writes in hexadecimal digits.
pub fn bits(file: &[u8], name: &str) -> Option<u64> {
    u64::from_str_radix(str::from_utf8(field(file, name)?).ok()?, 16).ok()
}

impl Processes {
    /// The most memory of a process that was resident at one instant, in bytes; `None` for one without memory of its
    /// own: a kernel thread or one that has ended.
    ///
    /// # Errors
    /// `Gone` when the process has ended.
    pub fn peak_resident(&mut self, pid: u32) -> Result<Option<u64>, ReadError> {
        self.read_with(pid, "status", Extent::OneRecord, |bytes| Ok(size(bytes, "VmHWM")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_whole_name_and_needs_its_end() {
        let status = b"Name:\tNSpid:\nNSpid:\t4711\t2\nVmHWM:\t    2008 kB\nVmRSS:\t 7";
        assert_eq!(field(status, "NSpid"), Some(&b"4711\t2"[..]));
        assert_eq!(
            (number(status, "VmHWM"), size(status, "VmHWM")),
            (Some(2008), Some(2008 * 1024))
        );
        assert_eq!((field(status, "Vm"), field(status, "VmRSS")), (None, None));
        assert_eq!(
            (bits(b"CapEff:\t00000a\n", "CapEff"), bits(status, "VmHWM")),
            (Some(10), None)
        );
    }
}
