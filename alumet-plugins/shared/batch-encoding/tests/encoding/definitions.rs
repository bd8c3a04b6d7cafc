//! What a series is survives the way to another program.

use crate::world::{Receiver, batch_of, described, encoded, metric, mixed_batch, series};
use alumet_core::metric::Quality;
use alumet_core::series::SeriesKey;
use alumet_core::spool::Definitions;
use alumet_core::unit::{BaseUnit, Prefix};
use alumet_core::{
    AttributeValue, Attributes, Catalog, Consumer, Metric, MetricKind, Resource, Timestamp, Unit, ValueType,
};
use alumet_shared_batch_encoding::{Amendment, DecodeError, Encoder, Limits};
use proptest::prelude::*;

/// Sends one sample of each series, and compares what arrives.
fn survive(metrics: &[Metric], keys: &[(Resource, Consumer, Attributes)]) {
    let here = Catalog::new();
    let mut handles = Vec::new();
    for metric in metrics {
        let metric = here.register_metric_or_rename(metric.clone(), "x");
        for (resource, consumer, attributes) in keys.iter().cloned() {
            handles.push(here.register(SeriesKey {
                metric,
                resource,
                consumer,
                attributes,
            }));
        }
    }
    let batch = batch_of(&here, &handles);
    let mut receiver = Receiver::new();
    let copy = receiver.take(&encoded(&batch)).unwrap();
    assert_eq!(copy.len(), handles.len());
    for (sent, came) in batch.series().iter().zip(copy.series()) {
        let sent = here.describe(*sent).unwrap();
        let came = receiver.catalog.describe(*came).unwrap();
        assert_eq!(*sent.metric, *came.metric);
        assert_eq!(sent.resource(), came.resource());
        assert_eq!(sent.consumer(), came.consumer());
        assert_eq!(sent.attributes(), came.attributes());
    }
}

fn plain_keys() -> Vec<(Resource, Consumer, Attributes)> {
    vec![(Resource::LocalMachine, Consumer::LocalMachine, Attributes::EMPTY)]
}

#[test]
fn every_kind_type_quality_and_unit_survives() {
    let mut metrics = Vec::new();
    let bases = BaseUnit::KNOWN
        .into_iter()
        .chain(
            ["g{CO2eq}", "J", "{page}", "", "kJ"].map(|code| BaseUnit::Custom {
                code: code.into(),
                symbol: code.into(),
            }),
        );
    let units: Vec<Unit> = bases
        .flat_map(|base| Prefix::ALL.map(|prefix| Unit::plain(base.clone()).with_prefix(prefix)))
        .collect();
    for (index, unit) in units.into_iter().enumerate() {
        for kind in [MetricKind::Gauge, MetricKind::Delta, MetricKind::Counter] {
            metrics.push(Metric {
                name: format!("metric_{index}_{kind}").into(),
                kind,
                value_type: [ValueType::U64, ValueType::I64, ValueType::F64][index % 3],
                unit: unit.clone(),
                description: "ü \n\0".into(),
                quality: [Quality::Measured, Quality::Modelled, Quality::Estimated][index / 3 % 3],
            });
        }
    }
    survive(&metrics, &plain_keys());
}

#[test]
fn every_resource_and_consumer_survives() {
    let mut keys = Vec::new();
    for kind in Resource::KINDS.iter().copied().chain(["disk", ""]) {
        for id in ["", "0", "007", "4294967295", "00000000:65:00.0", "a/1", "ü \n"] {
            keys.push((Resource::new(kind, id), Consumer::LocalMachine, Attributes::EMPTY));
        }
    }
    for kind in Consumer::KINDS.iter().copied().chain(["vm", ""]) {
        for id in ["", "1", "x", "/user.slice/user-1000.slice", "ü \n"] {
            keys.push((Resource::LocalMachine, Consumer::new(kind, id), Attributes::EMPTY));
        }
    }
    survive(&[metric("metric", ValueType::U64)], &keys);
}

fn attribute_value() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        any::<u64>().prop_map(AttributeValue::U64),
        any::<i64>().prop_map(AttributeValue::I64),
        any::<u64>().prop_map(|bits| AttributeValue::F64(f64::from_bits(bits))),
        any::<bool>().prop_map(AttributeValue::Bool),
        any::<String>().prop_map(AttributeValue::from),
        prop::collection::vec(any::<u64>(), 0..5).prop_map(AttributeValue::from),
    ]
}

proptest! {
    #[test]
    fn any_attributes_and_texts_survive(
        sets in prop::collection::vec(prop::collection::vec((".{0,3}", attribute_value()), 0..6), 1..6),
        resource in (".{0,5}", ".{0,5}"),
        name in ".{0,9}",
        description in ".{0,30}",
    ) {
        let mut metric = metric(&name, ValueType::F64);
        metric.description = description.into();
        let resource = Resource::new(&resource.0, &resource.1);
        let keys: Vec<_> = sets
            .into_iter()
            .map(|set| (resource.clone(), Consumer::LocalMachine, set.into_iter().collect::<Attributes>()))
            .collect();
        survive(&[metric], &keys);
    }
}

#[test]
fn a_receiver_adds_its_attributes_and_keeps_those_of_the_sender() {
    let here = Catalog::new();
    let id = here.register_metric(metric("metric", ValueType::U64)).unwrap();
    let key = |attributes| SeriesKey {
        metric: id,
        resource: Resource::LocalMachine,
        consumer: Consumer::LocalMachine,
        attributes,
    };
    let sets = [
        Attributes::EMPTY,
        Attributes::EMPTY.with("cpu", 1_u64),
        Attributes::EMPTY.with("cpu", 1_u64).with("node", "elsewhere"),
    ];
    let handles: Vec<_> = sets.into_iter().map(|set| here.register(key(set))).collect();
    let mut receiver = Receiver::new();
    receiver.amendment.attributes = Attributes::from_iter([("node", "node1")]);
    let copy = receiver.take(&encoded(&batch_of(&here, &handles))).unwrap();
    let attributes: Vec<String> = copy
        .series()
        .iter()
        .map(|id| receiver.catalog.describe(*id).unwrap().attributes().to_string())
        .collect();
    assert_eq!(
        attributes,
        ["{node=node1}", "{cpu=1, node=node1}", "{cpu=1, node=elsewhere}"]
    );
    // Unless each series has to be its own.
    let mut receiver = Receiver::new();
    receiver.amendment = Amendment {
        attributes: Attributes::EMPTY.with("node", "node1"),
        is_exclusive: true,
        ..Amendment::default()
    };
    let refused = receiver.define(&encoded(&batch_of(&here, &handles)));
    let (key, found) = ("node".to_owned(), "elsewhere".to_owned());
    assert_eq!(refused, Err(DecodeError::Foreign { key, found }));
    assert_eq!(receiver.decoder.defined(7), 0);
    assert_eq!(
        receiver
            .take(&encoded(&batch_of(&here, &handles[..2])))
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_metric_that_means_something_else_here_gets_the_suffix() {
    let here = Catalog::new();
    let sent = series(&here, "load", ValueType::F64, 1);
    let mut batch = here.batch();
    batch.push_bits(&sent, Timestamp::from_nanos(1), 0.5_f64.to_bits());
    let mut receiver = Receiver::new();
    receiver.amendment = Amendment {
        metric_suffix: "node1".to_owned(),
        ..Amendment::default()
    };
    receiver
        .catalog
        .register_metric(metric("load", ValueType::U64))
        .unwrap();
    let copy = receiver.take(&encoded(&batch)).unwrap();
    let info = receiver.catalog.describe(copy.series()[0]).unwrap();
    assert_eq!(info.metric.name, "load_node1");
    assert_eq!(copy.get(0).unwrap().value(), alumet_core::Value::F64(0.5));
}

#[test]
fn definitions_that_are_known_are_skipped_and_a_hole_is_refused() {
    let here = Catalog::new();
    let mut encoder = Encoder::new(1);
    let mut handles = Vec::new();
    let mut sent: Vec<Definitions> = Vec::new();
    for pid in 0..3 {
        handles.push(series(&here, "metric", ValueType::U64, pid));
        sent.extend(encoder.encode(&batch_of(&here, &handles)).definitions);
    }
    let ranges: Vec<_> = sent.iter().map(|one| (one.first, one.count)).collect();
    assert_eq!(ranges, [(0, 2), (2, 1), (3, 1)]);

    let mut receiver = Receiver::new();
    let Receiver {
        catalog,
        decoder,
        amendment,
    } = &mut receiver;
    let error = decoder.define(&sent[1], catalog, amendment).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the definitions begin at 2, but the next one is 0;"),
        "{error}"
    );
    for one in [&sent[0], &sent[0], &sent[1], &sent[0], &sent[2], &sent[1]] {
        decoder.define(one, catalog, amendment).unwrap();
    }
    assert_eq!(decoder.defined(1), 4);
    assert_eq!(decoder.defined(2), 0);
    let batch = batch_of(&here, &handles);
    assert_eq!(
        described(&receiver.take(&encoder.encode(&batch)).unwrap()),
        described(&batch)
    );
}

#[test]
fn definitions_that_overlap_with_known_ones_add_the_rest() {
    let here = Catalog::new();
    let handles: Vec<_> = (0..5)
        .map(|pid| series(&here, "metric", ValueType::U64, pid))
        .collect();
    // One encoder says everything at once, the other one in two steps; the entries are the same.
    let all = encoded(&batch_of(&here, &handles));
    let part = encoded(&batch_of(&here, &handles[..2]));
    let mut receiver = Receiver::new();
    receiver.define(&part).unwrap();
    assert_eq!(receiver.decoder.defined(7), 3);
    assert_eq!(receiver.take(&all).unwrap().len(), 5);
    assert_eq!(receiver.catalog.live_series(), 5);
}

#[test]
fn each_limit_of_the_dictionary_is_kept_and_nothing_is_taken_beyond_it() {
    let here = Catalog::new();
    let (batch, _series) = mixed_batch(&here, 12);
    let encoded = encoded(&batch);
    let fits = Limits {
        dictionary_entries: 15,
        metrics: 3,
        samples_per_batch: 12,
        ..Limits::default()
    };
    assert!(Receiver::with(fits).take(&encoded).is_ok());
    for (limits, expected) in [
        (
            Limits {
                dictionary_entries: 14,
                ..fits
            },
            "entries of the dictionary",
        ),
        (
            Limits {
                dictionary_bytes: 100,
                ..fits
            },
            "bytes of the dictionary",
        ),
        (Limits { metrics: 2, ..fits }, "metrics"),
        (
            Limits {
                payload_bytes: 100,
                ..fits
            },
            "bytes of the body",
        ),
        (
            Limits {
                samples_per_batch: 11,
                ..fits
            },
            "samples of the batch",
        ),
    ] {
        let mut receiver = Receiver::with(limits);
        match receiver.take(&encoded).unwrap_err() {
            DecodeError::TooLarge { what, found, limit } => {
                assert_eq!(what, expected);
                assert!(found > limit);
            }
            error => panic!("{error}"),
        }
        if expected != "samples of the batch" {
            assert_eq!(receiver.decoder.defined(7), 0);
            assert_eq!(
                receiver.catalog.live_series() + receiver.catalog.metrics().len(),
                0
            );
        }
    }
}

#[test]
fn definitions_in_small_pieces_stay_below_the_limits_together() {
    let metrics = Limits {
        metrics: 3,
        ..Limits::default()
    };
    // A metric and a series have about 60 bytes.
    let bytes = Limits {
        dictionary_bytes: 200,
        ..Limits::default()
    };
    for (limits, expected) in [(metrics, "metrics"), (bytes, "bytes of the dictionary")] {
        let here = Catalog::new();
        let mut encoder = Encoder::new(1);
        let mut receiver = Receiver::with(limits);
        let mut handles = Vec::new();
        for index in 0..4 {
            handles.push(series(&here, &format!("metric_{index}"), ValueType::U64, 1));
            let defined = receiver.define(&encoder.encode(&batch_of(&here, &handles)));
            match defined {
                Ok(()) => assert!(index < 3, "{expected}"),
                Err(DecodeError::TooLarge { what, .. }) => assert_eq!((what, index), (expected, 3)),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
