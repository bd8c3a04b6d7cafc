use alumet_core::time::{Moment, Monotonic};
use alumet_core::{Timestamp, ValueType};

use super::KEPT_SAMPLES;
use super::groups::Groups;
use crate::column::{Streams, float, integer, runs};
use crate::decoder::Watermark;
use crate::error::DecodeError;

/// Reads the body of a payload into columns.
#[derive(Debug, Default)]
pub(crate) struct PayloadReader {
    groups: Groups,
    numbers: Vec<u32>,
    /// The group of each sample.
    group_of: Vec<u32>,
    timestamps: Vec<Timestamp>,
    /// The values group by group.
    grouped: Vec<u64>,
    corrections: Vec<u64>,
}

impl PayloadReader {
    /// Reads at most `limit` samples of a dictionary with that many entries; says how far their stream has come.
    ///
    /// `metric_of` gives the place of the metric of a series among the metrics, which have these `types`; `None` if the
    /// entry is no series.
    pub(crate) fn read(
        &mut self,
        body: &[u8],
        limit: usize,
        entries: u32,
        types: &[ValueType],
        metric_of: impl Fn(u32) -> Option<u32>,
    ) -> Result<Option<Watermark>, DecodeError> {
        let mut streams = Streams::new(body)?;
        let count = streams.head.count("samples of the batch", limit)?;
        self.begin(count);
        runs::read_series(&mut streams, count, entries, |number| {
            let metric = metric_of(number).ok_or(DecodeError::WrongEntry {
                index: number,
                expected: "series",
            })?;
            self.group_of.push(self.groups.add(metric, number));
            self.numbers.push(number);
            Ok(())
        })?;
        runs::read_timestamps(&mut streams, count, &mut self.timestamps)?;
        self.grouped.resize(count, 0);
        let mut rest = self.grouped.as_mut_slice();
        for group in self.groups.iter() {
            let (values, others) = rest.split_at_mut(group.count);
            rest = others;
            match types[group.metric as usize] {
                ValueType::F64 => float::read(values, &mut streams, &mut self.corrections)?,
                ValueType::U64 | ValueType::I64 => integer::read(values, &mut streams)?,
            }
        }
        let watermark = self.watermark(&mut streams)?;
        streams.finish()?;
        Ok(watermark)
    }

    fn watermark(&self, streams: &mut Streams<'_>) -> Result<Option<Watermark>, DecodeError> {
        if streams.head.left() == 0 {
            return Ok(None);
        }
        let last = self.timestamps.last().map_or(0, |last| last.as_nanos());
        let stream = streams.head.count("number of the stream", u32::MAX as usize)?;
        let wall = last.wrapping_add(streams.head.signed("wall clock of the stream")?);
        let monotonic = streams.head.varint("monotonic clock of the stream")?;
        Ok(Some(Watermark {
            // It is within the limit.
            stream: stream as u32,
            until: Moment {
                wall: Timestamp::from_nanos(wall),
                monotonic: Monotonic::from_nanos(monotonic),
            },
        }))
    }

    /// How many samples were read.
    pub(crate) const fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Gives the number of the series, the time and the value of each sample that was read, in their order.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (u32, Timestamp, u64)> {
        let mut places = self.groups.starts();
        let columns = self.numbers.iter().zip(&self.timestamps).zip(&self.group_of);
        columns.map(move |((&number, &timestamp), &group)| {
            let place = &mut places[group as usize];
            let bits = self.grouped[*place];
            *place += 1;
            (number, timestamp, bits)
        })
    }

    fn begin(&mut self, count: usize) {
        if self.grouped.capacity() > KEPT_SAMPLES.max(count) {
            *self = Self::default();
        }
        self.groups.clear();
        self.numbers.clear();
        self.group_of.clear();
        self.timestamps.clear();
        self.grouped.clear();
        // The columns grow as they are read: the count may be a lie.
    }
}
