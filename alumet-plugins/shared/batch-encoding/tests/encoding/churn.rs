//! Many series that live shortly: the dictionary stays small and every number means the right series.

use crate::world::{Receiver, batch_of, described, metric, series};
use alumet_core::series::SeriesKey;
use alumet_core::{Attributes, Catalog, Consumer, Resource, ValueType};
use alumet_shared_batch_encoding::{Encoder, Limits};

#[test]
fn short_lived_processes_never_mix_and_the_dictionary_stays_small() {
    let here = Catalog::new();
    let lasting: Vec<_> = (0..50)
        .map(|pid| series(&here, "lasting", ValueType::I64, pid))
        .collect();
    let mut encoder = Encoder::new(1);
    let mut receiver = Receiver::new();
    let mut generations = 1;
    let mut definition_bytes = 0;
    for round in 0..300_u32 {
        let mut all = lasting.clone();
        all.extend((0..1000).map(|pid| series(&here, "short", ValueType::U64, round * 1000 + pid)));
        let batch = batch_of(&here, &all);
        let encoded = encoder.encode(&batch);
        if encoded.generation > generations {
            assert_eq!(encoded.generation, generations + 1);
            generations = encoded.generation;
            assert_eq!(
                encoded.definitions.as_ref().unwrap().first,
                0,
                "a generation begins anew"
            );
            receiver.decoder.forget_before(generations);
        }
        definition_bytes += encoded.definitions.as_ref().map_or(0, |new| new.payload.len());
        let copy = receiver.take(&encoded).unwrap();
        if round % 50 == 0 || encoded.definitions.as_ref().is_some_and(|new| new.first == 0) {
            assert_eq!(described(&copy), described(&batch));
        }
        assert!(receiver.decoder.defined(generations) < 20_000);
        assert!(receiver.catalog.live_series() < 20_000);
    }
    assert!(generations > 12, "{generations}");
    assert!(definition_bytes < 6_000_000, "{definition_bytes}");
    assert!(
        receiver.catalog.series_slots() < 50_000,
        "{}",
        receiver.catalog.series_slots()
    );
}

#[test]
fn a_large_dictionary_of_living_series_is_kept() {
    let here = Catalog::new();
    let all: Vec<_> = (0..40_000)
        .map(|pid| series(&here, "metric", ValueType::U64, pid))
        .collect();
    let mut encoder = Encoder::new(9);
    let batch = batch_of(&here, &all);
    for _ in 0..3 {
        assert_eq!(encoder.encode(&batch).generation, 9);
    }
    drop((all, batch));
    assert_eq!(encoder.encode(&here.batch()).generation, 10);
}

#[test]
fn a_slot_that_serves_another_series_gets_another_number() {
    let here = Catalog::new();
    let mut encoder = Encoder::new(1);
    let mut receiver = Receiver::new();
    for pid in 0..200 {
        // Each batch is gone before the next series comes, so that its slot is free.
        let one = [series(&here, "metric", ValueType::U64, pid)];
        let batch = batch_of(&here, &one);
        let copy = receiver.take(&encoder.encode(&batch)).unwrap();
        assert_eq!(described(&copy), described(&batch));
    }
    assert!(here.series_slots() < 10);
}

#[test]
fn the_last_generation_there_can_be_is_not_left() {
    let here = Catalog::new();
    let mut encoder = Encoder::new(u32::MAX);
    let mut receiver = Receiver::new();
    for round in 0..40 {
        let all: Vec<_> = (0..1000)
            .map(|pid| series(&here, "metric", ValueType::U64, round * 1000 + pid))
            .collect();
        let encoded = encoder.encode(&batch_of(&here, &all));
        assert_eq!(encoded.generation, u32::MAX);
        assert_eq!(receiver.take(&encoded).unwrap().len(), 1000);
    }
}

#[test]
fn a_generation_that_is_forgotten_lets_its_series_retire() {
    let here = Catalog::new();
    let all: Vec<_> = (0..10)
        .map(|pid| series(&here, "metric", ValueType::U64, pid))
        .collect();
    let batch = batch_of(&here, &all);
    let mut receiver = Receiver::new();
    let old = Encoder::new(1).encode(&batch);
    receiver.take(&old).unwrap();
    receiver
        .take(&Encoder::new(2).encode(&batch_of(&here, &all[..3])))
        .unwrap();
    assert_eq!(receiver.catalog.live_series(), 10);
    receiver.decoder.forget_before(2);
    assert_eq!(receiver.catalog.live_series(), 3);
    assert_eq!(receiver.decoder.defined(1), 0);
    let mut into = receiver.catalog.batch();
    let error = receiver.decoder.decode(1, &old.payload, &mut into);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("is not defined: 0 entries"), "{error}");
}

#[test]
fn one_generation_too_many_lets_the_oldest_other_one_go() {
    let here = Catalog::new();
    let all: Vec<_> = (0..3)
        .map(|pid| series(&here, "metric", ValueType::U64, pid))
        .collect();
    let batch = batch_of(&here, &all);
    let mut receiver = Receiver::with(Limits {
        generations: 2,
        ..Limits::default()
    });
    let mut take = |generation| {
        let taken = receiver.take(&Encoder::new(generation).encode(&batch));
        assert_eq!(taken.unwrap().len(), 3);
        [1, 5, 6, 7].map(|generation| receiver.decoder.defined(generation) > 0)
    };
    take(5);
    assert_eq!(take(6), [false, true, true, false]);
    assert_eq!(take(7), [false, false, true, true]);
    // Somebody who reads from the beginning.
    assert_eq!(take(1), [true, false, false, true]);
}

#[test]
fn a_series_that_nobody_can_describe_is_left_out() {
    let here = Catalog::new();
    let lasting = series(&here, "metric", ValueType::U64, 0);
    let gone = batch_of(&here, &[series(&here, "metric", ValueType::U64, 1)]);
    let sample = gone.get(0).unwrap();
    drop(gone);
    // Makes the slot of the series free.
    drop(batch_of(&here, &[series(&here, "metric", ValueType::U64, 2)]));
    assert!(here.describe(sample.series).is_none());

    let mut batch = here.batch();
    batch.extend([sample; 3]);
    batch.push_bits(&lasting, sample.timestamp, 7);
    batch.extend([sample]);
    let encoded = Encoder::new(1).encode(&batch);
    assert_eq!(encoded.samples, 1);
    let copy = Receiver::new().take(&encoded).unwrap();
    assert_eq!(copy.bits(), [7]);
}

#[test]
fn however_long_its_names_are_the_dictionary_of_short_lived_series_fits_into_a_server() {
    let here = Catalog::new();
    let metric = here.register_metric(metric("short", ValueType::U64)).unwrap();
    let mut encoder = Encoder::new(1);
    let mut receiver = Receiver::with(Limits::OF_AN_AGENT);
    for round in 0..20_u32 {
        let all: Vec<_> = (0..1000)
            .map(|pid| {
                here.register(SeriesKey {
                    metric,
                    resource: Resource::LocalMachine,
                    consumer: Consumer::Process {
                        pid: round * 1000 + pid,
                    },
                    attributes: Attributes::EMPTY.with("cmdline", format!("{pid}{}", "x".repeat(1000))),
                })
            })
            .collect();
        receiver.take(&encoder.encode(&batch_of(&here, &all))).unwrap();
    }
}
