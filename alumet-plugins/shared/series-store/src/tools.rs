//! What people do with the file of a store: look through it, write it in another form, take over another one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alumet_core::catalog::Catalog;
use alumet_core::metric::Metric;
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::time::{Clock, Timestamp};
use alumet_core::value::{Value, ValueType};
use alumet_shared_query::{Budget, Identity, Limits, QueryError, Range, Selector};
use alumet_shared_sqlite_file::{DiskError, is_damage};
use hashbrown::HashMap;
use parking_lot::RwLock;
use rusqlite::Connection;

use crate::config::StoreConfig;
use crate::file;
use crate::find;
use crate::identity;
use crate::live::Live;
use crate::merge::Merge;
use crate::read::{ReadError, note_damage};
use crate::rows::{Resolution, Rows};
use crate::run::{self, Run};
use crate::store::SeriesStore;

/// What is in the file of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many series there are.
    pub series: u64,
    /// How many samples there are.
    pub samples: u64,
    /// How many minutes and hours of series have samples, or had.
    pub intervals: u64,
    /// When the first and the last of them is.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How many parts are damaged; what is in them is not counted.
    pub damaged: u64,
    /// What else is wrong.
    pub problems: Vec<String>,
}

/// What became of another store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// How many samples were taken over.
    pub samples: u64,
    /// How many were too old, or ahead of the clock.
    pub refused: u64,
    /// How many intervals there are of samples that are dropped; these are not taken over.
    pub intervals: u64,
    /// How many parts were damaged.
    pub damaged: u64,
}

/// Why the file of a store cannot be read or written in another form.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The file cannot be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The other form cannot be written.
    #[error("the samples cannot be written: {0}")]
    Write(#[from] io::Error),
    /// What is asked for makes no sense.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// A store that is read, while another program writes it or not, damaged or not.
struct Source {
    path: PathBuf,
    connection: Connection,
    damaged: AtomicU64,
}

impl Source {
    fn open(path: &Path) -> Result<Self, DiskError> {
        let failed = |error| DiskError::sqlite(path, error);
        if !path.is_file() {
            return Err(DiskError::Refused(format!(
                "there is no file `{}`; name the file of a store",
                path.display()
            )));
        }
        let connection = file::open_to_salvage(path).map_err(failed)?;
        if !file::is_store(&connection).map_err(failed)? {
            return Err(DiskError::Refused(format!(
                "`{}` is not a store of this version of the program",
                path.display()
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            connection,
            damaged: AtomicU64::new(0),
        })
    }

    fn failed(&self, error: rusqlite::Error) -> DiskError {
        DiskError::sqlite(&self.path, error)
    }

    /// The runs that can be found.
    fn runs(&self) -> Result<Vec<Run>, DiskError> {
        let mut runs = Vec::new();
        match run::visit(&self.connection, |run| runs.push(run)) {
            Err(error) if is_damage(&error) => note_damage(&self.damaged, &error),
            other => other.map_err(|error| self.failed(error))?,
        }
        Ok(runs)
    }

    /// Visits the rows of each series, window by window.
    fn visit<E: From<DiskError>>(
        &self,
        resolution: Resolution,
        mut visit: impl FnMut(u64, ValueType, Rows) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut runs = self.runs()?;
        runs.retain(|run| run.resolution == resolution);
        runs.sort_by_key(|run| (run.window, run.sequence));
        for window in runs.chunk_by(|one, next| one.window == next.window) {
            let failed = |error| self.failed(error);
            let mut merge = Merge::of(&self.connection, window, &self.damaged).map_err(failed)?;
            while let Some((series, value_type, rows)) = merge.next().map_err(failed)? {
                visit(series, value_type, rows)?;
            }
        }
        Ok(())
    }

    /// What is known of each series, by its number.
    fn series(&self) -> Result<HashMap<u64, Arc<Identity>>, ReadError> {
        let all = find::series(
            &self.connection,
            &find::metrics(&self.connection)?,
            &RwLock::new(Live::default()),
            i64::MAX,
            &Selector::default(),
            Range::ALL,
            &unlimited(),
        )?;
        Ok(all
            .into_iter()
            .map(|found| (found.number, found.identity))
            .collect())
    }
}

/// A tool is stopped by whoever has called it.
fn unlimited() -> Budget {
    Budget::new(Limits {
        series: u64::MAX,
        samples: u64::MAX,
        points: u64::MAX,
        duration: std::time::Duration::from_secs(u32::MAX.into()),
    })
}

/// Looks through all of the file, and changes nothing.
///
/// # Errors
/// When it cannot be read at all.
pub fn check(path: &Path) -> Result<Report, DiskError> {
    let source = Source::open(path)?;
    let mut report = Report::default();
    let mut span: Option<(i64, i64)> = None;
    for resolution in Resolution::ALL {
        source.visit(resolution, |_, _, rows| -> Result<(), DiskError> {
            match resolution {
                Resolution::Raw => report.samples += rows.len() as u64,
                Resolution::Minute | Resolution::Hour => report.intervals += rows.len() as u64,
            }
            if let (Some(first), Some(last)) = (rows.times.first(), rows.times.last()) {
                let (from, until) = span.unwrap_or((*first, *last));
                span = Some((from.min(*first), until.max(*last)));
            }
            Ok(())
        })?;
    }
    report.span = span.map(|(first, last)| (Timestamp::from_nanos(first), Timestamp::from_nanos(last)));
    report.damaged = source.damaged.load(Ordering::Relaxed);
    let count = source
        .connection
        .query_row("SELECT count(*) FROM series", [], |row| row.get::<_, i64>(0));
    match count {
        Ok(count) => report.series = count.cast_unsigned(),
        Err(error) => report.problems.push(format!("the table of series: {error}")),
    }
    let mut quick = source
        .connection
        .prepare("PRAGMA quick_check(20)")
        .map_err(|error| source.failed(error))?;
    let lines = quick
        .query_map([], |row| row.get::<_, String>(0))
        .map_err(|error| source.failed(error))?;
    for line in lines {
        match line {
            Ok(line) if line == "ok" => {}
            Ok(line) => report.problems.push(line),
            Err(error) => report.problems.push(error.to_string()),
        }
    }
    Ok(report)
}

/// Writes samples as CSV: in each window of an hour series by series, in order of time. Says how many, and how many parts were
/// damaged.
///
/// The columns are `time` in nanoseconds since 1970, `value`, `metric`, `kind`, `type`, `unit`, `quality`, `resource_kind`,
/// `resource_id`, `consumer_kind`, `consumer_id`, and `attributes` as JSON; quoted as in RFC 4180.
///
/// # Errors
/// When the file cannot be read, or `out` takes no more.
pub fn export(
    path: &Path,
    selector: &Selector,
    range: Range,
    out: &mut dyn Write,
) -> Result<(u64, u64), ToolError> {
    let source = Source::open(path)?;
    let series = source.series().map_err(|error| source.error(error))?;
    let meant = series.iter().filter(|(_, identity)| selector.selects(identity));
    let ends: HashMap<u64, String> = meant
        .map(|(number, identity)| (*number, columns(identity)))
        .collect();
    let mut count = 0;
    writeln!(
        out,
        "time,value,metric,kind,type,unit,quality,resource_kind,resource_id,consumer_kind,consumer_id,attributes"
    )?;
    source.visit(
        Resolution::Raw,
        |number, value_type, mut rows| -> Result<(), ToolError> {
            let Some(end) = ends.get(&number) else {
                return Ok(());
            };
            rows.cut(range.from, range.until);
            for (at, bits) in rows.times.iter().zip(rows.columns.first().into_iter().flatten()) {
                writeln!(out, "{at},{},{end}", value(value_type, *bits))?;
            }
            count += rows.len() as u64;
            Ok(())
        },
    )?;
    out.flush()?;
    Ok((count, source.damaged.load(Ordering::Relaxed)))
}

impl Source {
    fn error(&self, error: ReadError) -> ToolError {
        match error {
            ReadError::Sqlite(error) => ToolError::Disk(self.failed(error)),
            ReadError::Query(error) => ToolError::Query(error),
        }
    }
}

fn value(value_type: ValueType, bits: u64) -> Value {
    match value_type {
        ValueType::U64 => Value::U64(bits),
        ValueType::I64 => Value::I64(bits.cast_signed()),
        ValueType::F64 => Value::F64(f64::from_bits(bits)),
    }
}

/// The columns that tell what a series is.
fn columns(identity: &Identity) -> String {
    let Identity {
        metric,
        resource,
        consumer,
        attributes,
    } = identity;
    let fields = [
        &*metric.name,
        metric.kind.name(),
        metric.value_type.name(),
        &metric.unit.code(),
        metric.quality.name(),
        resource.kind(),
        &resource.id(),
        consumer.kind(),
        &consumer.id(),
        &identity::to_json(attributes),
    ];
    fields.map(quoted).join(",")
}

fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

/// Takes over the samples of another store, which stays as it is: one that was set aside, or that of another program.
///
/// # Errors
/// When the other file cannot be read at all, or the one of `config` cannot be written.
pub fn import(config: StoreConfig, clock: Arc<dyn Clock>, from: &Path) -> Result<Imported, ToolError> {
    /// So many are appended at once.
    const SAMPLES: usize = 32_768;
    let source = Source::open(from)?;
    let store = SeriesStore::open(config, clock)?;
    let series = source.series().map_err(|error| source.error(error))?;
    let catalog = Catalog::new();
    let mut handles: HashMap<u64, SeriesHandle> = HashMap::new();
    let mut imported = Imported::default();
    let mut batch = catalog.batch();
    source.visit(Resolution::Raw, |number, _, rows| -> Result<(), ToolError> {
        let handle = match handles.get(&number) {
            Some(handle) => handle.clone(),
            None => {
                let Some(identity) = series.get(&number) else {
                    imported.refused += rows.len() as u64;
                    return Ok(());
                };
                let handle = register(&catalog, identity);
                handles.insert(number, handle.clone());
                handle
            }
        };
        for (at, bits) in rows.times.iter().zip(rows.columns.first().into_iter().flatten()) {
            batch.push_bits(&handle, Timestamp::from_nanos(*at), *bits);
            if batch.len() == SAMPLES {
                let full = std::mem::replace(&mut batch, catalog.batch());
                take_over(&store, &catalog, &full, &mut imported)?;
            }
        }
        Ok(())
    })?;
    take_over(&store, &catalog, &batch, &mut imported)?;
    store.commit()?;
    let mut raw: Vec<i64> = source
        .runs()?
        .iter()
        .filter(|run| run.resolution == Resolution::Raw)
        .map(|run| run.window)
        .collect();
    raw.sort_unstable();
    source.visit(Resolution::Hour, |_, _, rows| -> Result<(), ToolError> {
        imported.intervals += rows
            .times
            .iter()
            .filter(|at| raw.binary_search(at).is_err())
            .count() as u64;
        Ok(())
    })?;
    imported.damaged = source.damaged.load(Ordering::Relaxed);
    Ok(imported)
}

fn take_over(
    store: &SeriesStore,
    catalog: &Catalog,
    batch: &alumet_core::Batch,
    imported: &mut Imported,
) -> Result<(), DiskError> {
    let refused = store.append(catalog, batch.samples())?.len();
    imported.samples += (batch.len() - refused) as u64;
    imported.refused += refused as u64;
    Ok(())
}

fn register(catalog: &Catalog, identity: &Identity) -> SeriesHandle {
    let (metric, _) = catalog.admit_metric(Metric::clone(&identity.metric));
    catalog.register(SeriesKey {
        metric,
        resource: identity.resource.clone(),
        consumer: identity.consumer.clone(),
        attributes: identity.attributes.clone(),
    })
}
