//! Batches on the way between programs: the first byte chooses damaged definitions, a damaged payload, or samples made of
//! the bytes, which must survive.

#![no_main]

use std::sync::LazyLock;

use alumet_core::metric::Quality;
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::spool::Definitions;
use alumet_core::{
    Attributes, Batch, Catalog, Consumer, Metric, MetricKind, Resource, Timestamp, Unit, ValueType,
};
use alumet_shared_batch_encoding::{Amendment, Decoder, Encoder, Limits};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    samples_per_batch: 10_000,
    dictionary_entries: 1000,
    dictionary_bytes: 1 << 20,
    metrics: 1000,
    definitions_bytes: 1 << 20,
    generations: 2,
    ..Limits::OF_AN_AGENT
};

/// A catalog with series of all types.
static HERE: LazyLock<(Catalog, Vec<SeriesHandle>)> = LazyLock::new(|| {
    let catalog = Catalog::new();
    let types = [ValueType::U64, ValueType::I64, ValueType::F64];
    let series = (0..16_usize).map(|index| {
        let metric = Metric {
            name: format!("metric_{}", index % 6).into(),
            kind: MetricKind::Gauge,
            value_type: types[index % 3],
            unit: Unit::ONE,
            description: "For fuzzing.".into(),
            quality: Quality::Measured,
        };
        catalog.register(SeriesKey {
            metric: catalog.register_metric(metric).expect("the same each time"),
            resource: Resource::LocalMachine,
            consumer: Consumer::Process { pid: index as u32 },
            attributes: Attributes::EMPTY,
        })
    });
    let series = series.collect();
    (catalog, series)
});

/// Encodes and decodes a batch of these samples: series, time, bits.
fn survive(samples: impl Iterator<Item = (u8, i64, u64)>) {
    let (catalog, series) = &*HERE;
    let mut batch = catalog.batch();
    for (index, time, bits) in samples {
        let one = &series[usize::from(index) % series.len()];
        batch.push_bits(one, Timestamp::from_nanos(time), bits);
    }
    let encoded = Encoder::new(1).encode(&batch);
    let mut decoder = Decoder::new(LIMITS);
    if let Some(definitions) = &encoded.definitions {
        decoder
            .define(definitions, catalog, &Amendment::default())
            .expect("what was encoded");
    }
    let mut copy = catalog.batch();
    decoder
        .decode(1, &encoded.payload, &mut copy)
        .expect("what was encoded");
    // In the same catalog the same series have the same ids.
    assert_eq!(copy.series(), batch.series());
    assert_eq!(copy.timestamps(), batch.timestamps());
    assert_eq!(copy.bits(), batch.bits());
}

/// A decoder that knows all series, for a payload that it did not expect.
fn decode(payload: &[u8]) {
    let (catalog, series) = &*HERE;
    let mut all: Batch = catalog.batch();
    series
        .iter()
        .for_each(|one| all.push_bits(one, Timestamp::default(), 0));
    let definitions = Encoder::new(1)
        .encode(&all)
        .definitions
        .expect("all series are new");
    let mut decoder = Decoder::new(LIMITS);
    decoder
        .define(&definitions, catalog, &Amendment::default())
        .expect("what was encoded");
    let mut into = catalog.batch();
    match decoder.decode(1, payload, &mut into) {
        Ok(_) => {
            // What can be read can be written.
            survive(into.samples().zip(into.bits()).map(|(sample, &bits)| {
                let index = series.iter().position(|one| one.id() == sample.series);
                (
                    index.expect("one of all series") as u8,
                    sample.timestamp.as_nanos(),
                    bits,
                )
            }));
        }
        Err(_) => assert!(into.is_empty()),
    }
}

/// Definitions that are taken can be sent on.
fn define(count: u8, payload: &[u8]) {
    let (here, there) = (Catalog::new(), Catalog::new());
    let mut decoder = Decoder::new(LIMITS);
    let definitions = Definitions {
        generation: 1,
        first: 0,
        count: count.into(),
        payload: payload.into(),
    };
    let defined = decoder.define(&definitions, &here, &Amendment::default());
    assert_eq!(decoder.defined(1), if defined.is_ok() { count.into() } else { 0 });
    let mut batch = here.batch();
    for number in 0..count {
        // One sample of entry `number`, in the layout of version 1, if it is a series.
        let head = [1, number << 1, 1, 0, 0];
        for column in [&[0, 0][..], &[0, 0, 0]] {
            let length = (head.len() + column.len()) as u8;
            let payload = [&[1, 0, length, 0], &head[..], column].concat();
            let _ = decoder.decode(1, &payload, &mut batch);
        }
    }
    let encoded = Encoder::new(2).encode(&batch);
    if let Some(definitions) = &encoded.definitions {
        Decoder::new(Limits::default())
            .define(definitions, &there, &Amendment::default())
            .expect("what was encoded");
        assert_eq!(there.metrics().is_empty(), batch.is_empty());
    }
}

fuzz_target!(|data: &[u8]| {
    match data {
        [0, count, payload @ ..] => define(*count, payload),
        [1, payload @ ..] => decode(payload),
        [_, samples @ ..] => survive(samples.chunks_exact(12).map(|bytes| {
            let word =
                |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            // Both ends of 64 bits are reached.
            let time = i64::from(word(0).cast_signed()) << (bytes[0] % 33);
            (
                bytes[1],
                time,
                u64::from(word(4)) << (bytes[2] % 33) | u64::from(word(8) >> (bytes[3] % 33).min(31)),
            )
        })),
        [] => {}
    }
});
