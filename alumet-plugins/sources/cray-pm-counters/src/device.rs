//! `/sys/cray/pm_counters`: what the node controller of a Cray EX (or XC) measures of its node. Knows no type of Alumet.
//!
//! Format: HPE Cray System Management Documentation, "User Access to Compute Node Power Data". A file holds a number, its unit
//! and when it was measured: `1234567 J 1591394934123456 us`. `freshness` rises with each scan of all sensors, about ten times
//! per second.

use std::fs;
use std::path::Path;

use alumet_reader_kernel_file::ReadError;
use alumet_reader_kernel_file::fields::{Fields, number};
use alumet_shared_sensor_source::NumberFile;

/// How often all files are read for one scan at most.
const ATTEMPTS: u32 = 3;

/// All counters, with their files kept open.
#[derive(Debug)]
pub(crate) struct Counters {
    freshness: NumberFile,
    startup: NumberFile,
    pub(crate) files: Vec<CounterFile>,
    last: Option<u64>,
    last_startup: Option<u64>,
}

/// A file with what it showed at the last scan.
#[derive(Debug)]
pub(crate) struct CounterFile {
    pub(crate) quantity: Quantity,
    /// Such as `node`, `cpu`, `memory` or `accel0`.
    pub(crate) domain: String,
    file: NumberFile,
    pub(crate) value: Option<Result<u64, ReadError>>,
}

/// What a file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Joules.
    Energy,
    /// Watts.
    Power,
    /// Degrees Celsius.
    Temperature,
}

/// What there is to tell after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    /// Nothing was measured since the last one.
    Stale,
    /// There are new values.
    Fresh,
    /// There are new values, of a controller that was started anew.
    Restarted,
}

impl Counters {
    /// Those of the machine whose `sys` lies below `root`; none if it has no such controller.
    pub(crate) fn find(root: &Path) -> Option<Self> {
        let folder = root.join("sys/cray/pm_counters");
        let mut files: Vec<CounterFile> = fs::read_dir(&folder)
            .ok()?
            .flatten()
            .filter_map(|entry| {
                let (quantity, domain) = Quantity::of_file(entry.file_name().to_str()?)?;
                Some(CounterFile {
                    quantity,
                    domain,
                    file: NumberFile::new(entry.path()),
                    value: None,
                })
            })
            .collect();
        files.sort_by(|left, right| left.file.path().cmp(right.file.path()));
        (!files.is_empty()).then(|| Self {
            freshness: NumberFile::new(folder.join("freshness")),
            startup: NumberFile::new(folder.join("startup")),
            files,
            last: None,
            last_startup: None,
        })
    }

    /// Reads everything, and again if the controller measured anew meanwhile, so that all values are of one scan.
    ///
    /// # Errors
    /// When the controller does not say which scan it shows.
    pub(crate) fn read(&mut self) -> Result<Scan, ReadError> {
        let (freshness, files) = (&mut self.freshness, &mut self.files);
        let read_all = || {
            for counter in &mut *files {
                counter.value = Some(counter.file.read(parse));
            }
        };
        let Some(scan) = read_scan(self.last, || freshness.read(parse), read_all)? else {
            return Ok(Scan::Stale);
        };
        self.last = Some(scan);
        // Older controllers do not tell.
        let startup = self.startup.read(parse).ok();
        let before = std::mem::replace(&mut self.last_startup, startup);
        Ok(match before.is_some() && before != startup {
            true => Scan::Restarted,
            false => Scan::Fresh,
        })
    }

    /// What becomes of reading each file.
    pub(crate) fn try_all(&mut self) -> impl Iterator<Item = Result<(), ReadError>> {
        let files = self.files.iter_mut();
        files.map(|counter| counter.file.read(parse).map(drop))
    }
}

impl Quantity {
    /// What a file of this name tells, and of which domain.
    fn of_file(name: &str) -> Option<(Self, String)> {
        let (domain, quantity) = name.rsplit_once('_').unwrap_or(("node", name));
        let quantity = match quantity {
            "energy" => Self::Energy,
            "power" => Self::Power,
            "temp" => Self::Temperature,
            _ => return None,
        };
        Some((quantity, domain.to_owned()))
    }
}

/// Reads all values of a scan, and again if another one began meanwhile; gives its number, or none if it is the last one.
fn read_scan<E>(
    last: Option<u64>,
    mut freshness: impl FnMut() -> Result<u64, E>,
    mut read_all: impl FnMut(),
) -> Result<Option<u64>, E> {
    let mut scan = freshness()?;
    if last == Some(scan) {
        return Ok(None);
    }
    for _ in 0..ATTEMPTS {
        read_all();
        let after = freshness()?;
        if std::mem::replace(&mut scan, after) == after {
            break;
        }
    }
    Ok(Some(scan))
}

/// The number that comes first.
fn parse(bytes: &[u8]) -> Option<u64> {
    number(Fields::of(bytes.trim_ascii()).next()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_number_comes_first_and_without_one_there_is_none() {
        assert_eq!(parse(b"1234567 J 1591394934123456 us\n"), Some(1_234_567));
        assert_eq!(parse(b"42\n"), Some(42));
        for wrong in ["", "J", "-1 J", "12J"] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn values_are_read_until_they_are_of_one_scan_but_not_for_ever() {
        let readings = |last: Option<u64>, numbers: &[u64]| {
            let (mut numbers, mut readings) = (numbers.iter().copied(), 0);
            let scan = read_scan(last, || numbers.next().ok_or("no more"), || readings += 1);
            (scan, readings)
        };
        assert_eq!(readings(Some(6), &[7, 7]), (Ok(Some(7)), 1));
        assert_eq!(readings(None, &[7, 8, 8]), (Ok(Some(8)), 2));
        assert_eq!(readings(None, &[7, 8, 9, 10]), (Ok(Some(10)), 3));
        assert_eq!(readings(Some(7), &[7]), (Ok(None), 0));
    }

    #[test]
    fn limits_and_settings_are_no_measurements() {
        for name in [
            "power_cap",
            "accel0_power_cap",
            "raw_scan_hz",
            "version",
            "generation",
        ] {
            assert_eq!(Quantity::of_file(name), None, "{name}");
        }
        assert_eq!(
            Quantity::of_file("accel3_power"),
            Some((Quantity::Power, "accel3".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
