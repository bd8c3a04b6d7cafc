//! Rows, and what they stand for.
//!
//! Each has a checksum over its other columns, so that a flipped bit is noticed wherever it is.

use std::sync::Arc;

use alumet_core::spool::{Definitions, GapReason, InstanceId};
use alumet_core::time::Timestamp;
use crc32fast::Hasher;
use rusqlite::types::{Null, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use crate::record::{Entry, Loss, Mark, Stand, Watermark};

/// What a table has in its rows.
pub(super) trait Stored: Sized {
    const TABLE: &'static str;
    /// The columns that the checksum covers, which follows them.
    const COLUMNS: &'static str;

    fn columns(&self) -> Vec<Column<'_>>;

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self>;
}

/// A fact about the file: its key, a number, and the identity for the one that has one.
pub(super) type Meta = (String, u64, Option<InstanceId>);

/// A sender and the highest number that came from it.
pub(super) type Origin = (InstanceId, Watermark);

pub(super) enum Column<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Text(&'a str),
    /// Different when there is none and when it is empty.
    Optional(Option<&'a [u8]>),
    Instance(Option<&'a InstanceId>),
    /// The first and the last: two columns.
    Times(Option<(Timestamp, Timestamp)>),
}

use Column::{Bytes, Instance, Number, Optional, Text, Times};

/// SQLite has signed numbers only; ours are never that large.
const fn number(number: u64) -> ToSqlOutput<'static> {
    ToSqlOutput::Borrowed(ValueRef::Integer(number as i64))
}

/// The values of a row, its checksum last.
///
/// That is a CRC-32 over all columns, each in a fixed number of bytes or with its length first.
fn values<'a>(columns: &[Column<'a>]) -> Vec<ToSqlOutput<'a>> {
    let mut hasher = Hasher::new();
    let mut values = Vec::new();
    let mut hash = |number: u64, bytes: &[u8]| {
        hasher.update(&number.to_le_bytes());
        hasher.update(bytes);
    };
    for column in columns {
        match *column {
            Number(value) => {
                hash(value, &[]);
                values.push(number(value));
            }
            Text(text) => {
                hash(text.len() as u64, text.as_bytes());
                values.push(text.into());
            }
            Bytes(bytes) => {
                hash(bytes.len() as u64, bytes);
                values.push(ToSqlOutput::Borrowed(ValueRef::Blob(bytes)));
            }
            Optional(None) | Instance(None) => {
                hash(0, &[]);
                values.push(Null.into());
            }
            Optional(Some(bytes)) => {
                hash(1, &[]);
                hash(bytes.len() as u64, bytes);
                values.push(ToSqlOutput::Borrowed(ValueRef::Blob(bytes)));
            }
            Instance(Some(InstanceId(bytes))) => {
                hash(bytes.len() as u64, bytes);
                values.push(ToSqlOutput::Borrowed(ValueRef::Blob(bytes)));
            }
            Times(None) => {
                hash(0, &[]);
                values.extend([Null.into(), Null.into()]);
            }
            Times(Some((first, last))) => {
                hash(1, &[]);
                for time in [first, last] {
                    hash(time.as_nanos() as u64, &[]);
                    values.push(number(time.as_nanos() as u64));
                }
            }
        }
    }
    values.push(number(u64::from(hasher.finalize())));
    values
}

/// Reads the columns and the checksum; `None` if they do not go together.
pub(super) fn parse<T: Stored>(row: &Row<'_>) -> rusqlite::Result<Option<T>> {
    let one = T::parse(row)?;
    let is_good = {
        let values = values(&one.columns());
        let check: i64 = row.get(values.len() - 1)?;
        values.last() == Some(&number(check as u64))
    };
    Ok(is_good.then_some(one))
}

/// What [`parse`] reads.
pub(super) fn columns<T: Stored>() -> String {
    format!("{}, \"check\"", T::COLUMNS)
}

pub(super) fn insert<T: Stored>(connection: &Connection, row: &T) -> rusqlite::Result<()> {
    insert_values::<T>(connection, "", values(&row.columns()))
}

/// Inserts a record with its payload, which has a checksum of its own.
pub(super) fn insert_entry(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let mut values = values(&entry.columns());
    values.push(ToSqlOutput::Borrowed(ValueRef::Blob(&entry.payload)));
    insert_values::<Entry>(connection, ", payload", values)
}

fn insert_values<T: Stored>(
    connection: &Connection,
    more: &str,
    values: Vec<ToSqlOutput<'_>>,
) -> rusqlite::Result<()> {
    let places = ["?"].repeat(values.len()).join(", ");
    let (table, columns) = (T::TABLE, columns::<T>());
    let sql = format!("INSERT OR REPLACE INTO {table} ({columns}{more}) VALUES ({places})");
    connection
        .prepare_cached(&sql)?
        .execute(params_from_iter(values))?;
    Ok(())
}

/// A record with its payload in the column after its checksum; `None` if it is damaged.
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Option<Entry>> {
    let Some(mut entry) = parse::<Entry>(row)? else {
        return Ok(None);
    };
    let payload = row.get_ref(12)?.as_blob()?;
    entry.payload = Arc::from(payload);
    Ok((crc32fast::hash(payload) == entry.checksum).then_some(entry))
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

fn of_mark(mark: Mark) -> [Column<'static>; 4] {
    [mark.sequence, mark.records, mark.samples, mark.bytes].map(Number)
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_nanos)
}

/// The columns from `column` on: first, last.
fn times(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<(Timestamp, Timestamp)>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => Ok(Some((time(row, column)?, time(row, column + 1)?))),
    }
}

/// Without the payload.
impl Stored for Entry {
    const TABLE: &'static str = "records";
    const COLUMNS: &'static str = "sequence, end_records, end_samples, end_bytes, bytes, generation, samples, \
                                   appended, first, last, checksum";

    fn columns(&self) -> Vec<Column<'_>> {
        let mut columns = Vec::from(of_mark(self.end));
        columns.extend([
            Number(self.bytes),
            Number(u64::from(self.generation)),
            Number(u64::from(self.samples)),
            Number(self.appended.as_nanos() as u64),
            Times(self.time),
            Number(u64::from(self.checksum)),
        ]);
        columns
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            end: mark(row, 0)?,
            bytes: unsigned(row, 4)?,
            generation: row.get(5)?,
            samples: row.get(6)?,
            appended: time(row, 7)?,
            time: times(row, 8)?,
            checksum: row.get(10)?,
            payload: Arc::from([]),
        })
    }
}

impl Stored for Definitions {
    const TABLE: &'static str = "definitions";
    const COLUMNS: &'static str = "generation, first, count, payload";

    fn columns(&self) -> Vec<Column<'_>> {
        let numbers = [self.generation, self.first, self.count];
        let numbers = numbers.map(|number| Number(u64::from(number)));
        numbers.into_iter().chain([Bytes(&self.payload)]).collect()
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            generation: row.get(0)?,
            first: row.get(1)?,
            count: row.get(2)?,
            payload: Arc::from(row.get_ref(3)?.as_blob()?),
        })
    }
}

/// In the file, a reason is its place in this list.
const REASONS: [GapReason; 3] = [GapReason::Full, GapReason::Expired, GapReason::Damaged];

impl Stored for Loss {
    const TABLE: &'static str = "gaps";
    const COLUMNS: &'static str = "sequence, records, samples, bytes, end_sequence, end_records, end_samples, \
                                   end_bytes, first, last, reason";

    fn columns(&self) -> Vec<Column<'_>> {
        let reason = REASONS.iter().position(|reason| *reason == self.reason);
        let marks = of_mark(self.begin).into_iter().chain(of_mark(self.end));
        marks
            .chain([Times(self.time), Number(reason.unwrap_or(0) as u64)])
            .collect()
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self> {
        let reason = row.get::<_, i64>(10)?;
        let known = usize::try_from(reason).ok().and_then(|place| REASONS.get(place));
        Ok(Self {
            begin: mark(row, 0)?,
            end: mark(row, 4)?,
            time: times(row, 8)?,
            reason: *known.ok_or(rusqlite::Error::IntegralValueOutOfRange(10, reason))?,
        })
    }
}

impl Stored for Stand {
    const TABLE: &'static str = "cursors";
    const COLUMNS: &'static str = "output, sequence, records, samples, bytes, position";

    fn columns(&self) -> Vec<Column<'_>> {
        let (output, done, position) = self;
        let mut columns = vec![Text(output)];
        columns.extend(of_mark(*done));
        columns.push(Optional(position.as_deref()));
        columns
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok((row.get(0)?, mark(row, 1)?, row.get(5)?))
    }
}

impl Stored for Origin {
    const TABLE: &'static str = "origins";
    const COLUMNS: &'static str = "instance, sequence, checksum, seen";

    fn columns(&self) -> Vec<Column<'_>> {
        let (id, mark) = self;
        vec![
            Instance(Some(id)),
            Number(mark.sequence),
            Number(u64::from(mark.checksum)),
            Number(mark.seen.as_nanos() as u64),
        ]
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mark = Watermark {
            sequence: unsigned(row, 1)?,
            checksum: row.get(2)?,
            seen: time(row, 3)?,
        };
        Ok((InstanceId(row.get(0)?), mark))
    }
}

impl Stored for Meta {
    const TABLE: &'static str = "meta";
    const COLUMNS: &'static str = "key, value, instance";

    fn columns(&self) -> Vec<Column<'_>> {
        let (key, value, instance) = self;
        vec![Text(key), Number(*value), Instance(instance.as_ref())]
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self> {
        let instance: Option<[u8; 16]> = row.get(2)?;
        Ok((row.get(0)?, unsigned(row, 1)?, instance.map(InstanceId)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark {
        sequence: 1,
        records: 2,
        samples: 3,
        bytes: 4,
    };

    #[track_caller]
    fn expect<T: Stored>(row: &T, check: i64) {
        assert_eq!(values(&row.columns()).pop(), Some(number(check as u64)));
    }

    /// The numbers are those of the first files: a change would make each of them a damaged one.
    #[test]
    fn the_checksums_are_those_of_the_files_that_there_are() {
        let time = Some((Timestamp::from_nanos(8), Timestamp::from_nanos(9)));
        let mut entry = Entry {
            end: MARK,
            generation: 5,
            samples: 6,
            bytes: 50,
            checksum: 10,
            time,
            appended: Timestamp::from_nanos(-7),
            payload: Arc::from([]),
        };
        expect(&entry, 3630047434);
        entry.time = None;
        expect(&entry, 1595694548);
        let definitions = Definitions {
            generation: 1,
            first: 2,
            count: 3,
            payload: Arc::from(*b"abc"),
        };
        expect(&definitions, 3954118149);
        let end = Mark {
            sequence: 5,
            records: 6,
            samples: 7,
            bytes: 8,
        };
        let loss = Loss {
            begin: MARK,
            end,
            time,
            reason: GapReason::Damaged,
        };
        expect(&loss, 3729611358);
        let mut cursor = ("csv".to_owned(), MARK, Some(b"here".to_vec()));
        expect(&cursor, 262780758);
        cursor.2 = None;
        expect(&cursor, 921920725);
        let id = InstanceId([3; 16]);
        let mark = Watermark {
            sequence: 7,
            checksum: 8,
            seen: Timestamp::from_nanos(9),
        };
        expect(&(id, mark), 3092405231);
        expect(&("instance".to_owned(), 0, Some(id)), 2728667041);
        expect(&("reserved".to_owned(), 77, None), 3773225894);
    }
}
