//! The file: its tables, how it is opened, and that one program writes it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use alumet_core::time::Timestamp;
use alumet_shared_sqlite_file::{DiskError, is_damage, set_aside, with_suffix};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// Marks a file as a store: `AlSr` in ASCII.
const APPLICATION: i32 = 0x416c_5372;
/// The version of the tables that this program reads and writes.
const VERSION: i32 = 1;
const PAGE_SIZE: i64 = 8192;
/// SQLite takes what is smaller than its smallest page for empty, and would write over it.
const SMALLEST_PAGE: u64 = 512;

/// `state` of a run: 0, it is being written; 1, it counts; 2, it is being removed. `window` is when its window begins. The number
/// of a part is that of its run times 2^20, and the place in the run. All times are nanoseconds since 1970.
const TABLES: &str = "
    CREATE TABLE metrics (id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, type TEXT NOT NULL,
        unit TEXT NOT NULL, quality TEXT NOT NULL, description TEXT NOT NULL, UNIQUE (name, kind, type, unit, quality));
    CREATE TABLE series (id INTEGER PRIMARY KEY AUTOINCREMENT, metric INTEGER NOT NULL REFERENCES metrics,
        resource_kind TEXT NOT NULL, resource_id TEXT NOT NULL, consumer_kind TEXT NOT NULL, consumer_id TEXT NOT NULL,
        attributes TEXT NOT NULL, hash INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER);
    CREATE INDEX series_hash ON series (hash);
    CREATE INDEX series_metric ON series (metric);
    CREATE INDEX series_consumer ON series (consumer_id);
    CREATE INDEX series_open ON series (id) WHERE last_at IS NULL;
    CREATE VIEW series_named AS
        SELECT series.id, name AS metric, unit, kind, quality, resource_kind, resource_id, consumer_kind, consumer_id,
            attributes, datetime(first_at / 1000000000, 'unixepoch') AS first,
            datetime(last_at / 1000000000, 'unixepoch') AS last
        FROM series JOIN metrics ON metrics.id = metric;
    CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, sequence INTEGER NOT NULL, resolution INTEGER NOT NULL,
        level INTEGER NOT NULL, window INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
        rows INTEGER NOT NULL, bytes INTEGER NOT NULL, created INTEGER NOT NULL, state INTEGER NOT NULL);
    CREATE TABLE parts (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, first_series INTEGER NOT NULL,
        last_series INTEGER NOT NULL, checksum INTEGER NOT NULL, data BLOB NOT NULL);
    CREATE INDEX parts_place ON parts (run, last_series, id);
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
";

/// Held as long as this program writes the file.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Sees to it that there is a folder, and that no other program writes the file.
    pub(crate) fn take(path: &Path) -> Result<Self, DiskError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let remedy = "make it, writable for this user";
            fs::create_dir_all(folder)
                .map_err(|error| DiskError::system("make the folder of", path, &error, remedy))?;
        }
        Self::take_with(
            path,
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600),
        )
    }

    fn take_with(path: &Path, options: &OpenOptions) -> Result<Self, DiskError> {
        let name = with_suffix(path, "-lock");
        let file = options.open(&name);
        let file = file.map_err(|error| DiskError::system("open", &name, &error, WRITABLE))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(DiskError::Refused(format!(
                "`{}` is in use by another program: give each program a store of its own, or end the other one",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(DiskError::system(
                "lock",
                &name,
                &error,
                "choose a file system that has locks",
            )),
        }
    }
}

/// Finds out whether the file can be opened to write it, and changes nothing.
pub(crate) fn try_out(path: &Path) -> Result<(), DiskError> {
    refuse_what_is_no_file(path)?;
    if path.exists() {
        let probe = OpenOptions::new().write(true).open(path);
        probe.map_err(|error| DiskError::system("write", path, &error, WRITABLE))?;
    }
    if with_suffix(path, "-lock").exists() {
        Lock::take_with(path, OpenOptions::new().write(true))?;
    }
    let folder = path.ancestors().skip(1).find(|folder| folder.exists());
    match folder {
        Some(folder) if !folder.is_dir() => Err(DiskError::Refused(format!(
            "`{}` is not a folder; move it away, or choose another path for the store",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

fn refuse_what_is_no_file(path: &Path) -> Result<(), DiskError> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(DiskError::Refused(format!(
            "`{}` is not a file; move it away, or choose another path for the store",
            path.display()
        ))),
        _ => Ok(()),
    }
}

const WRITABLE: &str = "make the file and its folder writable for this user";

/// Opens the file to write it, or makes it. What is not a good store is set aside, never deleted: the text says so. `suspect`: what
/// is in the file could not be read.
pub(crate) fn open(
    path: &Path,
    suspect: bool,
    now: Timestamp,
) -> Result<(Connection, Option<String>), DiskError> {
    let failed = |error| DiskError::sqlite(path, error);
    let mut said = None;
    refuse_what_is_no_file(path)?;
    let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
    if suspect || (1..SMALLEST_PAGE).contains(&length) {
        said = Some(aside(path, "damaged", now)?);
    }
    match prepare(path) {
        Ok((connection, None)) => return Ok((connection, said)),
        Ok((connection, Some(reason))) => {
            drop(connection);
            said = Some(aside(path, reason, now)?);
        }
        Err(error) if is_damage(&error) => {
            tracing::error!(path = %path.display(), %error, "the store cannot be read");
            said = Some(aside(path, "damaged", now)?);
        }
        Err(error) => return Err(failed(error)),
    }
    let (connection, _) = prepare(path).map_err(failed)?;
    Ok((connection, said))
}

fn aside(path: &Path, reason: &str, now: Timestamp) -> Result<String, DiskError> {
    let aside = set_aside(path, &[], reason, now)?;
    let why = match reason {
        "damaged" => "was damaged",
        "newer" => "is of a later version of this program",
        _ => "is not a store",
    };
    let said = format!(
        "`{}` {why}: it is `{}` now, and a new one is begun; `alumet-server store import` takes what can be read of the old one",
        path.display(),
        aside.display()
    );
    tracing::error!("{said}");
    Ok(said)
}

/// The file, and what keeps it from being a store of this version.
fn prepare(path: &Path) -> rusqlite::Result<(Connection, Option<&'static str>)> {
    if !path.exists() {
        // For this user alone, and so is the journal, to which SQLite gives the same mode.
        let _ = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
    }
    let mut connection = connect(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    )?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let is_new = (application, version, tables) == (0, 0, 0);
    match (application, version) {
        (APPLICATION, VERSION) => {}
        (APPLICATION, _) => return Ok((connection, Some("newer"))),
        _ if !is_new => return Ok((connection, Some("foreign"))),
        _ => {
            connection.pragma_update(None, "page_size", PAGE_SIZE)?;
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The keeper empties the journal earlier, if it can.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 8192, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", 16 << 20, |_| Ok(()))?;
    if is_new {
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    Ok((connection, None))
}

/// A connection that reads.
pub(crate) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// A connection that reads what is left of a file, be it shorter than it says or not.
pub(crate) fn open_to_salvage(path: &Path) -> rusqlite::Result<Connection> {
    let connection = begin(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // Before anything is read: without this, nothing is read from a file that is shorter than its header says.
    connection.pragma_update(None, "writable_schema", true)?;
    configure(connection)
}

/// A second connection that writes; what it commits is on disk with the next commit of the first.
pub(crate) fn open_to_keep(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    Ok(connection)
}

/// Whether a file is a store of this version.
pub(crate) fn is_store(connection: &Connection) -> rusqlite::Result<bool> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((application, version) == (APPLICATION, VERSION))
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    configure(begin(path, flags)?)
}

fn begin(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    Connection::open_with_flags(path, flags)
}

fn configure(connection: Connection) -> rusqlite::Result<Connection> {
    connection.set_prepared_statement_cache_capacity(32);
    // Otherwise SQLite, which is built with SQLITE_ENABLE_STAT4, plans a statement anew for each value that is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "cache_size", -2048)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}
