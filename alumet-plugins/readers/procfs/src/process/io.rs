//! `/proc/PID/io`: what a process read and wrote.
//!
//! Format: `Documentation/filesystems/proc.rst`, "/proc/PID/io".

use super::Processes;
use crate::entry_list::{Amount, amount, split};
use crate::{ParseError, ReadError};
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::lines;

/// Input and output of a process since it started, that of ended threads and of children that it waited for included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessIo {
    /// Bytes that read calls returned, from wherever.
    pub read_chars: u64,
    /// Bytes that write calls took, to wherever.
    pub written_chars: u64,
    /// Read calls.
    pub read_calls: u64,
    /// Write calls.
    pub write_calls: u64,
    /// Bytes fetched from storage.
    pub read_bytes: u64,
    /// Bytes sent to storage.
    pub written_bytes: u64,
    /// Bytes of `written_bytes` that never reached storage, because the file was truncated first.
    pub cancelled_written_bytes: u64,
}

/// Parses `/proc/PID/io`.
///
/// # Errors
/// When `read_bytes` or `write_bytes` is missing or a number is malformed; `out` then holds a mixture.
pub fn parse(bytes: &[u8], out: &mut ProcessIo) -> Result<(), ParseError> {
    *out = ProcessIo::default();
    let mut seen = (false, false);
    for (number, line) in lines(bytes) {
        let Some((name, text)) = split(line) else {
            continue;
        };
        let place = match name {
            b"rchar" => &mut out.read_chars,
            b"wchar" => &mut out.written_chars,
            b"syscr" => &mut out.read_calls,
            b"syscw" => &mut out.write_calls,
            b"read_bytes" => {
                seen.0 = true;
                &mut out.read_bytes
            }
            b"write_bytes" => {
                seen.1 = true;
                &mut out.written_bytes
            }
            b"cancelled_write_bytes" => &mut out.cancelled_written_bytes,
            _ => continue,
        };
        match amount(text) {
            Some(Amount::Count(count)) => *place = count,
            _ => return Err(ParseError::at(number, "a count is expected")),
        }
    }
    match seen {
        (true, true) => Ok(()),
        _ => Err(ParseError::whole(
            "lines `read_bytes` and `write_bytes` are expected",
        )),
    }
}

impl Processes {
    /// Reads `/proc/PID/io`.
    ///
    /// # Errors
    /// `Gone` when the process has ended, `PermissionDenied` when it belongs to another user.
    pub fn io(&mut self, pid: u32) -> Result<ProcessIo, ReadError> {
        let mut io = ProcessIo::default();
        match self.read_with(pid, "io", Extent::OneRecord, |bytes| parse(bytes, &mut io)) {
            Ok(()) => Ok(io),
            Err(ReadError::Gone { .. }) if self.exists(pid) => Err(ReadError::NotSupported {
                path: self.path_of(pid, "io"),
                mend: "needs a kernel with CONFIG_TASK_IO_ACCOUNTING",
            }),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_counts_are_read() {
        let text = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n";
        let mut io = ProcessIo::default();
        parse(text.as_bytes(), &mut io).unwrap();
        let expected = ProcessIo {
            read_chars: 1,
            written_chars: 2,
            read_calls: 3,
            write_calls: 4,
            read_bytes: 5,
            written_bytes: 6,
            cancelled_written_bytes: 7,
        };
        assert_eq!(io, expected);
    }

    #[test]
    fn without_the_bytes_of_storage_it_is_refused() {
        for wrong in [
            "",
            "read_bytes: 5\n",
            "write_bytes: 6\n",
            "read_bytes: x\nwrite_bytes: 6\n",
        ] {
            assert!(
                parse(wrong.as_bytes(), &mut ProcessIo::default()).is_err(),
                "{wrong}"
            );
        }
    }
}
