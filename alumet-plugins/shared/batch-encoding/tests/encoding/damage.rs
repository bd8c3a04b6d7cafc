//! Bytes that are not what was written: an error or some samples, never a panic, never more than the limits.

use std::sync::LazyLock;

use crate::world::{Receiver, encoded, mixed_batch};
use alumet_core::Catalog;
use alumet_core::progress::{Progress, StreamId};
use alumet_core::spool::Definitions;
use alumet_core::time::Moment;
use alumet_shared_batch_encoding::{Encoded, Limits};
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    samples_per_batch: 5000,
    dictionary_entries: 100,
    dictionary_bytes: 100_000,
    metrics: 1000,
    definitions_bytes: 100_000,
    generations: 2,
    ..Limits::OF_AN_AGENT
};

/// A payload that is stored plain, and one that is compressed.
static SAMPLES: LazyLock<Vec<Encoded>> = LazyLock::new(|| {
    let here = Catalog::new();
    let all = [3, 24, 480].map(|count| {
        let (mut batch, _series) = mixed_batch(&here, count);
        if count == 24 {
            let (stream, until) = (StreamId::new(), Moment::default());
            batch.set_progress(Progress { stream, until });
        }
        encoded(&batch)
    });
    assert_eq!(all[0].payload[1], 0);
    assert_eq!(all[2].payload[1], 1);
    all.into()
});

/// Every way to change one byte or to cut the end off.
fn damaged(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cut = (0..bytes.len()).map(|end| bytes[..end].to_vec());
    let longer = [0, 1, 0xff].map(|more| [bytes, &[more]].concat());
    let changed = (0..bytes.len()).flat_map(|place| {
        [1_u8, 2, 4, 8, 16, 32, 64, 128, 0x7f, 0xff].map(|flip| {
            let mut changed = bytes.to_vec();
            changed[place] ^= flip;
            changed
        })
    });
    cut.chain(longer).chain(changed)
}

#[test]
fn a_damaged_payload_gives_an_error_or_some_samples() {
    for encoded in SAMPLES.iter() {
        let mut receiver = Receiver::with(LIMITS);
        receiver.define(encoded).unwrap();
        let mut into = receiver.catalog.batch();
        for payload in damaged(&encoded.payload) {
            let before = into.len();
            match receiver.decoder.decode(7, &payload, &mut into) {
                Ok(_) => assert!(into.len() >= before),
                Err(_) => assert_eq!(into.len(), before, "an error left samples behind"),
            }
            if into.len() > 10_000 {
                into = receiver.catalog.batch();
            }
        }
        // The decoder has not been disturbed.
        assert_eq!(receiver.take(encoded).unwrap().len(), encoded.samples as usize);
    }
}

#[test]
fn a_payload_that_is_cut_off_is_always_an_error() {
    for encoded in SAMPLES.iter() {
        let mut receiver = Receiver::with(LIMITS);
        receiver.define(encoded).unwrap();
        for end in 0..encoded.payload.len() {
            let mut into = receiver.catalog.batch();
            assert!(
                receiver
                    .decoder
                    .decode(7, &encoded.payload[..end], &mut into)
                    .is_err(),
                "{end}"
            );
        }
        let longer = [&encoded.payload[..], &[0]].concat();
        let mut into = receiver.catalog.batch();
        assert!(receiver.decoder.decode(7, &longer, &mut into).is_err());
    }
}

#[test]
fn damaged_definitions_are_taken_whole_or_not_at_all() {
    for encoded in SAMPLES.iter() {
        let definitions = encoded.definitions.as_ref().unwrap();
        for payload in damaged(&definitions.payload) {
            let mut receiver = Receiver::with(LIMITS);
            let damaged = Definitions {
                payload: payload.into(),
                ..definitions.clone()
            };
            let taken = receiver
                .decoder
                .define(&damaged, &receiver.catalog, &receiver.amendment);
            let defined = receiver.decoder.defined(7);
            assert_eq!(defined, if taken.is_ok() { definitions.count } else { 0 });
            // Whatever they mean now, the payload finds it or says that it does not.
            let mut into = receiver.catalog.batch();
            let _ = receiver.decoder.decode(7, &encoded.payload, &mut into);
        }
    }
}

#[test]
fn definitions_that_lie_about_their_place_are_refused() {
    let definitions = SAMPLES[0].definitions.clone().unwrap();
    let mut receiver = Receiver::with(LIMITS);
    for (first, count, what) in [
        (1, definitions.count, "a hole"),
        (0, definitions.count - 1, "something left"),
        (0, definitions.count + 1, "too few"),
        (0, u32::MAX, "too many"),
        (u32::MAX, u32::MAX, "too far"),
    ] {
        let lie = Definitions {
            first,
            count,
            ..definitions.clone()
        };
        assert!(
            receiver
                .decoder
                .define(&lie, &receiver.catalog, &receiver.amendment)
                .is_err(),
            "{what}"
        );
        assert_eq!(receiver.decoder.defined(7), 0, "{what}");
    }
}

/// Definitions with this body, not compressed.
fn definitions(count: u32, body: &[u8]) -> Definitions {
    Definitions {
        generation: 7,
        first: 0,
        count,
        payload: [&[1, 0], body].concat().into(),
    }
}

#[test]
fn a_series_of_something_that_is_no_metric_is_refused() {
    let metric = [0, 1, b'm', 0, 0, 1, b'1', 0, 0];
    let series = |metric: u8| [1, metric, 0, 0, 0, 0, 0];
    let mut receiver = Receiver::with(LIMITS);
    for (metric_number, accepted) in [(0, true), (1, false), (2, false), (3, false)] {
        let body = [metric.as_slice(), &series(0), &series(metric_number)].concat();
        let defined = receiver
            .decoder
            .define(&definitions(3, &body), &receiver.catalog, &receiver.amendment);
        receiver.decoder.forget_before(8);
        match defined {
            Ok(()) => assert!(accepted),
            Err(error) => {
                assert_eq!(
                    error.to_string(),
                    format!("entry {metric_number} of the dictionary is not a metric")
                );
                assert!(!accepted);
            }
        }
    }
}

#[test]
fn a_payload_that_names_a_metric_as_a_series_is_refused() {
    let here = Catalog::new();
    let (batch, _series) = mixed_batch(&here, 3);
    let encoded = encoded(&batch);
    let mut receiver = Receiver::with(LIMITS);
    receiver.define(&encoded).unwrap();
    // One sample of entry 0 at time 0 with value 0.
    let payload = [1, 0, 7, 0, 1, 0, 0, 0, 0, 0, 0];
    let mut into = receiver.catalog.batch();
    let error = receiver.decoder.decode(7, &payload, &mut into);
    assert_eq!(
        error.unwrap_err().to_string(),
        "entry 0 of the dictionary is not a series"
    );
}

#[test]
fn attributes_that_are_not_sorted_are_refused() {
    let metric = [0, 1, b'm', 0, 0, 1, b'1', 0, 0];
    for (keys, accepted) in [([b'a', b'b'], true), ([b'b', b'a'], false), ([b'a', b'a'], false)] {
        let series = [1, 0, 0, 0, 0, 0, 2, 1, keys[0], 4, 1, keys[1], 3];
        let body = [metric.as_slice(), &series].concat();
        let mut receiver = Receiver::with(LIMITS);
        let defined = receiver
            .decoder
            .define(&definitions(2, &body), &receiver.catalog, &receiver.amendment);
        assert_eq!(defined.is_ok(), accepted, "{defined:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_do_no_harm(body in prop::collection::vec(any::<u8>(), 0..200), compressed in 0_u8..2) {
        let valid = &SAMPLES[1];
        let mut receiver = Receiver::with(LIMITS);
        receiver.define(valid).unwrap();
        let payload = [&[1, compressed], body.as_slice()].concat();
        let mut into = receiver.catalog.batch();
        let _ = receiver.decoder.decode(7, &payload, &mut into);
        prop_assert!(into.len() <= LIMITS.samples_per_batch);
        let random = Definitions { generation: 8, first: 0, count: u32::from(body.len() as u8 % 9), payload: payload.into() };
        let _ = receiver.decoder.define(&random, &receiver.catalog, &receiver.amendment);
    }
}
