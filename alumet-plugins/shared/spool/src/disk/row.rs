//! Rows, and what they stand for.

use std::sync::Arc;

use alumet_core::spool::{Definitions, GapReason, InstanceId};
use alumet_core::time::Timestamp;
use rusqlite::{Connection, Row, params};

use super::check::Check;
use crate::log::{Entry, Loss, Mark, Watermark};

/// SQLite has signed numbers only; ours are never that large.
const fn signed(number: u64) -> i64 {
    number as i64
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| number as u64)
}

/// The columns from `column` on: sequence, records, samples, bytes.
fn mark(row: &Row<'_>, column: usize) -> rusqlite::Result<Mark> {
    Ok(Mark {
        sequence: unsigned(row, column)?,
        records: unsigned(row, column + 1)?,
        samples: unsigned(row, column + 2)?,
        bytes: unsigned(row, column + 3)?,
    })
}

/// The columns from `column` on: first, last.
fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<(Timestamp, Timestamp)>> {
    let first: Option<i64> = row.get(column)?;
    let last: Option<i64> = row.get(column + 1)?;
    let time = first.zip(last);
    Ok(time.map(|(first, last)| (Timestamp::from_nanos(first), Timestamp::from_nanos(last))))
}

/// The columns of a record but for its payload.
pub(super) const HEADER: &str = "sequence, end_records, end_samples, end_bytes, bytes, generation, samples, \
                                 appended, first, last, checksum, \"check\"";

fn entry_check(entry: &Entry) -> i64 {
    Check::default()
        .mark(entry.end)
        .number(entry.bytes)
        .number(u64::from(entry.generation))
        .number(u64::from(entry.samples))
        .number(entry.appended.as_nanos() as u64)
        .time(entry.time)
        .number(u64::from(entry.checksum))
        .finish()
}

/// A record without its payload; `None` if it is damaged.
pub(super) fn header(row: &Row<'_>) -> rusqlite::Result<Option<Entry>> {
    let entry = Entry {
        end: mark(row, 0)?,
        bytes: unsigned(row, 4)?,
        generation: row.get(5)?,
        samples: row.get(6)?,
        appended: Timestamp::from_nanos(row.get(7)?),
        time: time(row, 8)?,
        checksum: row.get(10)?,
        payload: Arc::from([]),
    };
    let check: i64 = row.get(11)?;
    Ok((check == entry_check(&entry)).then_some(entry))
}

/// A record with its payload in column 12; `None` if it is damaged.
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Option<Entry>> {
    let Some(mut entry) = header(row)? else {
        return Ok(None);
    };
    let payload = row.get_ref(12)?.as_blob()?;
    entry.payload = Arc::from(payload);
    Ok((crc32fast::hash(payload) == entry.checksum).then_some(entry))
}

pub(super) fn insert_entry(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let sql = format!(
        "INSERT OR REPLACE INTO records ({HEADER}, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    connection.prepare_cached(&sql)?.execute(params![
        signed(entry.end.sequence),
        signed(entry.end.records),
        signed(entry.end.samples),
        signed(entry.end.bytes),
        signed(entry.bytes),
        entry.generation,
        entry.samples,
        entry.appended.as_nanos(),
        entry.time.map(|(first, _)| first.as_nanos()),
        entry.time.map(|(_, last)| last.as_nanos()),
        entry.checksum,
        entry_check(entry),
        &entry.payload[..],
    ])?;
    Ok(())
}

fn definitions_check(one: &Definitions) -> i64 {
    Check::default()
        .number(u64::from(one.generation))
        .number(u64::from(one.first))
        .number(u64::from(one.count))
        .bytes(&one.payload)
        .finish()
}

pub(super) const DEFINITIONS: &str = "generation, first, count, payload, \"check\"";

pub(super) fn definitions(row: &Row<'_>) -> rusqlite::Result<Option<Definitions>> {
    let one = Definitions {
        generation: row.get(0)?,
        first: row.get(1)?,
        count: row.get(2)?,
        payload: Arc::from(row.get_ref(3)?.as_blob()?),
    };
    let check: i64 = row.get(4)?;
    Ok((check == definitions_check(&one)).then_some(one))
}

pub(super) fn insert_definitions(connection: &Connection, one: &Definitions) -> rusqlite::Result<()> {
    let sql = format!("INSERT OR REPLACE INTO definitions ({DEFINITIONS}) VALUES (?, ?, ?, ?, ?)");
    connection.prepare_cached(&sql)?.execute(params![
        one.generation,
        one.first,
        one.count,
        &one.payload[..],
        definitions_check(one)
    ])?;
    Ok(())
}

const REASONS: [GapReason; 3] = [GapReason::Full, GapReason::Expired, GapReason::Damaged];

fn loss_check(loss: &Loss, reason: u64) -> i64 {
    let marks = Check::default().mark(loss.begin).mark(loss.end);
    marks.time(loss.time).number(reason).finish()
}

pub(super) const LOSS: &str = "sequence, records, samples, bytes, end_sequence, end_records, end_samples, end_bytes, \
                               first, last, reason, \"check\"";

pub(super) fn loss(row: &Row<'_>) -> rusqlite::Result<Option<Loss>> {
    let reason: u8 = row.get(10)?;
    let Some(&name) = REASONS.get(usize::from(reason)) else {
        return Ok(None);
    };
    let loss = Loss {
        begin: mark(row, 0)?,
        end: mark(row, 4)?,
        time: time(row, 8)?,
        reason: name,
    };
    let check: i64 = row.get(11)?;
    Ok((check == loss_check(&loss, u64::from(reason))).then_some(loss))
}

pub(super) fn insert_loss(connection: &Connection, loss: &Loss) -> rusqlite::Result<()> {
    let reason = REASONS
        .iter()
        .position(|reason| *reason == loss.reason)
        .unwrap_or(0) as u64;
    let sql = format!("INSERT OR REPLACE INTO gaps ({LOSS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    connection.prepare_cached(&sql)?.execute(params![
        signed(loss.begin.sequence),
        signed(loss.begin.records),
        signed(loss.begin.samples),
        signed(loss.begin.bytes),
        signed(loss.end.sequence),
        signed(loss.end.records),
        signed(loss.end.samples),
        signed(loss.end.bytes),
        loss.time.map(|(first, _)| first.as_nanos()),
        loss.time.map(|(_, last)| last.as_nanos()),
        signed(reason),
        loss_check(loss, reason),
    ])?;
    Ok(())
}

fn cursor_check(output: &str, done: Mark, position: Option<&[u8]>) -> i64 {
    let check = Check::default().bytes(output.as_bytes()).mark(done);
    match position {
        Some(position) => check.number(1).bytes(position),
        None => check.number(0),
    }
    .finish()
}

pub(super) const CURSOR: &str = "output, sequence, records, samples, bytes, position, \"check\"";

/// The name of an output, up to where it is done, and what it stored.
pub(super) type StoredCursor = (String, Mark, Option<Vec<u8>>);

/// The name of an output and where it stands; the latter is `None` if it is damaged.
pub(super) fn cursor(row: &Row<'_>) -> rusqlite::Result<Option<StoredCursor>> {
    let output: String = row.get(0)?;
    let done = mark(row, 1)?;
    let position: Option<Vec<u8>> = row.get(5)?;
    let check: i64 = row.get(6)?;
    let good = check == cursor_check(&output, done, position.as_deref());
    Ok(good.then_some((output, done, position)))
}

pub(super) fn insert_cursor(
    connection: &Connection,
    output: &str,
    done: Mark,
    position: Option<&[u8]>,
) -> rusqlite::Result<()> {
    let sql = format!("INSERT OR REPLACE INTO cursors ({CURSOR}) VALUES (?, ?, ?, ?, ?, ?, ?)");
    connection.prepare_cached(&sql)?.execute(params![
        output,
        signed(done.sequence),
        signed(done.records),
        signed(done.samples),
        signed(done.bytes),
        position,
        cursor_check(output, done, position)
    ])?;
    Ok(())
}

pub(super) const ORIGIN: &str = "instance, sequence, checksum, seen, \"check\"";

fn origin_check(id: InstanceId, mark: Watermark) -> i64 {
    Check::default()
        .bytes(&id.0)
        .number(mark.sequence)
        .number(u64::from(mark.checksum))
        .number(mark.seen.as_nanos() as u64)
        .finish()
}

pub(super) fn origin(row: &Row<'_>) -> rusqlite::Result<Option<(InstanceId, Watermark)>> {
    let id = InstanceId(row.get(0)?);
    let mark = Watermark {
        sequence: unsigned(row, 1)?,
        checksum: row.get(2)?,
        seen: Timestamp::from_nanos(row.get(3)?),
    };
    let check: i64 = row.get(4)?;
    Ok((check == origin_check(id, mark)).then_some((id, mark)))
}

pub(super) fn insert_origin(
    connection: &Connection,
    id: InstanceId,
    mark: Watermark,
) -> rusqlite::Result<()> {
    let sql = format!("INSERT OR REPLACE INTO origins ({ORIGIN}) VALUES (?, ?, ?, ?, ?)");
    connection.prepare_cached(&sql)?.execute(params![
        id.0,
        signed(mark.sequence),
        mark.checksum,
        mark.seen.as_nanos(),
        origin_check(id, mark)
    ])?;
    Ok(())
}

pub(super) const NOTE: &str = "key, value, \"check\"";

pub(super) fn note(row: &Row<'_>) -> rusqlite::Result<Option<(String, Vec<u8>)>> {
    let (key, value): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
    let check: i64 = row.get(2)?;
    let good = check == Check::default().bytes(key.as_bytes()).bytes(&value).finish();
    Ok(good.then_some((key, value)))
}

pub(super) fn insert_note(connection: &Connection, key: &str, value: &[u8]) -> rusqlite::Result<()> {
    let check = Check::default().bytes(key.as_bytes()).bytes(value).finish();
    let sql = format!("INSERT OR REPLACE INTO notes ({NOTE}) VALUES (?, ?, ?)");
    connection
        .prepare_cached(&sql)?
        .execute(params![key, value, check])?;
    Ok(())
}

fn meta_check(key: &str, value: i64, instance: Option<&[u8]>) -> i64 {
    let check = Check::default().bytes(key.as_bytes()).number(value as u64);
    check.bytes(instance.unwrap_or_default()).finish()
}

pub(super) const META: &str = "key, value, instance, \"check\"";

/// A fact about the file: its key, a number, and the identity for the one that has one.
pub(super) fn meta(row: &Row<'_>) -> rusqlite::Result<Option<(String, u64, Option<InstanceId>)>> {
    let (key, value): (String, i64) = (row.get(0)?, row.get(1)?);
    let instance: Option<[u8; 16]> = row.get(2)?;
    let check: i64 = row.get(3)?;
    let good = check == meta_check(&key, value, instance.as_ref().map(|id| &id[..]));
    Ok(good.then_some((key, value as u64, instance.map(InstanceId))))
}

pub(super) fn insert_meta(
    connection: &Connection,
    key: &str,
    value: u64,
    instance: Option<InstanceId>,
) -> rusqlite::Result<()> {
    let bytes = instance.as_ref().map(|id| &id.0[..]);
    let check = meta_check(key, signed(value), bytes);
    let sql = format!("INSERT OR REPLACE INTO meta ({META}) VALUES (?, ?, ?, ?)");
    connection
        .prepare_cached(&sql)?
        .execute(params![key, signed(value), bytes, check])?;
    Ok(())
}
