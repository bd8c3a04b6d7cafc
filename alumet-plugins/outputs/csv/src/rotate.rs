//! The names that files get when they make room for a new one, and the moment when they do.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alumet_core::Timestamp;

use crate::metadata;

/// How long `20261120T072436Z` is.
const TIME_LEN: usize = 16;

/// The names of the files beside `<folder>/<stem>.<extension>`.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    folder: PathBuf,
    stem: OsString,
    /// With its dot; empty without one.
    extension: OsString,
}

/// A rotated file: `<stem>.<time>.<extension>`, with `-1`, `-2`, … after the time when the name was taken, and with
/// `.zst` at the end once it is compressed. Sorts by age, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rotated {
    time: String,
    counter: u32,
    pub(crate) compressed: bool,
}

impl Rotated {
    /// The compressed form of this file.
    pub(crate) fn compressed(&self) -> Self {
        Self {
            compressed: true,
            ..self.clone()
        }
    }
}

impl Names {
    /// The names beside the file at `path`, which is no link.
    pub(crate) fn beside(path: &Path) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut extension = OsString::new();
        if let Some(end) = path.extension() {
            extension.push(".");
            extension.push(end);
        }
        Self {
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            stem: path.file_stem().unwrap_or_default().to_owned(),
            extension,
        }
    }

    /// Where all these files are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a rotated file.
    pub(crate) fn path(&self, rotated: &Rotated) -> PathBuf {
        let counter = match rotated.counter {
            0 => String::new(),
            counter => format!("-{counter}"),
        };
        let mut name = self.stem.clone();
        name.push(format!(".{}{counter}", rotated.time));
        name.push(&self.extension);
        name.push(if rotated.compressed { ".zst" } else { "" });
        self.folder.join(name)
    }

    /// The path at which a rotated file is compressed before it gets its own.
    pub(crate) fn temporary(&self, rotated: &Rotated) -> PathBuf {
        let plain = self.uncompressed(rotated);
        let mut name = OsString::from(".");
        name.push(plain.file_name().unwrap_or_default());
        name.push(".zst.tmp");
        self.folder.join(name)
    }

    /// The path of what describes a rotated file, compressed or not.
    pub(crate) fn metadata(&self, rotated: &Rotated) -> PathBuf {
        metadata::beside(&self.uncompressed(rotated))
    }

    fn uncompressed(&self, rotated: &Rotated) -> PathBuf {
        self.path(&Rotated {
            compressed: false,
            ..rotated.clone()
        })
    }

    /// All rotated files there are, oldest first.
    pub(crate) fn list(&self) -> io::Result<Vec<Rotated>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            files.extend(self.parse(&entry?.file_name()));
        }
        files.sort();
        Ok(files)
    }

    /// The file itself and whatever stands beside it under its name: rotated, set aside, moved by somebody else.
    pub(crate) fn siblings(&self) -> io::Result<Vec<PathBuf>> {
        let own = self.own_path();
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().as_bytes();
            let rest = name.strip_prefix(self.stem.as_bytes());
            if path == own || rest.is_some_and(|rest| rest.starts_with(b".")) {
                files.push(path);
            }
        }
        Ok(files)
    }

    fn parse(&self, name: &OsStr) -> Option<Rotated> {
        let middle = name
            .as_bytes()
            .strip_prefix(self.stem.as_bytes())?
            .strip_prefix(b".")?;
        let plain = middle.strip_suffix(b".zst");
        let compressed = plain.is_some();
        let middle = plain.unwrap_or(middle).strip_suffix(self.extension.as_bytes())?;
        let (time, counter) = str::from_utf8(middle).ok()?.split_at_checked(TIME_LEN)?;
        let form = time.bytes().enumerate().all(|(index, byte)| match index {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
        let counter = match counter.strip_prefix('-') {
            Some(counter) => counter.parse().ok().filter(|counter| *counter > 0)?,
            None if counter.is_empty() => 0,
            None => return None,
        };
        form.then(|| Rotated {
            time: time.to_owned(),
            counter,
            compressed,
        })
    }

    /// Renames the file itself to the name of a rotated one of that time. Never overwrites.
    pub(crate) fn rotate(&self, now: Timestamp) -> io::Result<Rotated> {
        self.take(&self.own_path(), now)
    }

    /// Renames the file itself to a name that no rotation ever touches: `<stem>.foreign.<time>.<extension>`. Never
    /// overwrites.
    pub(crate) fn set_aside(&self, now: Timestamp) -> io::Result<PathBuf> {
        let mut names = self.clone();
        names.stem.push(".foreign");
        let renamed = names.take(&self.own_path(), now)?;
        Ok(names.path(&renamed))
    }

    /// The path of the file itself.
    pub(crate) fn own_path(&self) -> PathBuf {
        let mut name = self.stem.clone();
        name.push(&self.extension);
        self.folder.join(name)
    }

    /// Gives the file at `path` the next of these names.
    ///
    /// It sorts after all others, also when the clock was set back: then it has the time of the newest.
    fn take(&self, path: &Path, now: Timestamp) -> io::Result<Rotated> {
        let now = compact(now);
        // A folder that cannot be read has no newest file, and names that are taken are found one by one.
        let newest = self.list().unwrap_or_default().pop();
        let newest = newest.filter(|newest| newest.time >= now);
        let (time, first) = newest.map_or((now, 0), |newest| (newest.time, newest.counter.saturating_add(1)));
        for counter in first..=u32::MAX {
            let plain = Rotated {
                time: time.clone(),
                counter,
                compressed: false,
            };
            let candidate = self.path(&plain);
            if !is_taken(&candidate) && !is_taken(&self.path(&plain.compressed())) {
                fs::rename(path, &candidate)?;
                return Ok(plain);
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// `20261120T072436Z`.
fn compact(now: Timestamp) -> String {
    let text = now.to_rfc3339();
    let digits = text[..19].iter().filter(|byte| !matches!(byte, b'-' | b':'));
    digits.chain(b"Z").map(|byte| char::from(*byte)).collect()
}

fn is_taken(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The number of the interval since 1970 that `now` is in.
pub(crate) fn period(now: Timestamp, interval: Duration) -> i128 {
    i128::from(now.as_nanos()).div_euclid(i128::try_from(interval.as_nanos()).unwrap_or(i128::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1_795_159_476_123_456_789);

    #[test]
    fn the_name_of_a_rotated_file_has_its_time_and_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["out.csv", "out", "a.b.csv", "ünder.csv"] {
            let path = folder.path().join(name);
            let names = Names::beside(&path);
            for counter in 0..3 {
                fs::write(&path, name).unwrap();
                let rotated = names.path(&names.rotate(NOW).unwrap());
                assert!(
                    rotated.to_str().unwrap().contains(".20261120T072436Z"),
                    "{rotated:?}"
                );
                let listed = names.list().unwrap();
                assert_eq!(listed.len(), counter + 1);
                assert_eq!(names.path(&listed[counter]), rotated);
            }
        }
    }

    #[test]
    fn a_rotation_keeps_clear_of_compressed_files_of_the_same_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        fs::write(folder.path().join("out.20261120T072436Z.csv.zst"), "old").unwrap();
        fs::write(&path, "new").unwrap();
        let names = Names::beside(&path);
        let rotated = names.path(&names.rotate(NOW).unwrap());
        assert_eq!(rotated, folder.path().join("out.20261120T072436Z-1.csv"));
    }

    #[test]
    fn a_file_that_is_rotated_after_the_clock_was_set_back_is_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let names = Names::beside(&path);
        for seconds in [0, -3600, -3600, 1] {
            fs::write(&path, "").unwrap();
            let now = Timestamp::from_nanos(NOW.as_nanos() + seconds * 1_000_000_000);
            let rotated = names.rotate(now).unwrap();
            assert_eq!(names.list().unwrap().pop(), Some(rotated));
        }
    }

    #[test]
    fn only_names_of_the_exact_form_count_as_rotated() {
        let names = Names::beside(Path::new("out.csv"));
        for name in [
            "out.csv",
            "out.2026.csv",
            "out.20261120T072436Z.txt",
            "other.20261120T072436Z.csv",
            "out.foreign.20261120T072436Z.csv",
            "out.20261120T072436Z-0.csv",
            "out.20261120T072436Zx.csv",
            "out.20261120X072436Z.csv",
            "out.20261120T072436Z.csv.zst.tmp",
            "out.20261120T072436Z.csv.meta.json",
        ] {
            assert_eq!(names.parse(OsStr::new(name)), None, "{name}");
        }
        assert!(
            names
                .parse(OsStr::new("out.20261120T072436Z-12.csv.zst"))
                .is_some()
        );
    }

    #[test]
    fn rotated_files_sort_by_age() {
        let names = Names::beside(Path::new("out.csv"));
        let mut files: Vec<_> = [
            "20261120T072436Z-10",
            "20261120T072436Z-2",
            "20261120T072437Z",
            "20261120T072436Z",
        ]
        .iter()
        .map(|middle| names.parse(OsStr::new(&format!("out.{middle}.csv"))).unwrap())
        .collect();
        files.sort();
        let order: Vec<_> = files
            .iter()
            .map(|file| (file.time.as_str(), file.counter))
            .collect();
        assert_eq!(
            order,
            [
                ("20261120T072436Z", 0),
                ("20261120T072436Z", 2),
                ("20261120T072436Z", 10),
                ("20261120T072437Z", 0)
            ]
        );
    }

    #[test]
    fn periods_start_at_multiples_of_the_interval() {
        let day = Duration::from_secs(86_400);
        let midnight = 20_000 * 86_400_000_000_000;
        assert_eq!(period(Timestamp::from_nanos(midnight), day), 20_000);
        assert_eq!(period(Timestamp::from_nanos(midnight - 1), day), 19_999);
        assert_eq!(period(Timestamp::from_nanos(-1), day), -1);
        assert_eq!(period(NOW, Duration::MAX), 0);
    }
}
