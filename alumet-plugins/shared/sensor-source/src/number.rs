//! A file with one number.

use std::path::{Path, PathBuf};

use alumet_reader_kernel_file::{Extent, KeptFile, ParseError, ReadError};

/// What devices show that do not answer: all bits set, or all but the sign.
const SENTINELS: [f64; 2] = [4_294_967_295.0, 2_147_483_647.0];

/// A file with one number, kept open.
#[derive(Debug)]
pub struct NumberFile {
    path: PathBuf,
    file: KeptFile,
}

impl NumberFile {
    /// The file with this path, opened by its first reading.
    pub fn new(path: PathBuf) -> Self {
        let mend = "the sensor was removed; the sensors are listed anew";
        Self {
            file: KeptFile::new(path.clone(), Extent::OneRecord, mend),
            path,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `parse` makes of its content.
    ///
    /// # Errors
    /// When the device does not answer, is asleep or removed, or `parse` makes nothing of it.
    pub fn read<T: Copy>(&mut self, parse: impl Fn(&[u8]) -> Option<T>) -> Result<T, ReadError> {
        let expected = ParseError::at(1, "a number is expected");
        let mut value = None;
        self.file.read_with(|bytes| {
            value = parse(bytes);
            value.map(|_| None).ok_or(expected)
        })?;
        value.ok_or_else(|| expected.in_file(&*self.path))
    }
}

/// A number as drivers print it, which may be negative; NaN for what a device shows that does not answer.
pub fn number(bytes: &[u8]) -> Option<f64> {
    let value: f64 = str::from_utf8(bytes.trim_ascii()).ok()?.parse().ok()?;
    Some(match SENTINELS.contains(&value) {
        true => f64::NAN,
        false => value,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_device_shows_that_does_not_answer_is_no_number() {
        assert_eq!(number(b"-12\n"), Some(-12.0));
        assert_eq!(number(b"N/A\n"), None);
        for sentinel in [u64::from(u32::MAX), 0x7fff_ffff] {
            assert!(number(sentinel.to_string().as_bytes()).is_some_and(f64::is_nan));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>, text in "-?[0-9ainf.e]{0,24}\n?") {
            let _ = (number(&bytes), number(text.as_bytes()));
        }
    }
}
