//! Rows, and what they stand for.
//!
//! Each has a checksum over its other columns, so that a flipped bit is noticed wherever it is.

use std::sync::Arc;

use alumet_core::spool::{Definitions, GapReason, InstanceId};
use alumet_core::time::Timestamp;
use crc32fast::Hasher;
use rusqlite::types::{Null, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use crate::record::{Arrival, Entry, Had, Loss, Mark, Stand, Stretch, WantedBatch, Watermark};

/// What a table has in its rows.
pub(super) trait Stored: Sized {
    const TABLE: &'static str;
    /// The columns that the checksum covers, which follows them.
    const COLUMNS: &'static str;
    /// The column after the checksum, after a comma.
    const MORE: &'static str = "";

    fn write<'a>(&'a self, row: &mut Columns<'a>);

    /// What the column after the checksum holds.
    fn more(&self) -> Option<&[u8]> {
        None
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self>;
}

/// As many columns as a row has at most.
const MOST_COLUMNS: usize = 13;

/// A fact about the file: its key, a number, and the identity for the one that had one in files of the first version.
pub(super) type Meta = (String, u64, Option<InstanceId>);

/// A sender and the highest number that came from it.
pub(super) type Origin = (InstanceId, Watermark);

/// The values of a row, and a CRC-32 over all of them, each in a fixed number of bytes or with its length first.
pub(super) struct Columns<'a> {
    hasher: Hasher,
    values: Vec<ToSqlOutput<'a>>,
}

impl<'a> Columns<'a> {
    /// All of a row, its checksum last.
    fn of(row: &'a impl Stored) -> Vec<ToSqlOutput<'a>> {
        let mut columns = Self {
            hasher: Hasher::new(),
            values: Vec::with_capacity(MOST_COLUMNS),
        };
        row.write(&mut columns);
        let Self { hasher, mut values } = columns;
        values.push(i64::from(hasher.finalize()).into());
        values
    }

    fn hash(&mut self, number: u64) {
        self.hasher.update(&number.to_le_bytes());
    }

    /// SQLite has signed numbers only; ours are never that large.
    fn number(&mut self, number: impl Into<u64>) {
        let number = number.into();
        self.hash(number);
        self.values.push((number as i64).into());
    }

    fn mark(&mut self, mark: Mark) {
        for number in [mark.sequence, mark.records, mark.samples, mark.bytes] {
            self.number(number);
        }
    }

    fn time(&mut self, time: Timestamp) {
        self.number(time.as_nanos() as u64);
    }

    /// The first and the last: two columns.
    fn times(&mut self, times: Option<(Timestamp, Timestamp)>) {
        self.hash(u64::from(times.is_some()));
        match times {
            Some((first, last)) => [first, last].into_iter().for_each(|time| self.time(time)),
            None => self.values.extend([Null.into(), Null.into()]),
        }
    }

    fn text(&mut self, text: &'a str) {
        self.hash(text.len() as u64);
        self.hasher.update(text.as_bytes());
        self.values.push(text.into());
    }

    fn bytes(&mut self, bytes: &'a [u8]) {
        self.hash(bytes.len() as u64);
        self.hasher.update(bytes);
        self.values.push(blob(bytes));
    }

    fn none(&mut self) {
        self.hash(0);
        self.values.push(Null.into());
    }
}

const fn blob(bytes: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Blob(bytes))
}

/// Reads what [`select`] names; `None` if its columns and its checksum do not go together.
pub(super) fn parse<T: Stored>(row: &Row<'_>) -> rusqlite::Result<Option<T>> {
    let one = T::parse(row)?;
    let is_good = {
        let values = Columns::of(&one);
        let check: i64 = row.get(values.len() - 1)?;
        values.last() == Some(&check.into())
    };
    Ok(is_good.then_some(one))
}

/// The rows of a table that a clause picks.
pub(super) fn select<T: Stored>(clause: &str) -> String {
    let (table, columns, more) = (T::TABLE, T::COLUMNS, T::MORE);
    format!("SELECT {columns}, \"check\"{more} FROM {table} {clause}")
}

/// The records that a clause picks, without their payloads.
pub(super) fn select_headers(clause: &str) -> String {
    format!("SELECT {}, \"check\", NULL FROM records {clause}", Entry::COLUMNS)
}

/// Writes rows, all with one statement: small ones are many, and to find it again for each is a good part of their cost.
pub(super) fn insert_all<'a, T: Stored + 'a>(
    connection: &Connection,
    rows: impl IntoIterator<Item = &'a T>,
) -> rusqlite::Result<()> {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let (table, columns, more) = (T::TABLE, T::COLUMNS, T::MORE);
    let columns = format!("{columns}, \"check\"{more}");
    let places = ["?"].repeat(columns.split(',').count()).join(", ");
    let sql = format!("INSERT OR REPLACE INTO {table} ({columns}) VALUES ({places})");
    let mut statement = connection.prepare_cached(&sql)?;
    rows.try_for_each(|row| {
        let values = Columns::of(row).into_iter().chain(row.more().map(blob));
        statement.execute(params_from_iter(values)).map(drop)
    })
}

pub(super) fn insert<T: Stored>(connection: &Connection, row: &T) -> rusqlite::Result<()> {
    insert_all(connection, [row])
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

impl Stored for Entry {
    const TABLE: &'static str = "records";
    const COLUMNS: &'static str = "sequence, end_records, end_samples, end_bytes, bytes, generation, samples, \
                                   appended, first, last, checksum";
    const MORE: &'static str = ", payload";

    fn write<'a>(&'a self, row: &mut Columns<'a>) {
        row.mark(self.end);
        row.number(self.bytes);
        row.number(self.generation);
        row.number(self.samples);
        row.time(self.appended);
        row.times(self.time);
        row.number(self.checksum);
    }

    fn more(&self) -> Option<&[u8]> {
        Some(&self.payload)
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self> {
        let checksum: u32 = row.get(10)?;
        let payload = row.get_ref(12)?.as_blob_or_null()?;
        if payload.is_some_and(|payload| crc32fast::hash(payload) != checksum) {
            return Err(rusqlite::Error::IntegralValueOutOfRange(10, checksum.into()));
        }
        Ok(Self {
            end: mark(row, 0)?,
            bytes: unsigned(row, 4)?,
            generation: row.get(5)?,
            samples: row.get(6)?,
            appended: time(row, 7)?,
            origin: None,
            time: times(row, 8)?,
            checksum,
            payload: Arc::from(payload.unwrap_or_default()),
        })
    }
}

impl Stored for Definitions {
    const TABLE: &'static str = "definitions";
    const COLUMNS: &'static str = "generation, first, count, payload";

    fn write<'a>(&'a self, row: &mut Columns<'a>) {
        for number in [self.generation, self.first, self.count] {
            row.number(number);
        }
        row.bytes(&self.payload);
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

    fn write<'a>(&'a self, row: &mut Columns<'a>) {
        let reason = REASONS.iter().position(|reason| *reason == self.reason);
        row.mark(self.begin);
        row.mark(self.end);
        row.times(self.time);
        row.number(reason.unwrap_or(0) as u64);
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

    fn write<'a>(&'a self, row: &mut Columns<'a>) {
        let (output, done, position) = self;
        row.text(output);
        row.mark(*done);
        match position {
            // Different when there is none and when it is empty.
            Some(position) => {
                row.hash(1);
                row.bytes(position);
            }
            None => row.none(),
        }
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok((row.get(0)?, mark(row, 1)?, row.get(5)?))
    }
}

impl Stored for Stretch {
    const TABLE: &'static str = "numberings";
    const COLUMNS: &'static str = "sequence, records, samples, bytes, instance";

    fn write<'a>(&'a self, row: &mut Columns<'a>) {
        row.mark(self.begin);
        row.bytes(&self.instance.0);
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            begin: mark(row, 0)?,
            instance: InstanceId(row.get(4)?),
        })
    }
}

impl Stored for Origin {
    const TABLE: &'static str = "origins";
    const COLUMNS: &'static str = "instance, sequence, checksum, seen";

    fn write<'a>(&'a self, row: &mut Columns<'a>) {
        let (id, mark) = self;
        row.bytes(&id.0);
        row.number(mark.sequence);
        row.number(mark.checksum);
        row.time(mark.seen);
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

impl Stored for Arrival {
    const TABLE: &'static str = "arrivals";
    const COLUMNS: &'static str = "record, sender, sequence";

    fn write<'a>(&'a self, row: &mut Columns<'a>) {
        row.number(self.record);
        row.bytes(&self.sender.0);
        row.number(self.sequence);
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            record: unsigned(row, 0)?,
            sender: InstanceId(row.get(1)?),
            sequence: unsigned(row, 2)?,
        })
    }
}

impl Stored for WantedBatch {
    const TABLE: &'static str = "wanted";
    const COLUMNS: &'static str = "sender, sequence, since";

    fn write<'a>(&'a self, row: &mut Columns<'a>) {
        row.bytes(&self.sender.0);
        row.number(self.sequence);
        row.time(self.since);
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            sender: InstanceId(row.get(0)?),
            sequence: unsigned(row, 1)?,
            since: time(row, 2)?,
        })
    }
}

impl Stored for Had {
    const TABLE: &'static str = "had";
    const COLUMNS: &'static str = "output, sender, sequence, record, again";

    fn write<'a>(&'a self, row: &mut Columns<'a>) {
        row.text(&self.output);
        row.bytes(&self.sender.0);
        row.number(self.sequence);
        row.number(self.record);
        match self.again {
            Some(again) => row.number(again),
            None => row.none(),
        }
    }

    fn parse(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            output: row.get(0)?,
            sender: InstanceId(row.get(1)?),
            sequence: unsigned(row, 2)?,
            record: unsigned(row, 3)?,
            again: row.get::<_, Option<i64>>(4)?.map(|number| number as u64),
        })
    }
}

impl Stored for Meta {
    const TABLE: &'static str = "meta";
    const COLUMNS: &'static str = "key, value, instance";

    fn write<'a>(&'a self, row: &mut Columns<'a>) {
        let (key, value, instance) = self;
        row.text(key);
        row.number(*value);
        match instance {
            Some(InstanceId(bytes)) => row.bytes(bytes),
            None => row.none(),
        }
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
        assert_eq!(Columns::of(row).pop(), Some(check.into()));
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
            origin: None,
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
