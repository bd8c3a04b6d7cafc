//! The read itself: positioned reads into a buffer that is kept and grows when it is too small.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;

/// How the kernel hands out the content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All at once, as far as the buffer reaches: a read that leaves room has seen the end. Saves the system call
    /// that would only return zero.
    OneRecord,
    /// In pieces of about a page, whatever the size of the buffer: only a read of zero bytes is the end.
    ManyRecords,
}

/// The size that a buffer starts with. Most files of sysfs hold one number, and there can be hundreds of them; a larger
/// file costs some more reads, once.
const FIRST_SIZE: usize = 512;

/// No kernel file that is read here comes near this size; a wrong path (`/dev/zero`) would grow for ever.
const LARGEST_SIZE: usize = 64 << 20;

/// Reads a whole file from its start and says how many bytes of the buffer it fills.
///
/// When the buffer is too small the read goes on behind it: the kernel keeps what it has made for an open file, so that
/// both parts are of one moment.
///
/// # Errors
/// What the operating system says; `EFBIG` for more than 64 MiB.
pub fn fill(file: &File, buffer: &mut Vec<u8>, extent: Extent) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            if filled >= LARGEST_SIZE {
                return Err(Errno::EFBIG.into());
            }
            buffer.resize((buffer.len() * 2).max(FIRST_SIZE), 0);
        }
        let room = &mut buffer[filled..];
        let room_len = room.len();
        match file.read_at(room, filled as u64) {
            Ok(read) => {
                filled += read;
                if read == 0 || (extent == Extent::OneRecord && read < room_len) {
                    return Ok(filled);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_larger_than_the_buffer_is_read_whole() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..20_000_u32).map(|number| number as u8).collect();
        file.write_all(&content).unwrap();
        for extent in [Extent::OneRecord, Extent::ManyRecords] {
            let mut buffer = Vec::new();
            let filled = fill(&file, &mut buffer, extent).unwrap();
            assert_eq!(&buffer[..filled], &content);
        }
    }

    #[test]
    fn a_file_of_exactly_the_buffer_size_is_read_whole() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; FIRST_SIZE]).unwrap();
        let mut buffer = vec![0; FIRST_SIZE];
        assert_eq!(fill(&file, &mut buffer, Extent::OneRecord).unwrap(), FIRST_SIZE);
    }

    #[test]
    fn an_endless_file_is_an_error_and_not_all_the_memory() {
        let zero = File::open("/dev/zero").unwrap();
        let error = fill(&zero, &mut Vec::new(), Extent::ManyRecords).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::EFBIG as i32));
    }
}
