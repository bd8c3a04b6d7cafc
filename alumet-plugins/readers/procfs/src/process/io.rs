//! `/proc/PID/io`: what a process read and wrote.
//!
//! Format: `Documentation/filesystems/proc.rst`, "/proc/PID/io".

use super::Processes;
use super::status::field;
use crate::{ParseError, ReadError};
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::Fields;

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
/// When `read_bytes` or `write_bytes` is missing or no count; `out` is then unchanged.
pub fn parse(bytes: &[u8], out: &mut ProcessIo) -> Result<(), ParseError> {
    let count = |name| {
        let number = field(bytes, name).and_then(|text| Fields::of(text).number());
        number.ok_or(ParseError::whole(
            "lines `read_bytes` and `write_bytes` with counts are expected",
        ))
    };
    *out = ProcessIo {
        read_bytes: count("read_bytes")?,
        written_bytes: count("write_bytes")?,
    };
    Ok(())
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
    fn a_negative_count_of_cancelled_bytes_takes_nothing_else_away() {
        let text = "rchar: 1\nwchar: -2\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: -1024\n";
        let mut io = ProcessIo::default();
        parse(text.as_bytes(), &mut io).unwrap();
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
            assert!(
                parse(wrong.as_bytes(), &mut ProcessIo::default()).is_err(),
                "{wrong}"
            );
        }
    }
}
