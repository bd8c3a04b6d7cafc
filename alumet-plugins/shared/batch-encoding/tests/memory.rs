//! How often memory is asked for, and how much of it.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

use std::ops::Range;

use alumet_core::metric::Quality;
use alumet_core::spool::Definitions;
use alumet_core::testkit::{Allocations, CountingAllocator};
use alumet_core::{Batch, Catalog, Consumer, Metric, MetricKind, Resource, Timestamp, Unit, ValueType};
use alumet_shared_batch_encoding::{Amendment, DecodeError, Decoder, Encoder, Limits};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn tick(catalog: &Catalog) -> Batch {
    let mut batch = catalog.batch();
    let types = [ValueType::U64, ValueType::I64, ValueType::F64];
    for index in 0..3000_usize {
        let metric = Metric {
            name: format!("metric_{}", index % 6).into(),
            kind: MetricKind::Gauge,
            value_type: types[index % 3],
            unit: Unit::ONE,
            description: "For tests.".into(),
            quality: Quality::Measured,
        };
        let key = alumet_core::series::SeriesKey {
            metric: catalog.register_metric(metric).unwrap(),
            resource: Resource::LocalMachine,
            consumer: Consumer::Process { pid: index as u32 },
            attributes: alumet_core::Attributes::EMPTY,
        };
        let series = catalog.register(key);
        let noise = (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        batch.push_bits(&series, Timestamp::from_nanos(1_800_000_000_000_000_000), noise);
    }
    batch
}

/// Entries of a dictionary, which begins with a metric; each series has a consumer and an attribute of its own, and so many
/// others.
fn entries(numbers: Range<u32>, count: u8, others: &[u8]) -> Vec<u8> {
    let mut body = vec![];
    for number in numbers {
        match number {
            0 => body.extend([0, 1, b'm', 0, 0, 1, b'1', 0, 0]),
            _ => {
                body.extend([1, 0, 0, 0, 1, b'c', 8]);
                body.extend(format!("{number:08}").bytes());
                body.extend([
                    count + 1,
                    1,
                    0,
                    0,
                    number as u8 | 0x80,
                    (number >> 7) as u8 | 0x80,
                    (number >> 14) as u8,
                ]);
                body.extend(others);
            }
        }
    }
    body
}

/// How much memory a client needs that defines as much as it may.
fn memory_of_all(limits: Limits, make: impl Fn(Range<u32>) -> Vec<u8>) -> usize {
    let catalog = Catalog::new();
    let (_decoder, cost) = Allocations::of(|| filled(limits, &catalog, make));
    cost.kept.cast_unsigned()
}

fn filled(limits: Limits, catalog: &Catalog, make: impl Fn(Range<u32>) -> Vec<u8>) -> Decoder {
    let mut decoder = Decoder::new(limits);
    for first in (0..).step_by(100) {
        let definitions = Definitions {
            generation: 1,
            first,
            count: 100,
            payload: [vec![1, 0], make(first..first + 100)].concat().into(),
        };
        let defined = decoder.define(&definitions, catalog, &Amendment::default());
        if let Err(error) = defined {
            assert!(matches!(error, DecodeError::TooLarge { .. }), "{error}");
            break;
        }
    }
    decoder
}

#[test]
fn a_dictionary_needs_no_more_than_its_limit_whatever_its_entries_are() {
    let limits = Limits::OF_AN_AGENT;
    let attributes = |count: u8, value: &[u8]| {
        let of = |key: u8| [&[1, key], value].concat();
        (count, (1..=count).flat_map(of).collect::<Vec<u8>>())
    };
    let long = [&[5, 0xc0, 0x07][..], &[b'x'; 960]].concat();
    let list = [&[6, 0xc0, 0x01][..], &[1; 192]].concat();
    for (what, (count, others)) in [
        ("nothing", attributes(0, &[])),
        ("flags", attributes(63, &[4])),
        ("empty texts", attributes(63, &[5, 0])),
        ("a long text", attributes(1, &long)),
        ("a list", attributes(1, &list)),
        ("a number", attributes(1, &[0, 1])),
    ] {
        let memory = memory_of_all(limits, |numbers| entries(numbers, count, &others));
        assert!(
            memory <= limits.dictionary_bytes * 5 / 4,
            "{what}: {memory} bytes"
        );
    }
    let metrics = memory_of_all(limits, |numbers| {
        let of = |number: u32| {
            let name = format!("{number:08}");
            [&[0, 8], name.as_bytes(), &[0, 0, 1, b'1', 0, 0]].concat()
        };
        numbers.flat_map(of).collect()
    });
    assert!(metrics <= limits.dictionary_bytes, "{metrics}");
}

#[test]
fn memory_is_asked_for_per_batch_not_per_sample_and_never_because_a_payload_says_so() {
    let (here, there) = (Catalog::new(), Catalog::new());
    let batch = tick(&here);
    let mut encoder = Encoder::new(1);
    let first = encoder.encode(&batch);
    let ((), cost) = Allocations::of(|| drop(encoder.encode(&batch)));
    assert!(cost.count <= 16, "{cost:?} to encode");

    let limits = Limits {
        samples_per_batch: 5000,
        ..Limits::default()
    };
    let mut decoder = Decoder::new(limits);
    decoder
        .define(&first.definitions.unwrap(), &there, &Amendment::default())
        .unwrap();
    let mut decode = |payload: &[u8]| {
        let mut into = there.batch();
        decoder.decode(1, payload, &mut into).map(|_| ())
    };
    decode(&first.payload).unwrap();
    let ((), cost) = Allocations::of(|| decode(&first.payload).unwrap());
    assert!(cost.count <= 8, "{cost:?} to decode");

    for place in 0..first.payload.len() {
        let mut damaged = first.payload.to_vec();
        damaged[place] = damaged[place].wrapping_add(0x7f);
        let ((), cost) = Allocations::of(|| drop(decode(&damaged)));
        assert!(cost.peak < 1_000_000, "{cost:?} because of byte {place}");
    }
    // A head that says 2^60 samples, and one that says 5000 and ends.
    for count in [&[0xff; 8][..], &[0x88, 0x27]] {
        let payload = [&[1, 0, count.len() as u8 + 1, 0], count, &[0x0f]].concat();
        let ((), cost) = Allocations::of(|| assert!(decode(&payload).is_err()));
        assert!(cost.peak < 200_000, "{cost:?}");
    }
}
