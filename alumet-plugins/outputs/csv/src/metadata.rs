//! What says what is in a file: `<file>.meta.json` beside it.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::MetricId;
use alumet_core::time::{Moment, Monotonic};
use alumet_core::{Metric, Timestamp};
use nix::sys::utsname::uname;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::format::Dialect;
use crate::header::Header;

/// How often it is written at most while metrics are added.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a write that failed is put off.
const FAILURE_PAUSE: Duration = Duration::from_secs(60);

/// The description of a file that is being written.
#[derive(Debug)]
pub(crate) struct Metadata {
    path: PathBuf,
    content: Content,
    /// How many metrics of this run are in it.
    metrics: usize,
    /// Whether what is on disk is not all.
    is_due: bool,
    next_write: Monotonic,
}

/// What stands in `<file>.meta.json`.
#[derive(Debug, Serialize)]
struct Content {
    program: String,
    version: &'static str,
    host: String,
    kernel: String,
    begun: String,
    /// `null` while the file is written, and after the writer was killed.
    ended: Option<String>,
    dialect: Dialect,
    delimiter: char,
    columns: Vec<String>,
    metrics: BTreeSet<Described>,
    configuration: Config,
}

/// What stays of the description when another run goes on with the file.
#[derive(Debug, Deserialize)]
struct Before {
    begun: String,
    metrics: BTreeSet<Described>,
}

/// A metric.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Described {
    name: String,
    kind: String,
    value_type: String,
    /// As UCUM has it.
    unit: String,
    unit_symbol: String,
    description: String,
    quality: String,
}

/// The description of the file at `path`.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".meta.json");
    name.into()
}

impl Metadata {
    /// The description of the file at `path` with these columns, which was begun at that time, by this program or by an
    /// earlier run that `goes_on`.
    pub(crate) fn new(
        path: &Path,
        goes_on: bool,
        begun: Timestamp,
        header: &Header,
        config: &Config,
    ) -> Self {
        let path = beside(path);
        let before = goes_on.then(|| fs::read(&path).ok()).flatten();
        let before: Option<Before> = before.and_then(|text| serde_json::from_slice(&text).ok());
        let (begun, metrics) = match before {
            Some(before) => (before.begun, before.metrics),
            None => (begun.to_string(), BTreeSet::new()),
        };
        let program = std::env::current_exe().unwrap_or_default();
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        let system = uname().ok();
        let of_system = |part: fn(&nix::sys::utsname::UtsName) -> &std::ffi::OsStr| {
            system
                .as_ref()
                .map(|system| text(part(system)))
                .unwrap_or_default()
        };
        Self {
            path,
            content: Content {
                program: program.file_name().map(text).unwrap_or_default(),
                version: env!("CARGO_PKG_VERSION"),
                host: of_system(|system| system.nodename()),
                kernel: of_system(|system| system.release()),
                begun,
                ended: None,
                dialect: config.dialect,
                delimiter: config.format().delimiter.into(),
                columns: header.columns().map(str::to_owned).collect(),
                metrics,
                configuration: config.clone(),
            },
            metrics: 0,
            is_due: true,
            next_write: Monotonic::default(),
        }
    }

    /// The file has these metrics by now.
    pub(crate) fn note(&mut self, metrics: &HashMap<MetricId, Arc<Metric>>, now: Moment) {
        if metrics.len() != self.metrics {
            self.metrics = metrics.len();
            let described = metrics.values().map(|metric| Described::of(metric));
            self.content.metrics.extend(described);
            self.is_due = true;
        }
        if self.is_due && now.monotonic >= self.next_write {
            self.next_write = now.monotonic + if self.write() { PAUSE } else { FAILURE_PAUSE };
        }
    }

    /// The file is at `path` now, if it was renamed, and is complete.
    pub(crate) fn end(mut self, path: Option<&Path>, now: Timestamp) {
        if let Some(path) = path {
            let renamed = beside(path);
            // If it is not there, it is written anew.
            let _ = fs::rename(&self.path, &renamed);
            self.path = renamed;
        }
        self.content.ended = Some(now.to_string());
        self.write();
    }

    /// Puts what there is to say in the place of what was said before; says whether that was possible.
    fn write(&mut self) -> bool {
        let written = write_atomically(&self.path, &self.content);
        self.is_due = written.is_err();
        if let Err(error) = &written {
            tracing::warn!(
                %error, path = %self.path.display(),
                "what describes the file cannot be written; check the free space and the permissions there, or set \
                 `metadata = false`"
            );
        }
        written.is_ok()
    }
}

impl Described {
    fn of(metric: &Metric) -> Self {
        Self {
            name: metric.name.to_string(),
            kind: metric.kind.to_string(),
            value_type: metric.value_type.to_string(),
            unit: metric.unit.code().into_owned(),
            unit_symbol: metric.unit.symbol().into_owned(),
            description: metric.description.to_string(),
            quality: metric.quality.to_string(),
        }
    }
}

/// Readers see what was there before or all of it.
fn write_atomically(path: &Path, content: &Content) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    // What a process left that was killed.
    let _ = fs::remove_file(&temporary);
    let mut text = serde_json::to_vec_pretty(content)?;
    text.push(b'\n');
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(&temporary);
    let done = file
        .and_then(|mut file| file.write_all(&text))
        .and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        // It may not even exist.
        let _ = fs::remove_file(&temporary);
    }
    done
}
