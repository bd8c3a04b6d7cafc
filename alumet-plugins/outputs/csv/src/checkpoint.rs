//! Where the output stands, as the spool keeps it: places in files. The last says how far it has got, those before it what
//! it still waits for.

use std::ffi::OsStr;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use alumet_core::Timestamp;

use crate::format::{Dialect, Format};

/// A place in a file, after which there are lines that the spool may give once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Device and inode of the file.
    pub(crate) file: (u64, u64),
    /// How many bytes are before it.
    pub(crate) len: u64,
    /// Where these lines end; `None` where the output goes on: everything before it is on disk.
    pub(crate) end: Option<u64>,
    /// What [`Self::ending`] gives of these.
    pub(crate) ending: u64,
    /// A file that holds what was written later is not older.
    pub(crate) later: Timestamp,
    /// How lines are written there.
    pub(crate) format: Format,
    /// Where the file was.
    pub(crate) path: PathBuf,
}

impl Place {
    /// A hash of the last line before the place, or of its end: it tells whether the file was emptied and written anew.
    ///
    /// # Errors
    /// When the file cannot be read, or has fewer bytes.
    pub(crate) fn ending(file: &File, len: u64) -> io::Result<u64> {
        // Lines have a timestamp.
        let mut bytes = [0; 256];
        let count = bytes.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        let bytes = &mut bytes[..count];
        file.read_exact_at(bytes, len - count as u64)?;
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Ok(hasher.finish())
    }

    /// Whether what is before the place is still in the file.
    pub(crate) fn is_in(&self, file: &File) -> bool {
        Self::ending(file, self.len).is_ok_and(|ending| ending == self.ending)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.splitn(10, |byte| *byte == b':');
        let mut next = || str::from_utf8(parts.next()?).ok();
        let file = (next()?.parse().ok()?, next()?.parse().ok()?);
        let (len, ending) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let end = match next()? {
            "" => None,
            end => Some(end.parse().ok()?),
        };
        let later = Timestamp::from_nanos(next()?.parse().ok()?);
        let (delimiter, late_delimiter) = (next()?, next()?);
        let mut switches = next()?.chars().map(|switch| switch == '1');
        let format = Format {
            delimiter: delimiter.parse().ok()?,
            late_delimiter: late_delimiter.parse().ok()?,
            unit_in_name: switches.next()?,
            unit_symbol: switches.next()?,
            spreadsheet_safe: switches.next()?,
            // Versions that knew no dialects have noted none.
            dialect: match switches.next() {
                Some(true) => Dialect::Plain,
                _ => Dialect::Original,
            },
        };
        Some(Self {
            file,
            len,
            end,
            ending,
            later,
            format,
            path: OsStr::from_bytes(parts.next()?).into(),
        })
    }
}

/// The places as the spool keeps them, separated by the one byte that no path has.
pub(crate) fn to_bytes(places: &[Place]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for place in places {
        if !bytes.is_empty() {
            bytes.push(0);
        }
        let ((device, inode), format) = (place.file, &place.format);
        let (len, ending, later) = (place.len, place.ending, place.later.as_nanos());
        let end = place.end.map(|end| end.to_string()).unwrap_or_default();
        let (delimiter, late_delimiter) = (format.delimiter, format.late_delimiter);
        let switches = [
            format.unit_in_name,
            format.unit_symbol,
            format.spreadsheet_safe,
            format.dialect == Dialect::Plain,
        ];
        let [unit, symbol, safe, plain] = switches.map(u8::from);
        let text = format!(
            "{device}:{inode}:{len}:{ending}:{end}:{later}:{delimiter}:{late_delimiter}:{unit}{symbol}{safe}{plain}:"
        );
        bytes.extend(text.bytes());
        bytes.extend(place.path.as_os_str().as_bytes());
    }
    bytes
}

/// `None` for what this version did not write.
pub(crate) fn parse(bytes: &[u8]) -> Option<Vec<Place>> {
    bytes.split(|byte| *byte == 0).map(Place::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn places_survive_their_bytes_and_nothing_else_is_one() {
        let place = Place {
            file: (1, u64::MAX),
            len: 0,
            end: None,
            ending: 7,
            later: Timestamp::from_nanos(-5),
            format: Format {
                dialect: Dialect::Plain,
                delimiter: b':',
                late_delimiter: b'\t',
                unit_in_name: true,
                unit_symbol: false,
                spreadsheet_safe: true,
            },
            path: OsStr::from_bytes(b"/a:\xff\n;/out.csv").into(),
        };
        let other = Place {
            len: u64::MAX,
            end: Some(3),
            format: Config::default().format(),
            path: "out.csv".into(),
            ..place.clone()
        };
        for places in [vec![place.clone()], vec![place.clone(), other]] {
            assert_eq!(parse(&to_bytes(&places)), Some(places));
        }
        let old = parse(b"1:2:3:4::5:59:44:110:/out.csv").unwrap();
        let format = Format {
            dialect: Dialect::Original,
            spreadsheet_safe: false,
            ..Config::default().format()
        };
        assert_eq!(old[0].format, format, "of a version without dialects");
        let whole = to_bytes(&[place]);
        for bytes in [
            &b""[..],
            b"1:2:3:4",
            b"1:2:x:4::5:6:7:111:/",
            b"\xff",
            &whole[..20],
        ] {
            assert_eq!(parse(bytes), None);
        }
    }
}
