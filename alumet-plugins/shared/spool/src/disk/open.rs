//! Opens the file, whatever is there.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use alumet_shared_sqlite_file::{DiskError, is_damage, journal as journal_of, with_suffix};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::aside::set_aside;
use super::{Disk, Loaded, Noted, Place, identity, journal, noted, row, salvage, schema};

impl Disk {
    /// Opens the file or makes it. What is not a good spool of this machine is set aside, and what can be read of it
    /// is kept. `suspect` says that something in it could not be read.
    pub(crate) fn open(place: &Place, suspect: bool) -> Result<(Self, Loaded), DiskError> {
        let path = &place.path;
        let failed = |error| DiskError::sqlite(path, error);
        // Before it goes aside with the file.
        let noted = Noted::read(path);
        let said = prepare(place)?;
        salvage::finish(path, place.now)?;
        mend_journal(place, false)?;
        let mut opened = open_loaded(path);
        let is_behind = |loaded: &Loaded| noted.is_some_and(|noted| loaded.is_behind(&noted));
        if let Ok((connection, _, loaded)) = &opened
            && is_behind(loaded)
            && journal::is_damaged(path, true)
        {
            keep_journal(connection).map_err(failed)?;
            drop(opened);
            mend_journal(place, true)?;
            opened = open_loaded(path);
        }
        if let Ok((.., loaded)) = &mut opened {
            loaded.compare(path, noted);
            loaded.lost = loaded.lost.take().or(said);
        }
        let reason = match opened {
            Ok((connection, None, loaded)) => {
                let machines = loaded.machine.zip(place.machine);
                let copied = machines.is_some_and(|(then, now)| then != now);
                if !copied && !loaded.damaged && !suspect {
                    return Self::finish(place, connection, loaded).map_err(failed);
                }
                if copied { "copied" } else { "damaged" }
            }
            Ok((connection, Some(READ_ONLY), _)) => {
                // Before the probe: when it closes the file, the locks of this process go too.
                drop(connection);
                let probe = OpenOptions::new().write(true).open(path);
                let remedy = "make the file and its folder writable for this user";
                probe.map_err(|error| DiskError::system("write", path, &error, remedy))?;
                "damaged"
            }
            Ok((_, Some(reason), _)) => reason,
            Err(error) if is_damage(&error) => {
                tracing::error!(path = %path.display(), error = %error, "the spool cannot be read");
                "damaged"
            }
            Err(error) => return Err(failed(error)),
        };
        let aside = match reason {
            "damaged" => salvage::salvage(place)?,
            _ => set_aside(path, reason, place.now)?,
        };
        let said = say(reason, path, &aside);
        let (new, _) = open_database(path).map_err(failed)?;
        let mut loaded = Loaded::read(&new).map_err(failed)?;
        if ["damaged", "foreign"].contains(&reason) {
            loaded.damaged = true;
            loaded.compare(path, noted);
        }
        if reason != "copied" && loaded.lost.is_none() {
            loaded.lost = Some(said);
        }
        Self::finish(place, new, loaded).map_err(failed)
    }

    fn finish(place: &Place, connection: Connection, loaded: Loaded) -> rusqlite::Result<(Self, Loaded)> {
        if let (None, Some(machine)) = (loaded.machine, place.machine) {
            row::insert(&connection, &("machine".to_owned(), machine, None))?;
        }
        let disk = Self {
            connection,
            path: place.path.clone(),
            identity: identity(&place.path),
            noted: noted::open(&place.path)
                .inspect_err(|error| tracing::debug!(%error, "what is in the spool cannot be noted"))
                .ok(),
            reserved: loaded.reserved,
            in_journal: 0,
        };
        Ok((disk, loaded))
    }
}

/// Sees to it that there is a folder and that nothing but a database or an empty file is in the way; gives what was said of
/// what was.
fn prepare(place: &Place) -> Result<Option<String>, DiskError> {
    /// SQLite takes what is smaller than its smallest page for empty, and would write over it.
    const SMALLEST_PAGE: u64 = 512;
    let path = &place.path;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let remedy = "make it, writable for this user";
        fs::create_dir_all(folder)
            .map_err(|error| DiskError::system("make the folder of", path, &error, remedy))?;
    }
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(DiskError::Refused(format!(
            "`{}` is not a file; move it away, or choose another path for the spool",
            path.display()
        ))),
        Ok(metadata) if (1..SMALLEST_PAGE).contains(&metadata.len()) => {
            let aside = set_aside(path, "damaged", place.now)?;
            Ok(Some(say("damaged", path, &aside)))
        }
        _ => Ok(None),
    }
}

/// A file that must not be written, says the file or its header.
const READ_ONLY: &str = "read-only";

/// Opens the file and reads what it says.
fn open_loaded(path: &Path) -> rusqlite::Result<(Connection, Option<&'static str>, Loaded)> {
    let (connection, fault) = open_database(path)?;
    let loaded = fault.is_none().then(|| Loaded::read(&connection)).transpose()?;
    Ok((connection, fault, loaded.unwrap_or_default()))
}

/// Mends the journal if it is damaged and nobody else uses it.
fn mend_journal(place: &Place, is_promised: bool) -> Result<(), DiskError> {
    let path = &place.path;
    if !journal::is_damaged(path, is_promised) {
        return Ok(());
    }
    let failed = |error| DiskError::sqlite(path, error);
    let connection = connect(path).map_err(failed)?;
    keep_journal(&connection).map_err(failed)?;
    let locked =
        schema::configure(&connection).and_then(|()| connection.query_row(COUNT_TABLES, [], |_| Ok(())));
    let is_busy = |error: &rusqlite::Error| {
        matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        )
    };
    match locked {
        Err(error) if is_busy(&error) => return Err(failed(error)),
        // What SQLite thinks of it now does not matter.
        _ => drop(connection),
    }
    journal::mend(path, is_promised, place.now)
}

/// What is in the journal stays there when the connection is closed.
fn keep_journal(connection: &Connection) -> rusqlite::Result<()> {
    let keep = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(keep, true).map(drop)
}

const COUNT_TABLES: &str = "SELECT count(*) FROM sqlite_schema";

/// Opens the file or makes it, and says what keeps it from being a spool of this version: it is `newer`, the database of
/// another program (`foreign`), or [`READ_ONLY`].
fn open_database(path: &Path) -> rusqlite::Result<(Connection, Option<&'static str>)> {
    if !path.exists() {
        // For this user alone, and so is the journal, to which SQLite gives the same mode. It also says what is wrong here.
        let _ = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path);
    }
    let mut connection = connect(path)?;
    schema::configure(&connection)?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row(COUNT_TABLES, [], |row| row.get(0))?;
    let is_new = (application, version, tables) == (0, 0, 0);
    let fault = match (application, version) {
        _ if connection.is_readonly("main")? => Some(READ_ONLY),
        (schema::APPLICATION, 1..=schema::VERSION) => None,
        (schema::APPLICATION, version) if version > schema::VERSION => Some("newer"),
        _ => (!is_new).then_some("foreign"),
    };
    if fault.is_none() {
        if is_new {
            schema::lay_out(&connection)?;
        }
        schema::begin_journal(&connection)?;
        if is_new {
            schema::create(&mut connection)?;
        } else if version < schema::VERSION {
            schema::upgrade(&mut connection)?;
        }
    }
    Ok((connection, fault))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    Ok(connection)
}

/// Makes an empty spool in a file that does not exist.
pub(super) fn create(path: &Path) -> rusqlite::Result<Connection> {
    open_database(path).map(|(connection, _)| connection)
}

/// Opens a damaged file to see what is left.
pub(super) fn open_damaged(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    // Without this, not a single row is read from a file that is shorter than its header says.
    connection.pragma_update(None, "writable_schema", true)?;
    schema::configure(&connection)?;
    // What is left stays as it was.
    keep_journal(&connection)?;
    Ok(connection)
}

/// Removes a database and its journal.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    for file in [path.to_owned(), journal_of(path), with_suffix(path, "-journal")] {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Says in the log that a file was set aside, and gives the same for people.
fn say(reason: &str, path: &Path, aside: &Path) -> String {
    let what = match reason {
        "copied" => {
            "the spool was copied from another machine: its backlog belongs there and is not sent from here"
        }
        "damaged" => "the spool was damaged: what could be read of it is kept; check the disk",
        _ => "the file was no spool that this program can use, and was set aside; a new one is begun",
    };
    let (path, aside) = (path.display(), aside.display());
    match reason {
        "damaged" => tracing::error!(%path, %aside, reason, "{what}"),
        _ => tracing::warn!(%path, %aside, reason, "{what}"),
    }
    format!("{what} (`{aside}`)")
}

#[cfg(test)]
mod tests {
    use alumet_core::spool::InstanceId;
    use alumet_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_file_with_a_table_that_is_not_known_is_a_spool_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place {
            path: folder.path().join("spool.db"),
            machine: None,
            now: Timestamp::default(),
        };
        let instance = Some(InstanceId([7; 16]));
        let before = create(&place.path).unwrap();
        before
            .execute_batch("CREATE TABLE notes (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
            .unwrap();
        row::insert(&before, &("instance".to_owned(), 0, instance)).unwrap();
        drop(before);
        let (disk, loaded) = Disk::open(&place, false).unwrap();
        assert_eq!(loaded.instance(), instance);
        drop(disk);
        let names = fs::read_dir(folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let others = names.filter(|name| !["spool.db", "spool.db-noted"].contains(&name.as_str()));
        assert_eq!(others.count(), 0, "nothing is set aside");
    }
}
