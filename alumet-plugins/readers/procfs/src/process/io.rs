//! `/proc/PID/io`: what a process read and wrote.
//!
//! Format: `Documentation/filesystems/proc.rst`, "/proc/PID/io".

use super::Processes;
use super::status::number;
use crate::{ParseError, ReadError};
use alumet_reader_kernel_file::Extent;

/// Input and output of a process since it started, that of ended threads and of children that it waited for included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessIo {
    /// Bytes fetched from storage.
    pub read_bytes: u64,
    /// Bytes sent to storage.
    pub written_bytes: u64,
}

/// Parses `/proc/PID/io`. The other lines are not looked at: `cancelled_write_bytes` can be negative.
///
/// # Errors
/// When `read_bytes` or `write_bytes` is missing or no count.
pub fn parse(bytes: &[u8]) -> Result<ProcessIo, ParseError> {
    let expected = "lines `read_bytes` and `write_bytes` with counts are expected";
    let count = |name| number(bytes, name).ok_or(ParseError::whole(expected));
    Ok(ProcessIo {
        read_bytes: count("read_bytes")?,
        written_bytes: count("write_bytes")?,
    })
}

impl Processes {
    /// Reads `/proc/PID/io`.
    ///
    /// # Errors
    /// `Gone` when the process has ended, `PermissionDenied` when it belongs to another user.
    pub fn io(&mut self, pid: u32) -> Result<ProcessIo, ReadError> {
        match self.read_with(pid, "io", Extent::OneRecord, parse) {
            Err(ReadError::Gone { .. }) if self.exists(pid) => Err(ReadError::NotSupported {
                path: self.path_of(pid, "io"),
                mend: "needs a kernel with CONFIG_TASK_IO_ACCOUNTING",
            }),
            read => read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_count_of_cancelled_bytes_takes_nothing_else_away() {
        let text = "rchar: 1\nwchar: -2\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: -1024\n";
        let io = parse(text.as_bytes()).unwrap();
        assert_eq!((io.read_bytes, io.written_bytes), (5, 6));
    }

    #[test]
    fn without_the_bytes_of_storage_it_is_refused() {
        for wrong in [
            "",
            "read_bytes: 5\n",
            "write_bytes: 6\n",
            "read_bytes: x\nwrite_bytes: 6\n",
        ] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
