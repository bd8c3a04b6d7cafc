use alumet_core::progress::Progress;
use alumet_core::{Timestamp, ValueType};

use super::KEPT_SAMPLES;
use super::groups::Groups;
use crate::bytes::{put_signed, put_varint};
use crate::column::{Order, Sink, float, integer, runs};

/// Collects the samples of one batch and writes the body of its payload.
#[derive(Debug, Default)]
pub(crate) struct PayloadWriter {
    groups: Groups,
    numbers: Vec<u32>,
    /// The group of each sample.
    group_of: Vec<u32>,
    timestamps: Vec<Timestamp>,
    bits: Vec<u64>,
    /// The values group by group.
    grouped: Vec<u64>,
    corrections: Vec<u64>,
    sink: Sink,
    /// The lengths of the parts, and the head.
    front: Vec<u8>,
}

impl PayloadWriter {
    /// Forgets the samples of the batch before, and makes room for `count`.
    pub(crate) fn begin(&mut self, count: usize) {
        if self.bits.capacity() > KEPT_SAMPLES.max(count) {
            *self = Self::default();
        }
        self.groups.clear();
        self.numbers.clear();
        self.group_of.clear();
        self.timestamps.clear();
        self.bits.clear();
        self.sink.clear();
        self.numbers.reserve(count);
        self.group_of.reserve(count);
        self.timestamps.reserve(count);
        self.bits.reserve(count);
    }

    /// Adds one sample of a series, whose metric has that place among the metrics of the dictionary.
    #[inline]
    pub(crate) fn push(&mut self, series: u32, metric: u32, timestamp: Timestamp, bits: u64) {
        self.group_of.push(self.groups.add(metric, series));
        self.numbers.push(series);
        self.timestamps.push(timestamp);
        self.bits.push(bits);
    }

    /// How many samples there are.
    pub(crate) const fn len(&self) -> usize {
        self.bits.len()
    }

    /// The first and the last time.
    pub(crate) fn time(&self) -> Option<(Timestamp, Timestamp)> {
        let first = self.timestamps.iter().min()?;
        let last = self.timestamps.iter().max()?;
        Some((*first, *last))
    }

    /// The parts of the body. The metric at each place has values of the type at this place.
    pub(crate) fn finish(&mut self, types: &[ValueType], progress: Option<Progress>) -> [&[u8]; 3] {
        put_varint(&mut self.sink.head, self.bits.len() as u64);
        runs::write_series(&self.numbers, &mut self.sink.head);
        runs::write_timestamps(&self.timestamps, &mut self.sink.head);
        self.group();
        let mut rest = self.grouped.as_mut_slice();
        for group in self.groups.iter() {
            let (values, others) = rest.split_at_mut(group.count);
            rest = others;
            match types[group.metric as usize] {
                ValueType::F64 => float::write(values, group.period, &mut self.sink, &mut self.corrections),
                integer => integer::write(values, group.period, Order::of(integer), &mut self.sink),
            }
        }
        if let Some(Progress { stream, until }) = progress {
            let last = self.timestamps.last().map_or(0, |last| last.as_nanos());
            let head = &mut self.sink.head;
            put_varint(head, stream.number().into());
            put_signed(head, until.wall.as_nanos().wrapping_sub(last));
            put_varint(head, until.monotonic.as_nanos());
        }
        self.front = self.sink.lengths();
        self.front.extend_from_slice(&self.sink.head);
        [&self.front, &self.sink.high, &self.sink.low]
    }

    /// Puts the values group by group.
    fn group(&mut self) {
        let mut places = self.groups.starts();
        self.grouped.clear();
        self.grouped.resize(self.bits.len(), 0);
        for (&group, &bits) in self.group_of.iter().zip(&self.bits) {
            let place = &mut places[group as usize];
            self.grouped[*place] = bits;
            *place += 1;
        }
    }
}
