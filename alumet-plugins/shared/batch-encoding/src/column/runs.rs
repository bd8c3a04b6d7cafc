//! Series and timestamps: long runs in nearly every batch.

use alumet_core::Timestamp;

use super::Streams;
use crate::bytes::{put_signed, put_varint};
use crate::error::DecodeError;

/// Writes numbers of series as runs that stay the same or rise by one.
pub(crate) fn write_series(numbers: &[u32], out: &mut Vec<u8>) {
    let mut expected = 0_i64;
    let mut rest = numbers;
    while let Some(&first) = rest.first() {
        let step = u32::from(rest.get(1) != Some(&first));
        let follows = |pair: &[u32]| pair[1] == pair[0].wrapping_add(step);
        let length = 1 + rest.windows(2).take_while(|pair| follows(pair)).count();
        put_signed(out, i64::from(first) - expected);
        put_varint(out, (length as u64 - 1) << 1 | u64::from(step));
        expected = i64::from(rest[length - 1]) + 1;
        rest = &rest[length..];
    }
}

/// Numbers of series that stay the same or rise by one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) first: u32,
    /// 0 or 1.
    pub(crate) step: u32,
    pub(crate) count: u32,
}

impl Run {
    /// All of them, in their order.
    pub(crate) fn numbers(self) -> impl Iterator<Item = u32> {
        (0..self.count).map(move |place| self.first + place * self.step)
    }
}

/// Reads `count` numbers of series, all below `defined`, and gives each run to `take`.
pub(crate) fn read_series(
    streams: &mut Streams<'_>,
    count: usize,
    defined: u32,
    mut take: impl FnMut(Run) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let bytes = &mut streams.head;
    let mut expected = 0_i64;
    let mut left = count;
    while left > 0 {
        let difference = bytes.signed("the number of a series")?;
        let first = expected
            .checked_add(difference)
            .and_then(|first| u32::try_from(first).ok());
        let first = first.ok_or_else(|| bytes.corrupt("a series has an impossible number"))?;
        let run = bytes.varint("a run of series")?;
        let length = usize::try_from(run >> 1).unwrap_or(usize::MAX);
        if length >= left {
            return Err(bytes.corrupt("a run of series is longer than the batch"));
        }
        let step = (run & 1) as u32;
        let last = u64::from(first) + (run >> 1) * u64::from(step);
        if last >= u64::from(defined) {
            let index = u32::try_from(last).unwrap_or(u32::MAX);
            return Err(DecodeError::Unknown(format!(
                "series {} is not defined: {defined} entries of its dictionary are known; send the others first",
                first.max(defined).min(index)
            )));
        }
        take(Run {
            first,
            step,
            // The batch has no more samples than a `u32` can count.
            count: length as u32 + 1,
        })?;
        expected = last as i64 + 1;
        left -= length + 1;
    }
    Ok(())
}

/// Writes timestamps as runs of equal ones, an even distance apart.
pub(crate) fn write_timestamps(timestamps: &[Timestamp], out: &mut Vec<u8>) {
    let mut steps = Steps::default();
    let mut rest = timestamps;
    while let Some(&first) = rest.first() {
        let length = rest.iter().take_while(|timestamp| **timestamp == first).count();
        put_signed(out, steps.change(first.as_nanos()));
        put_varint(out, length as u64 - 1);
        rest = &rest[length..];
    }
}

/// Reads `count` timestamps to the end of `out`.
pub(crate) fn read_timestamps(
    streams: &mut Streams<'_>,
    count: usize,
    out: &mut Vec<Timestamp>,
) -> Result<(), DecodeError> {
    let bytes = &mut streams.head;
    let mut steps = Steps::default();
    let mut left = count;
    while left > 0 {
        let change = bytes.signed("a timestamp")?;
        let timestamp = Timestamp::from_nanos(steps.apply(change));
        let length = bytes.varint("a run of timestamps")?;
        let length = usize::try_from(length).ok().filter(|length| *length < left);
        let Some(length) = length else {
            return Err(bytes.corrupt("a run of timestamps is longer than the batch"));
        };
        out.resize(out.len() + length + 1, timestamp);
        left -= length + 1;
    }
    Ok(())
}

/// What the next timestamp is likely to be.
#[derive(Default)]
struct Steps {
    previous: i64,
    step: i64,
    begun: bool,
}

impl Steps {
    /// How much the step to `next` differs from the step before.
    fn change(&mut self, next: i64) -> i64 {
        let change = next.wrapping_sub(self.previous).wrapping_sub(self.step);
        self.apply(change);
        change
    }

    /// The next timestamp.
    fn apply(&mut self, change: i64) -> i64 {
        let step = self.step.wrapping_add(change);
        self.previous = self.previous.wrapping_add(step);
        // The way from zero to the first timestamp is no step.
        self.step = if self.begun { step } else { 0 };
        self.begun = true;
        self.previous
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn streams(head: &[u8]) -> Vec<u8> {
        let sink = super::super::Sink {
            head: head.to_vec(),
            ..Default::default()
        };
        [sink.lengths(), sink.head].concat()
    }

    fn series_survive(numbers: &[u32]) -> usize {
        let mut out = Vec::new();
        write_series(numbers, &mut out);
        let body = streams(&out);
        let mut read = Vec::new();
        let take = |run: Run| {
            read.extend(run.numbers());
            Ok(())
        };
        read_series(&mut Streams::new(&body).unwrap(), numbers.len(), u32::MAX, take).unwrap();
        assert_eq!(read, numbers);
        out.len()
    }

    fn timestamps_survive(nanos: &[i64]) -> usize {
        let timestamps: Vec<Timestamp> = nanos.iter().copied().map(Timestamp::from_nanos).collect();
        let mut out = Vec::new();
        write_timestamps(&timestamps, &mut out);
        let body = streams(&out);
        let mut read = Vec::new();
        read_timestamps(&mut Streams::new(&body).unwrap(), nanos.len(), &mut read).unwrap();
        assert_eq!(read, timestamps);
        out.len()
    }

    proptest! {
        #[test]
        fn any_series_survive(numbers in prop::collection::vec(prop_oneof![0_u32..8, 0..u32::MAX], 0..200)) {
            series_survive(&numbers);
        }

        #[test]
        fn any_timestamps_survive(nanos in prop::collection::vec(prop_oneof![any::<i64>(), 0_i64..3], 0..200)) {
            timestamps_survive(&nanos);
        }
    }

    #[test]
    fn a_tick_in_the_usual_order_costs_a_few_bytes() {
        assert!(series_survive(&(8..8008).collect::<Vec<u32>>()) <= 4);
        assert!(series_survive(&[77; 1000]) <= 4);
        assert!(timestamps_survive(&[1_800_000_000_123_456_789; 8000]) <= 11);
    }

    #[test]
    fn a_second_tick_costs_its_distance() {
        let first = 1_800_000_000_123_456_789;
        let ticks = [[first; 100], [first + 1_000_000_000; 100]].concat();
        assert!(timestamps_survive(&ticks) <= 16);
    }

    #[test]
    fn even_steps_cost_two_bytes_each() {
        let nanos: Vec<i64> = (0..1000)
            .map(|index| 1_800_000_000_000_000_000 + index * 1_000_000)
            .collect();
        assert!(timestamps_survive(&nanos) < 2020);
    }

    #[test]
    fn the_ends_of_time_survive() {
        timestamps_survive(&[i64::MIN, i64::MAX, i64::MIN, 0, i64::MAX, -1]);
    }

    #[test]
    fn the_first_series_that_is_not_defined_is_named() {
        let mut out = Vec::new();
        write_series(&[3, 4, 5, 6, 7], &mut out);
        let body = streams(&out);
        let error = read_series(&mut Streams::new(&body).unwrap(), 5, 6, |_| Ok(()));
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("series 6 is not defined: 6 entries"), "{error}");
    }

    #[test]
    fn a_run_longer_than_the_batch_is_refused() {
        let mut out = Vec::new();
        write_series(&[3, 4, 5], &mut out);
        let body = streams(&out);
        let error = read_series(&mut Streams::new(&body).unwrap(), 2, 100, |_| Ok(()));
        assert!(matches!(error, Err(DecodeError::Corrupt { .. })));
        let body = streams(&[2, 3]);
        let error = read_timestamps(&mut Streams::new(&body).unwrap(), 3, &mut Vec::new());
        assert!(matches!(error, Err(DecodeError::Corrupt { .. })));
    }
}
