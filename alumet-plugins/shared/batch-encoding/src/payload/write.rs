use alumet_core::progress::Progress;
use alumet_core::{Timestamp, ValueType};

use super::Samples;
use crate::bytes::{put_signed, put_varint};
use crate::column::{Order, Sink, float, integer, runs};

/// Collects the samples of one batch and writes the body of its payload.
#[derive(Debug, Default)]
pub(crate) struct PayloadWriter {
    samples: Samples,
    /// The values in the order of the samples.
    bits: Vec<u64>,
    sink: Sink,
    /// The lengths of the parts, and the head.
    front: Vec<u8>,
}

impl PayloadWriter {
    /// Forgets the samples of the batch before, and makes room for `count`.
    pub(crate) fn begin(&mut self, count: usize) {
        if self.samples.is_too_large(count) {
            *self = Self::default();
        }
        self.samples.clear();
        self.bits.clear();
        self.sink.clear();
        self.samples.numbers.reserve(count);
        self.samples.group_of.reserve(count);
        self.samples.timestamps.reserve(count);
        self.bits.reserve(count);
    }

    /// Adds one sample of a series, whose metric has that place among the metrics of the dictionary.
    #[inline]
    pub(crate) fn push(&mut self, series: u32, metric: u32, timestamp: Timestamp, bits: u64) {
        self.samples.push_series(series, metric);
        self.samples.timestamps.push(timestamp);
        self.bits.push(bits);
    }

    /// How many samples there are.
    pub(crate) const fn len(&self) -> usize {
        self.bits.len()
    }

    /// The first and the last time.
    pub(crate) fn time(&self) -> Option<(Timestamp, Timestamp)> {
        let first = self.samples.timestamps.iter().min()?;
        let last = self.samples.timestamps.iter().max()?;
        Some((*first, *last))
    }

    /// The parts of the body. The metric at each place has values of the type at this place.
    pub(crate) fn finish(&mut self, types: &[ValueType], progress: Option<Progress>) -> [&[u8]; 3] {
        let (samples, sink) = (&mut self.samples, &mut self.sink);
        put_varint(&mut sink.head, self.bits.len() as u64);
        runs::write_series(&samples.numbers, &mut sink.head);
        runs::write_timestamps(&samples.timestamps, &mut sink.head);
        samples.group(&self.bits);
        let mut rest = samples.grouped.as_mut_slice();
        for group in samples.groups.iter() {
            let (values, others) = rest.split_at_mut(group.count);
            rest = others;
            match types[group.metric as usize] {
                ValueType::F64 => float::write(values, group.period, sink, &mut samples.corrections),
                integer => integer::write(values, group.period, Order::of(integer), sink),
            }
        }
        if let Some(Progress { stream, until }) = progress {
            let last = samples.timestamps.last().map_or(0, |last| last.as_nanos());
            put_varint(&mut sink.head, stream.number().into());
            put_signed(&mut sink.head, until.wall.as_nanos().wrapping_sub(last));
            put_varint(&mut sink.head, until.monotonic.as_nanos());
        }
        self.front = sink.lengths();
        self.front.extend_from_slice(&sink.head);
        [&self.front, &self.sink.high, &self.sink.low]
    }
}

impl Samples {
    /// Puts the values group by group.
    fn group(&mut self, bits: &[u64]) {
        let mut places = self.groups.starts();
        self.grouped.resize(bits.len(), 0);
        for (&group, &bits) in self.group_of.iter().zip(bits) {
            let place = &mut places[group as usize];
            self.grouped[*place] = bits;
            *place += 1;
        }
    }
}
