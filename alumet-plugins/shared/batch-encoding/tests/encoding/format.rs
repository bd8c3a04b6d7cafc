//! The bytes as the documentation of the crate describes them. Who changes them has to change the version.

use alumet_core::progress::{Progress, StreamId};
use alumet_core::spool::Definitions;
use alumet_core::time::{Moment, Monotonic};
use alumet_core::{Catalog, Timestamp, ValueType};

use crate::world::{Receiver, described, encoded, series};

#[rustfmt::skip]
const PAYLOAD: [u8; 27] = [
    1, 0, // version, not compressed
    21, 2, // lengths of the head and of the high planes
    4, // samples
    6, 5, 5, 1, // entries 3, 4, 5; then back to 3
    10, 3, // the time 5, four times
    0, 0x31, 0x80, 0x40, 0x80, 0x40, // no lag; one plane of 4096 + 8192 r
    0, 0x10, 1, // no lag; no plane: all are -1
    2, 0, 0x10, 10, 0, // decimals with one place, all 5; nothing to add
    0, 1, // the plane
];

fn metric_entry(number: u8, value_type: u8) -> Vec<u8> {
    let mut entry = vec![0, 8];
    entry.extend(b"metric_");
    entry.extend([b'0' + number, 0, value_type, 1, b'1', 0, 10]);
    entry.extend(b"For tests.");
    entry
}

fn series_entry(metric: u8) -> Vec<u8> {
    let mut entry = vec![1, metric, 13];
    entry.extend(b"local_machine");
    entry.extend([0, 7]);
    entry.extend(b"process");
    entry.extend([1, b'9', 0]);
    entry
}

#[test]
fn the_bytes_of_version_1_stay_what_they_are() {
    let here = Catalog::new();
    let types = [ValueType::U64, ValueType::I64, ValueType::F64];
    let all: Vec<_> = (0..3)
        .map(|index| series(&here, &format!("metric_{index}"), types[index], 9))
        .collect();
    let mut batch = here.batch();
    for (index, bits) in [(0, 4096), (1, u64::MAX), (2, 0.5_f64.to_bits()), (0, 3 * 4096)] {
        batch.push_bits(&all[index], Timestamp::from_nanos(5), bits);
    }
    let encoded = encoded(&batch);
    assert_eq!(*encoded.payload, PAYLOAD);

    let mut entries = vec![1, 0];
    (0..3).for_each(|metric| entries.extend(metric_entry(metric, metric)));
    (0..3).for_each(|metric| entries.extend(series_entry(metric)));
    let definitions = Definitions {
        generation: 7,
        first: 0,
        count: 6,
        payload: entries.into(),
    };
    // Entries that are alike are compressed, so that the bytes depend on the version of Zstandard.
    let written = encoded.definitions.unwrap();
    assert_eq!((written.first, written.count), (0, 6));

    let mut receiver = Receiver::new();
    receiver
        .decoder
        .define(&definitions, &receiver.catalog, &receiver.amendment)
        .unwrap();
    let mut copy = receiver.catalog.batch();
    receiver.decoder.decode(7, &PAYLOAD, &mut copy).unwrap();
    assert_eq!(described(&copy), described(&batch));
}

#[test]
fn how_far_a_stream_has_come_is_at_the_end_of_the_head() {
    let here = Catalog::new();
    let one = series(&here, "metric", ValueType::U64, 9);
    let mut batch = here.batch();
    batch.push_bits(&one, Timestamp::from_nanos(5), 0);
    let without = encoded(&batch).payload;
    let until = Moment {
        wall: Timestamp::from_nanos(3),
        monotonic: Monotonic::from_nanos(128),
    };
    let stream = StreamId::new();
    batch.set_progress(Progress { stream, until });
    // Less than 128 streams are made here; the wall clock is two before the last sample; 128 has two bytes.
    let number = u8::try_from(stream.number()).unwrap();
    let mut expected = without.to_vec();
    expected[2] += 4;
    expected.extend([number, 3, 0x80, 1]);
    assert_eq!(*encoded(&batch).payload, expected);
}
