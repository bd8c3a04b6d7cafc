//! The tables of the file.

use rusqlite::Connection;

use crate::record::PAGE_SIZE;

/// Marks a file as a spool: `Spol` in ASCII.
pub(super) const APPLICATION: i32 = 0x5370_6f6c;

/// The version of the tables that this program reads and writes. A file may have other tables; they stay as they are.
pub(super) const VERSION: i32 = 4;

/// How much the journal holds when there is never time to empty it.
const JOURNAL_BYTES: u64 = 16 << 20;

/// What came later. Before the second version, a row of `meta` had the only identity; before the third, nobody was asked again
/// for what was damaged; before the fourth, not if one output had it.
const LATER: &str = "
    CREATE TABLE IF NOT EXISTS numberings (sequence INTEGER PRIMARY KEY, records INTEGER NOT NULL,
        samples INTEGER NOT NULL, bytes INTEGER NOT NULL, instance BLOB NOT NULL, \"check\" INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS arrivals (record INTEGER PRIMARY KEY, sender BLOB NOT NULL, sequence INTEGER NOT NULL,
        \"check\" INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS wanted (sender BLOB NOT NULL, sequence INTEGER NOT NULL, since INTEGER NOT NULL,
        \"check\" INTEGER NOT NULL, PRIMARY KEY (sender, sequence)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS had (output TEXT NOT NULL, sender BLOB NOT NULL, sequence INTEGER NOT NULL,
        record INTEGER NOT NULL, again INTEGER, \"check\" INTEGER NOT NULL,
        PRIMARY KEY (output, sender, sequence)) WITHOUT ROWID;
";

/// `check` is in each table a CRC-32 over the other columns; `payload` stands last, so that what comes before it is
/// read without it.
const TABLES: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL, instance BLOB, \"check\" INTEGER NOT NULL)
        WITHOUT ROWID;
    CREATE TABLE records (sequence INTEGER PRIMARY KEY, end_records INTEGER NOT NULL, end_samples INTEGER NOT NULL,
        end_bytes INTEGER NOT NULL, bytes INTEGER NOT NULL, generation INTEGER NOT NULL, samples INTEGER NOT NULL,
        appended INTEGER NOT NULL, first INTEGER, last INTEGER, checksum INTEGER NOT NULL,
        \"check\" INTEGER NOT NULL, payload BLOB NOT NULL);
    CREATE TABLE definitions (generation INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
        payload BLOB NOT NULL, \"check\" INTEGER NOT NULL, PRIMARY KEY (generation, first)) WITHOUT ROWID;
    CREATE TABLE gaps (sequence INTEGER PRIMARY KEY, records INTEGER NOT NULL, samples INTEGER NOT NULL,
        bytes INTEGER NOT NULL, end_sequence INTEGER NOT NULL, end_records INTEGER NOT NULL,
        end_samples INTEGER NOT NULL, end_bytes INTEGER NOT NULL, first INTEGER, last INTEGER,
        reason INTEGER NOT NULL, \"check\" INTEGER NOT NULL);
    CREATE TABLE cursors (output TEXT PRIMARY KEY, sequence INTEGER NOT NULL, records INTEGER NOT NULL,
        samples INTEGER NOT NULL, bytes INTEGER NOT NULL, position BLOB, \"check\" INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE origins (instance BLOB PRIMARY KEY, sequence INTEGER NOT NULL, checksum INTEGER NOT NULL,
        seen INTEGER NOT NULL, \"check\" INTEGER NOT NULL) WITHOUT ROWID;
";

/// How the connection works: alone, durable, with a bounded journal.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(32);
    // Alone first: without a second process, the journal needs no shared memory, which network file systems lack.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "cache_size", -1024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)
}

/// How a new file is laid out.
pub(super) fn lay_out(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", PAGE_SIZE as i64)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")
}

/// Goes over to the write-ahead log; each transaction is on disk when its commit returns.
pub(super) fn begin_journal(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // At most about this much; before that, it is emptied when there is nothing else to do, see `Disk::empty_journal`.
    connection.pragma_update_and_check(
        None,
        "wal_autocheckpoint",
        (JOURNAL_BYTES / PAGE_SIZE) as i64,
        |_| Ok(()),
    )?;
    connection.pragma_update_and_check(None, "journal_size_limit", 8 << 20, |_| Ok(()))
}

/// Makes the tables in an empty file.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute_batch(LATER)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Makes a file of an earlier version one of this.
pub(super) fn upgrade(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(LATER)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}
