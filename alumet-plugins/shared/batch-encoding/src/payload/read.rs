use alumet_core::time::{Moment, Monotonic};
use alumet_core::{Timestamp, ValueType};

use super::Samples;
use crate::column::{Streams, float, integer, runs};
use crate::decoder::{Decoded, Generation, Limits, Watermark};
use crate::error::DecodeError;

/// Reads the body of a payload into columns.
#[derive(Debug, Default)]
pub(crate) struct PayloadReader(Samples);

impl PayloadReader {
    /// Reads samples of the generation.
    pub(crate) fn read(
        &mut self,
        body: &[u8],
        limits: Limits,
        generation: &Generation,
    ) -> Result<Decoded, DecodeError> {
        let mut streams = Streams::new(body)?;
        let count = streams
            .head
            .count("samples of the batch", limits.samples_per_batch)?;
        if self.0.is_too_large(count) {
            self.0 = Samples::default();
        }
        let samples = &mut self.0;
        // The columns grow as they are read: the count may be a lie.
        samples.clear();
        let mut text_bytes = 0_u64;
        runs::read_series(&mut streams, count, generation.len(), |run| {
            text_bytes = text_bytes.saturating_add(generation.text_of(run));
            DecodeError::within("bytes of the batch as text", text_bytes, limits.text_per_batch)?;
            for number in run.numbers() {
                let metric = generation
                    .metric_of(number)
                    .ok_or_else(|| DecodeError::wrong_entry(number, "series"))?;
                samples.push_series(number, metric);
            }
            Ok(())
        })?;
        runs::read_timestamps(&mut streams, count, &mut samples.timestamps)?;
        samples.grouped.resize(count, 0);
        let mut rest = samples.grouped.as_mut_slice();
        for group in samples.groups.iter() {
            let (values, others) = rest.split_at_mut(group.count);
            rest = others;
            match generation.types[group.metric as usize] {
                ValueType::F64 => float::read(values, &mut streams, &mut samples.corrections)?,
                ValueType::U64 | ValueType::I64 => integer::read(values, &mut streams)?,
            }
        }
        let watermark = self.watermark(&mut streams)?;
        streams.finish()?;
        Ok(Decoded {
            watermark,
            text_bytes,
        })
    }

    fn watermark(&self, streams: &mut Streams<'_>) -> Result<Option<Watermark>, DecodeError> {
        if streams.head.left() == 0 {
            return Ok(None);
        }
        let last = self.0.timestamps.last().map_or(0, |last| last.as_nanos());
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
        self.0.numbers.len()
    }

    /// Gives the number of the series, the time and the value of each sample that was read, in their order.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (u32, Timestamp, u64)> {
        let samples = &self.0;
        let mut places = samples.groups.starts();
        let columns = samples.numbers.iter().zip(&samples.timestamps);
        let columns = columns.zip(&samples.group_of);
        columns.map(move |((&number, &timestamp), &group)| {
            let place = &mut places[group as usize];
            let bits = samples.grouped[*place];
            *place += 1;
            (number, timestamp, bits)
        })
    }
}
