//! Whatever is encoded is decoded to the same, in the same order.

use crate::world::{Receiver, batch_of, described, encoded, mixed_batch, series};
use alumet_core::progress::{Progress, StreamId};
use alumet_core::time::{Moment, Monotonic};
use alumet_core::{Catalog, Timestamp, ValueType};
use alumet_shared_batch_encoding::{Encoder, Watermark, WholeDictionary, WholeEncoder};
use proptest::prelude::*;

/// Which series, when, which bits.
fn sample() -> impl Strategy<Value = (usize, i64, u64)> {
    let time = prop_oneof![any::<i64>(), 0_i64..4, Just(i64::MIN), Just(i64::MAX)];
    let bits = prop_oneof![
        any::<u64>(),
        0_u64..200,
        (0_u64..1 << 20).prop_map(|pages| pages * 4096),
        any::<f64>().prop_map(f64::to_bits),
        (0_u32..1_000_000).prop_map(|hundredths| (f64::from(hundredths) / 100.0).to_bits()),
        Just(f64::NAN.to_bits() | 1),
        Just((-0.0_f64).to_bits()),
    ];
    (0_usize..30, time, bits)
}

proptest! {
    #[test]
    fn any_batches_survive(batches in prop::collection::vec(
        (prop::collection::vec(sample(), 0..80), prop::option::of(any::<(i64, u64)>())),
        1..5,
    )) {
        let here = Catalog::new();
        let types = [ValueType::U64, ValueType::I64, ValueType::F64];
        let all: Vec<_> = (0..30)
            .map(|index| series(&here, &format!("metric_{}", index % 6), types[index % 3], index as u32))
            .collect();
        let mut encoder = Encoder::new(3);
        let mut twin = Encoder::new(3);
        let mut receiver = Receiver::new();
        for (samples, until) in batches {
            let mut batch = here.batch();
            for (index, time, bits) in samples {
                batch.push_bits(&all[index], Timestamp::from_nanos(time), bits);
            }
            let watermark = until.map(|(wall, monotonic)| {
                let until = Moment {
                    wall: Timestamp::from_nanos(wall),
                    monotonic: Monotonic::from_nanos(monotonic),
                };
                let stream = StreamId::new();
                batch.set_progress(Progress { stream, until });
                Watermark { stream: stream.number(), until }
            });
            let encoded = encoder.encode(&batch);
            prop_assert_eq!(&encoded.payload, &twin.encode(&batch).payload, "encoding depends on more than the batches");
            prop_assert_eq!(encoded.checksum, crc32fast::hash(&encoded.payload));
            let times = batch.timestamps().iter().copied();
            prop_assert_eq!(encoded.time, times.clone().min().zip(times.max()));
            let (copy, found) = receiver.take_with_watermark(&encoded).unwrap();
            prop_assert_eq!(described(&copy), described(&batch));
            prop_assert_eq!(found, watermark);
        }
    }
}

#[test]
fn batches_that_bring_all_definitions_are_read_alone_and_do_not_depend_on_those_before() {
    let here = Catalog::new();
    let (batch, _series) = mixed_batch(&here, 100);
    let part = |places: std::ops::Range<usize>| {
        let mut part = here.batch();
        part.extend(batch.samples().skip(places.start).take(places.len()));
        part
    };
    // The same series, some of them, others, and in another order.
    let mut turned = part(50..100);
    turned.extend(batch.samples().take(50));
    let parts = [
        part(0..100),
        part(0..100),
        part(0..50),
        part(50..100),
        turned,
        part(0..100),
    ];
    let (mut encoder, mut dictionary) = (WholeEncoder::new(), WholeDictionary::default());
    for part in parts {
        let first = Encoder::new(0).encode(&part);
        let whole = encoder.encode(&part, &mut dictionary);
        assert_eq!(
            (&whole.definitions, &whole.payload),
            (&first.definitions, &first.payload)
        );
        assert_eq!(
            described(&Receiver::new().take(&whole).unwrap()),
            described(&part)
        );
    }
    // Others share the encoder, and none of their series.
    let mut other = WholeDictionary::default();
    for part in [part(0..50), part(0..50)] {
        let first = Encoder::new(0).encode(&part);
        encoder.encode(&batch, &mut dictionary);
        assert_eq!(encoder.encode(&part, &mut other).payload, first.payload);
    }
}

#[test]
fn a_batch_without_samples_costs_a_few_bytes() {
    let here = Catalog::new();
    let encoded = encoded(&here.batch());
    assert!(encoded.definitions.is_none() && encoded.time.is_none());
    assert!(encoded.payload.len() <= 6);
    assert!(Receiver::new().take(&encoded).unwrap().is_empty());
}

#[test]
fn what_was_in_the_batch_before_stays_in_front() {
    let here = Catalog::new();
    let (batch, _series) = mixed_batch(&here, 50);
    let encoded = encoded(&batch);
    let mut receiver = Receiver::new();
    let mut copy = receiver.take(&encoded).unwrap();
    receiver.decoder.decode(7, &encoded.payload, &mut copy).unwrap();
    let (once, twice) = (described(&batch), described(&copy));
    assert_eq!(twice, [once.clone(), once].concat());
}

#[test]
fn a_payload_needs_only_the_dictionary() {
    let here = Catalog::new();
    let (batch, _series) = mixed_batch(&here, 500);
    let mut encoder = Encoder::new(1);
    let first = encoder.encode(&batch);
    let others: Vec<_> = (0..5).map(|_| encoder.encode(&batch)).collect();
    assert!(
        others
            .iter()
            .all(|encoded| encoded.definitions.is_none() && encoded.payload == first.payload)
    );
    let mut receiver = Receiver::new();
    receiver.define(&first).unwrap();
    assert_eq!(described(&receiver.take(&others[4]).unwrap()), described(&batch));
}

#[test]
fn series_that_come_together_get_numbers_that_follow_each_other() {
    let here = Catalog::new();
    let all: Vec<_> = (0..8000)
        .map(|index| series(&here, &format!("metric_{}", index % 8), ValueType::U64, index / 8))
        .collect();
    let mut batch = here.batch();
    for one in &all {
        batch.push_bits(one, Timestamp::from_nanos(1_800_000_000_000_000_000), 0);
    }
    let encoded = encoded(&batch);
    assert!(encoded.payload.len() < 60, "{} bytes", encoded.payload.len());
}

#[test]
fn ten_samples_are_smaller_than_their_numbers() {
    let here = Catalog::new();
    let all: Vec<_> = (0..10)
        .map(|pid| series(&here, "metric", ValueType::U64, pid))
        .collect();
    let encoded = encoded(&batch_of(&here, &all));
    assert!(encoded.payload.len() < 80, "{} bytes", encoded.payload.len());
}

#[test]
fn a_payload_without_its_definitions_names_what_is_missing() {
    let here = Catalog::new();
    let (batch, _series) = mixed_batch(&here, 12);
    let mut receiver = Receiver::new();
    let mut into = receiver.catalog.batch();
    let error = receiver.decoder.decode(7, &encoded(&batch).payload, &mut into);
    // The first three entries are the metrics.
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("series 3 is not defined: 0 entries"), "{error}");
}
