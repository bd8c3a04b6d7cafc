//! A part of a run: the rows of some series, each of which can be read alone.
//!
//! Series that were measured together have the same instants, which a part has only once.

use alumet_core::ValueType;
use alumet_shared_batch_encoding::{Columns, ColumnsReader, ColumnsWriter, DecodeError, Place};

use crate::rows::{Resolution, Rows};

/// The most rows of a series in one part; of a series that has more, the next parts have them.
pub(crate) const MOST_ROWS: usize = 1 << 16;
/// The most chunks of a part: its index is read whole.
const MOST_CHUNKS: usize = 4096;
/// No part is larger before it is compressed, whatever is in it.
const MOST_BYTES: usize = 64 << 20;
/// With so many of the last lists of instants, those of a series are compared.
const RECENT: usize = 8;

/// Encodes parts.
pub(crate) struct PartWriter {
    columns: ColumnsWriter,
    resolution: Resolution,
    /// How many bytes a part has, about, before it is compressed.
    target: usize,
    /// How many instants each list has, and where it is.
    lists: Vec<(u64, Place)>,
    chunks: Vec<Chunk>,
    /// The last lists, for comparison; the number of the first of them is that of all lists minus their count.
    recent: Vec<Vec<i64>>,
    scratch: Vec<u64>,
    span: Option<(i64, i64)>,
    rows: u64,
}

/// Where the rows of a series are.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    series: u64,
    value_type: ValueType,
    list: usize,
    place: Place,
}

/// A part that is done.
pub(crate) struct Part {
    pub(crate) first_series: u64,
    pub(crate) last_series: u64,
    /// The first and the last instant.
    pub(crate) span: (i64, i64),
    pub(crate) rows: u64,
    pub(crate) bytes: std::sync::Arc<[u8]>,
}

impl PartWriter {
    pub(crate) fn new(resolution: Resolution, target: usize, level: i32) -> Self {
        Self {
            columns: ColumnsWriter::new(level),
            resolution,
            target,
            lists: Vec::new(),
            chunks: Vec::new(),
            recent: Vec::new(),
            scratch: Vec::new(),
            span: None,
            rows: 0,
        }
    }

    /// Appends at most [`MOST_ROWS`] rows of a series, whose number is not lower than that of the one before; they are in order of
    /// time. Gives the part if it is full.
    pub(crate) fn push(
        &mut self,
        series: u64,
        value_type: ValueType,
        times: &[i64],
        columns: &[&[u64]],
    ) -> Option<Part> {
        let (Some(first), Some(last)) = (times.first(), times.last()) else {
            return None;
        };
        let list = self.list(times);
        let place = self.columns.place();
        self.chunks.push(Chunk {
            series,
            value_type,
            list,
            place,
        });
        for (values, value_type) in columns.iter().zip(self.resolution.columns(value_type)) {
            self.scratch.clear();
            self.scratch.extend_from_slice(values);
            self.columns.write(&mut self.scratch, *value_type);
        }
        let (from, until) = self.span.unwrap_or((*first, *last));
        self.span = Some((from.min(*first), until.max(*last)));
        self.rows += times.len() as u64;
        let is_full = self.chunks.len() >= MOST_CHUNKS
            || self.columns.place().iter().sum::<usize>() + 8 * self.chunks.len() >= self.target;
        if is_full { self.finish() } else { None }
    }

    /// The number of the list with these instants.
    fn list(&mut self, times: &[i64]) -> usize {
        let first = self.lists.len() - self.recent.len();
        if let Some(known) = self.recent.iter().rposition(|list| list == times) {
            return first + known;
        }
        self.lists.push((times.len() as u64, self.columns.place()));
        self.scratch.clear();
        self.scratch.extend(times.iter().map(|at| at.cast_unsigned()));
        self.columns.write(&mut self.scratch, ValueType::I64);
        let mut list = match self.recent.len() {
            RECENT => self.recent.remove(0),
            _ => Vec::new(),
        };
        list.clear();
        list.extend_from_slice(times);
        self.recent.push(list);
        self.lists.len() - 1
    }

    /// What was appended since the last part.
    pub(crate) fn finish(&mut self) -> Option<Part> {
        let (first_series, last_series) = (self.chunks.first()?.series, self.chunks.last()?.series);
        let counts = [self.lists.len() as u64, self.chunks.len() as u64];
        self.columns.write_index(&mut counts.clone());
        let (lists, chunks) = (&self.lists, &self.chunks);
        let mut index = |values: &mut dyn Iterator<Item = u64>| {
            self.scratch.clear();
            self.scratch.extend(values);
            self.columns.write_index(&mut self.scratch);
        };
        index(&mut lists.iter().map(|(count, _)| *count));
        for stream in 0..3 {
            index(&mut lists.iter().map(|(_, place)| place[stream] as u64));
        }
        index(&mut chunks.iter().map(|chunk| chunk.series));
        index(&mut chunks.iter().map(|chunk| chunk.value_type as u64));
        index(&mut chunks.iter().map(|chunk| chunk.list as u64));
        for stream in 0..3 {
            index(&mut chunks.iter().map(|chunk| chunk.place[stream] as u64));
        }
        self.lists.clear();
        self.chunks.clear();
        self.recent.clear();
        Some(Part {
            first_series,
            last_series,
            span: self.span.take()?,
            rows: std::mem::take(&mut self.rows),
            bytes: self.columns.seal(),
        })
    }
}

/// A part that was opened.
pub(crate) struct OpenPart {
    columns: Columns,
    resolution: Resolution,
    lists: Vec<(u64, Place)>,
    chunks: Vec<Chunk>,
    /// The list that was read last.
    list: Option<(usize, Vec<i64>)>,
}

impl OpenPart {
    pub(crate) fn open(
        reader: &mut ColumnsReader,
        resolution: Resolution,
        bytes: &[u8],
    ) -> Result<Self, DecodeError> {
        let columns = reader.open(bytes, MOST_BYTES)?;
        let (lists, chunks) = read_index(&columns)?;
        Ok(Self {
            columns,
            resolution,
            lists,
            chunks,
            list: None,
        })
    }

    /// How many chunks there are.
    pub(crate) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// The series of a chunk, and the type of its values.
    pub(crate) fn series(&self, chunk: usize) -> (u64, ValueType) {
        (self.chunks[chunk].series, self.chunks[chunk].value_type)
    }

    /// The first chunk of a series or of a later one.
    pub(crate) fn find(&self, series: u64) -> usize {
        self.chunks.partition_point(|chunk| chunk.series < series)
    }

    /// Appends the rows of a chunk; none if there is an error.
    pub(crate) fn read(&mut self, chunk: usize, rows: &mut Rows) -> Result<(), DecodeError> {
        let Chunk {
            list,
            place,
            value_type,
            ..
        } = self.chunks[chunk];
        self.load(list)?;
        let times = self
            .list
            .as_ref()
            .map(|(_, times)| times.as_slice())
            .unwrap_or_default();
        let types = self.resolution.columns(value_type);
        rows.columns.resize_with(types.len(), Vec::new);
        let (start, end) = (rows.len(), rows.len() + times.len());
        let mut section = self.columns.data(place)?;
        for (column, value_type) in rows.columns.iter_mut().zip(types) {
            column.resize(end, 0);
            if let Err(error) = section.read(&mut column[start..], *value_type) {
                rows.columns.iter_mut().for_each(|column| column.truncate(start));
                return Err(error);
            }
        }
        rows.times.extend_from_slice(times);
        Ok(())
    }

    /// Reads a list of instants, if it is not the one that was read last.
    fn load(&mut self, number: usize) -> Result<(), DecodeError> {
        if self.list.as_ref().is_some_and(|(known, _)| *known == number) {
            return Ok(());
        }
        let (count, place) = *self.lists.get(number).ok_or(NO_SUCH_LIST)?;
        let mut bits = vec![0; count as usize];
        self.columns.data(place)?.read(&mut bits, ValueType::I64)?;
        self.list = Some((number, bits.into_iter().map(u64::cast_signed).collect()));
        Ok(())
    }
}

const NO_SUCH_LIST: DecodeError = DecodeError::Corrupt {
    what: "a chunk has instants that are not there",
    offset: 0,
};

type Index = (Vec<(u64, Place)>, Vec<Chunk>);

fn read_index(columns: &Columns) -> Result<Index, DecodeError> {
    let too_large = |what, found, limit: usize| DecodeError::TooLarge {
        what,
        found,
        limit: limit as u64,
    };
    let mut section = columns.index();
    let mut counts = [0; 2];
    section.read(&mut counts, ValueType::U64)?;
    if let Some(count) = counts.into_iter().find(|count| *count > MOST_CHUNKS as u64) {
        return Err(too_large("chunks of a part", count, MOST_CHUNKS));
    }
    let [list_count, chunk_count] = counts.map(|count| count as usize);
    let mut column = |count: usize| {
        let mut values = vec![0; count];
        section.read(&mut values, ValueType::U64).map(|()| values)
    };
    let lengths = column(list_count)?;
    if let Some(length) = lengths.iter().find(|length| **length > MOST_ROWS as u64) {
        return Err(too_large("rows of a chunk", *length, MOST_ROWS));
    }
    let list_places = [column(list_count)?, column(list_count)?, column(list_count)?];
    let (series, types) = (column(chunk_count)?, column(chunk_count)?);
    let list_numbers = column(chunk_count)?;
    let chunk_places = [column(chunk_count)?, column(chunk_count)?, column(chunk_count)?];
    let place =
        |columns: &[Vec<u64>; 3], index: usize| columns.each_ref().map(|column| column[index] as usize);
    let lists = lengths.iter().enumerate();
    let lists = lists.map(|(index, length)| (*length, place(&list_places, index)));
    let chunks = series.iter().enumerate().map(|(index, series)| Chunk {
        series: *series,
        value_type: match types[index] {
            0 => ValueType::U64,
            1 => ValueType::I64,
            _ => ValueType::F64,
        },
        list: list_numbers[index] as usize,
        place: place(&chunk_places, index),
    });
    Ok((lists.collect(), chunks.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_read_from_the_part_that_has_it() {
        let mut writer = PartWriter::new(Resolution::Raw, 2000, 1);
        let mut parts = Vec::new();
        let rows = |series: u64| {
            let times: Vec<i64> = (0..20)
                .map(|index| index * 1_000_000_007 + (series / 7) as i64)
                .collect();
            let values: Vec<u64> = (0..20).map(|index| series * 1_000_003 + index * index).collect();
            (times, values)
        };
        for series in 0..300 {
            let (times, values) = rows(series);
            parts.extend(writer.push(series, ValueType::U64, &times, &[&values]));
        }
        parts.extend(writer.finish());
        assert!(parts.len() > 1);
        let mut found = 0;
        for part in &parts {
            let mut open =
                OpenPart::open(&mut ColumnsReader::default(), Resolution::Raw, &part.bytes).unwrap();
            for series in part.first_series..=part.last_series {
                let chunk = open.find(series);
                assert_eq!(open.series(chunk), (series, ValueType::U64));
                let mut read = Rows::default();
                open.read(chunk, &mut read).unwrap();
                assert_eq!((read.times, read.columns[0].clone()), rows(series));
                found += 1;
            }
        }
        assert_eq!(found, 300);
    }

    #[test]
    fn the_instants_of_series_that_are_measured_together_are_there_once() {
        let mut writer = PartWriter::new(Resolution::Raw, usize::MAX, 1);
        let times: Vec<i64> = (0..1000_i64)
            .map(|index| index * index * 1_000_003 % 1_000_000_000_039)
            .collect();
        for series in 0..50 {
            assert!(
                writer
                    .push(series, ValueType::I64, &times, &[&[7; 1000]])
                    .is_none()
            );
        }
        let one = writer.finish().unwrap().bytes.len();
        assert!(one < 8 * 1000, "{one}");
    }
}
