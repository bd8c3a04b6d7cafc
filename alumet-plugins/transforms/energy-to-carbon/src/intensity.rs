//! What a kWh emits at an instant.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use alumet_core::time::{Moment, Monotonic};
use parking_lot::Mutex;

use crate::config::is_intensity;
use crate::model::value_at;

/// Where the carbon intensity comes from, in grams per kWh.
#[derive(Debug)]
pub(crate) enum Intensity {
    /// From the configuration.
    Constant(f64),
    /// From a file.
    File(IntensityFile),
    /// From a server.
    Server(Latest),
}

/// What a server said last, and when; nothing before its first answer. Clones are the same.
pub(crate) type Latest = Arc<Mutex<Option<(f64, Monotonic)>>>;

/// A file with values and the instants at which they begin. It is looked at once in a second at most.
#[derive(Debug)]
pub(crate) struct IntensityFile {
    path: PathBuf,
    /// In nanoseconds since 1970.
    points: Vec<(i64, f64)>,
    /// When it was changed last, and its size.
    seen: Option<(SystemTime, u64)>,
    look_at: Monotonic,
    /// What was told of it last.
    told: String,
}

/// A file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// A line has something else.
    #[error("{}, line {line}: an instant and grams per kWh are expected, such as `2026-01-01T00:00:00Z,56.2`", path.display())]
    Line { path: PathBuf, line: usize },
}

impl Intensity {
    /// Looks whether there is something new.
    pub(crate) fn refresh(&mut self, now: Monotonic) {
        if let Self::File(file) = self {
            file.refresh(now);
        }
    }

    /// Grams per kWh for a sample of this time (in nanoseconds since 1970) that is converted now; `None` if it is not known.
    pub(crate) fn at(&self, time: i64, now: Moment, hold: Duration) -> Option<f64> {
        match self {
            Self::Constant(intensity) => Some(*intensity),
            Self::File(file) => value_at(
                &file.points,
                time,
                i64::try_from(hold.as_nanos()).unwrap_or(i64::MAX),
            ),
            Self::Server(latest) => {
                let (value, at) = (*latest.lock())?;
                (now.monotonic.since(at) < hold).then_some(value)
            }
        }
    }
}

impl IntensityFile {
    const PAUSE: Duration = Duration::from_secs(1);

    pub(crate) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            points: Vec::new(),
            seen: None,
            look_at: Monotonic::from_nanos(0),
            told: String::new(),
        }
    }

    /// Reads the file if it has changed; what was known stays if it cannot be used, which is told once.
    fn refresh(&mut self, now: Monotonic) {
        if now < self.look_at {
            return;
        }
        self.look_at = now + Self::PAUSE;
        let told = match self.read() {
            Ok(()) => String::new(),
            Err(error) => alumet_core::Failure::from(error).to_string(),
        };
        if !told.is_empty() && told != self.told {
            tracing::warn!(error = told, "the carbon intensity stays as it was");
        }
        self.told = told;
    }

    /// Reads the file if it has changed, and says how many values there are.
    ///
    /// # Errors
    /// When it cannot be read, or a line is not understood; then nothing changes.
    pub(crate) fn read(&mut self) -> Result<(), FileError> {
        let refused = |source| FileError::Read {
            path: self.path.clone(),
            source,
        };
        let metadata = std::fs::metadata(&self.path).map_err(refused)?;
        let seen = Some((metadata.modified().map_err(refused)?, metadata.len()));
        if seen == self.seen && self.told.is_empty() {
            return Ok(());
        }
        let bytes = std::fs::read(&self.path).map_err(refused)?;
        self.points = parse(&bytes).map_err(|line| FileError::Line {
            path: self.path.clone(),
            line,
        })?;
        self.seen = seen;
        Ok(())
    }

    /// How many values there are.
    pub(crate) const fn len(&self) -> usize {
        self.points.len()
    }
}

/// The values of a file in the order of their instants; the number of the first line that has something else.
fn parse(bytes: &[u8]) -> Result<Vec<(i64, f64)>, usize> {
    let text = String::from_utf8_lossy(bytes);
    let mut points = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match point(line) {
            Some(point) => points.push(point),
            // The names of the columns.
            None if index == 0 => {}
            None => return Err(index + 1),
        }
    }
    points.sort_by_key(|(begin, _)| *begin);
    Ok(points)
}

fn point(line: &str) -> Option<(i64, f64)> {
    let (instant, grams) = line.split_once([',', ';'])?;
    let instant = instant.trim();
    let begin = match instant.parse::<i64>() {
        Ok(seconds) => seconds.checked_mul(1_000_000_000)?,
        Err(_) => i64::try_from(instant.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()?,
    };
    let grams = grams.trim().parse().ok().filter(|grams| is_intensity(*grams))?;
    Some((begin, grams))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_instants_with_grams_in_any_order() {
        let text = "instant,gCO2/kWh\n# a remark\n1767225600, 50\r\n\n2026-01-01T02:00:00+01:00;60.5\n2025-12-31T23:00:00Z,0\n";
        let hour = 3_600_000_000_000;
        let start = 1_767_225_600_000_000_000;
        let expected = vec![(start - hour, 0.0), (start, 50.0), (start + hour, 60.5)];
        assert_eq!(parse(text.as_bytes()), Ok(expected));
    }

    #[test]
    fn a_line_with_something_else_is_named() {
        for wrong in [
            "yesterday,50",
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z,much",
            "2026-01-01T00:00:00Z,-1",
            "2026-01-01T00:00:00Z,NaN",
            "9223372036854775807,1",
            "2026-01-01,5",
        ] {
            assert_eq!(parse(format!("1,1\n{wrong}\n").as_bytes()), Err(2), "{wrong}");
        }
    }

    #[test]
    fn what_a_file_said_stays_while_it_cannot_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("intensity.csv");
        let mut file = IntensityFile::new(path.clone());
        assert!(file.read().unwrap_err().to_string().contains("intensity.csv"));
        let at = |seconds: u64| Monotonic::from_nanos(seconds * 1_000_000_000);
        let mut begin = |seconds, text: Option<&str>| {
            match text {
                Some(text) => std::fs::write(&path, text).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            file.refresh(at(seconds));
            file.points.clone()
        };
        assert_eq!(begin(0, Some("1,50\n")), [(1_000_000_000, 50.0)]);
        let two = [(1_000_000_000, 50.0), (2_000_000_000, 60.0)];
        assert_eq!(begin(1, Some("1,50\n2,60\n")), two);
        assert_eq!(begin(2, Some("1,50\n2,60\n3,wrong\n")), two);
        assert_eq!(begin(3, None), two);
        assert_eq!(begin(4, Some("4,70\n")), [(4_000_000_000, 70.0)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>) {
            if let Ok(points) = parse(&bytes) {
                prop_assert!(points.is_sorted_by_key(|(begin, _)| *begin));
            }
        }
    }
}
