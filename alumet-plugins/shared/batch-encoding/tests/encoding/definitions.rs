//! What a series is survives the way to another program.

use crate::world::{Receiver, batch_of, described, encoded, metric, mixed_batch, series};
use alumet_core::metric::Quality;
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::spool::Definitions;
use alumet_core::unit::{BaseUnit, Prefix};
use alumet_core::{
    AttributeValue, Attributes, Batch, Catalog, Consumer, Metric, MetricKind, Resource, Unit, ValueType,
};
use alumet_shared_batch_encoding::{Amendment, DecodeError, Decoder, Encoded, Encoder, Limits};
use proptest::prelude::*;

/// Sends one sample of each series, and compares what arrives.
fn survive(metrics: &[Metric], keys: &[(Resource, Consumer, Attributes)]) {
    let here = Catalog::new();
    let mut handles = Vec::new();
    for metric in metrics {
        let (metric, _held) = here.admit_metric(metric.clone());
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
fn a_metric_keeps_its_name_and_unit_whoever_else_defines_that_name_and_whoever_comes_first() {
    let load = |unit: Unit| {
        let here = Catalog::new();
        let metric = Metric {
            unit,
            ..metric("load", ValueType::F64)
        };
        let series = here.register(SeriesKey {
            metric: here.register_metric(metric).unwrap(),
            resource: Resource::LocalMachine,
            consumer: Consumer::LocalMachine,
            attributes: Attributes::EMPTY,
        });
        encoded(&batch_of(&here, &[series]))
    };
    let catalog = Catalog::new();
    for unit in [Unit::JOULE, Unit::ONE, Unit::WATT, Unit::JOULE] {
        let sent = load(unit.clone());
        let mut decoder = Decoder::new(Limits::OF_AN_AGENT);
        let definitions = sent.definitions.unwrap();
        decoder
            .define(&definitions, &catalog, &Amendment::default())
            .unwrap();
        let mut batch = catalog.batch();
        decoder
            .decode(sent.generation, &sent.payload, &mut batch)
            .unwrap();
        let info = catalog.describe(batch.series()[0]).unwrap();
        assert_eq!((&*info.metric.name, &info.metric.unit), ("load", &unit));
    }
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
fn each_limit_is_kept_and_nothing_is_taken_beyond_it() {
    let here = Catalog::new();
    let (batch, _series) = mixed_batch(&here, 12);
    let encoded = encoded(&batch);
    let fits = Limits {
        dictionary_entries: 15,
        metrics: 3,
        samples_per_batch: 12,
        text_per_batch: 12 * 60,
        entry_bytes: 60,
        dictionary_bytes: 15 * (256 + 60),
        ..Limits::OF_AN_AGENT
    };
    assert!(Receiver::with(fits).take(&encoded).is_ok());
    let less = |change: fn(&mut Limits)| {
        let mut limits = fits;
        change(&mut limits);
        limits
    };
    for (limits, expected) in [
        (
            less(|limits| limits.dictionary_entries = 14),
            "entries of the dictionary",
        ),
        (
            less(|limits| limits.dictionary_bytes = 15 * 256),
            "bytes of the dictionary",
        ),
        (less(|limits| limits.metrics = 2), "metrics"),
        (less(|limits| limits.entry_bytes = 30), "bytes of a series"),
        (less(|limits| limits.entry_bytes = 10), "bytes of a metric"),
        (less(|limits| limits.definitions_bytes = 100), "bytes of the body"),
        (
            less(|limits| limits.samples_per_batch = 11),
            "samples of the batch",
        ),
        (
            less(|limits| limits.text_per_batch = 12 * 20),
            "bytes of the batch as text",
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
        if !expected.contains("the batch") {
            assert_eq!(receiver.decoder.defined(7), 0);
            assert_eq!(
                receiver.catalog.live_series() + receiver.catalog.metrics().len(),
                0
            );
        }
    }
}

#[test]
fn definitions_in_small_pieces_or_in_several_generations_stay_below_the_limits_together() {
    let metrics = Limits {
        metrics: 3,
        ..Limits::default()
    };
    // A metric and a series need about 570 bytes.
    let bytes = Limits {
        dictionary_bytes: 1800,
        ..Limits::default()
    };
    let entries = Limits {
        dictionary_entries: 6,
        ..Limits::default()
    };
    for (limits, expected) in [
        (metrics, "metrics"),
        (bytes, "bytes of the dictionary"),
        (entries, "entries of the dictionary"),
    ] {
        for new_generations in [false, true] {
            let here = Catalog::new();
            let mut encoder = Encoder::new(1);
            let mut receiver = Receiver::with(limits);
            let mut handles = Vec::new();
            for index in 0..4_u32 {
                if new_generations {
                    encoder = Encoder::new(index);
                    handles.clear();
                }
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
}

/// One sample of a series of process 1 with these attributes.
fn with_attributes(here: &Catalog, attributes: Attributes) -> (Encoded, SeriesHandle) {
    let series = here.register(SeriesKey {
        metric: here.register_metric(metric("metric", ValueType::U64)).unwrap(),
        resource: Resource::LocalMachine,
        consumer: Consumer::Process { pid: 1 },
        attributes,
    });
    (encoded(&batch_of(here, std::slice::from_ref(&series))), series)
}

#[test]
fn only_so_many_keys_of_attributes_are_taken_of_one_sender() {
    let mut receiver = Receiver::with(Limits {
        attribute_keys: 4,
        generations: 16,
        ..Limits::OF_AN_AGENT
    });
    for (keys, is_taken) in [
        (["a", "b"], true),
        (["a", "c"], true),
        (["c", "d"], true),
        (["d", "e"], false),
        (["d", "a"], true),
    ] {
        let here = Catalog::new();
        let (mut encoded, _series) =
            with_attributes(&here, keys.map(|key| (key, 1_u64)).into_iter().collect());
        if let Some(definitions) = &mut encoded.definitions {
            definitions.generation = receiver.catalog.live_series() as u32;
        }
        assert_eq!(receiver.define(&encoded).is_ok(), is_taken, "{keys:?}");
    }
}

#[test]
fn a_series_that_is_too_large_is_shortened_so_that_every_server_takes_it_and_stays_apart() {
    let long = "x".repeat(3000);
    let sets = [
        Attributes::EMPTY.with("cmdline", long.clone() + "a"),
        Attributes::EMPTY.with("cmdline", long.clone() + "b"),
        Attributes::EMPTY.with(long.clone(), 1_u64),
        (0..100).map(|number| (format!("key{number:02}"), true)).collect(),
        (0..60)
            .map(|number| (format!("key{number:02}"), long.clone()))
            .collect(),
        Attributes::EMPTY.with("list", vec![u64::MAX; 300]),
        (0..20)
            .map(|number| (format!("key{number:02}"), f64::MAX))
            .collect(),
    ];
    let mut receiver = Receiver::with(Limits {
        generations: 16,
        ..Limits::OF_AN_AGENT
    });
    let mut seen = std::collections::HashSet::new();
    for set in sets {
        let here = Catalog::new();
        let (encoded, _series) = with_attributes(&here, set);
        receiver.decoder.forget_before(8);
        let copy = receiver.take(&encoded).unwrap();
        let info = receiver.catalog.describe(copy.series()[0]).unwrap();
        assert!(info.attributes().get("shortened").is_some(), "{info}");
        assert_eq!(info.consumer(), &Consumer::Process { pid: 1 });
        assert!(seen.insert(info.to_string()), "{info}");
    }
}

#[test]
fn a_metric_that_is_too_large_is_shortened_so_that_every_server_takes_it() {
    let here = Catalog::new();
    let long = "ü".repeat(1500);
    for (name, description) in [(long.as_str(), ""), ("metric", long.as_str())] {
        let metric = Metric {
            description: description.to_owned().into(),
            ..metric(name, ValueType::U64)
        };
        let series = here.register(SeriesKey {
            metric: here.register_metric(metric).unwrap(),
            resource: Resource::new(&long, &long),
            consumer: Consumer::new(&long, &long),
            attributes: Attributes::EMPTY,
        });
        let mut receiver = Receiver::with(Limits::OF_AN_AGENT);
        receiver.take(&encoded(&batch_of(&here, &[series]))).unwrap();
    }
}

#[test]
fn a_few_bytes_that_name_a_long_series_thousands_of_times_are_refused() {
    let here = Catalog::new();
    let (_, series) = with_attributes(&here, Attributes::EMPTY.with("text", "x".repeat(1500)));
    let many: Vec<_> = std::iter::repeat_n(series, 30_000).collect();
    let sent = encoded(&batch_of(&here, &many));
    let limits = |text_per_batch| Limits {
        text_per_batch,
        ..Limits::OF_AN_AGENT
    };
    assert!(Receiver::with(limits(1600 * 30_000)).take(&sent).is_ok());
    let error = Receiver::with(limits(1500 * 30_000)).take(&sent).unwrap_err();
    assert!(
        error.to_string().starts_with("bytes of the batch as text: "),
        "{error}"
    );
    // Whatever an agent sends stays below the limit of a server.
    let most: Vec<_> = std::iter::repeat_n(many[0].clone(), Batch::LARGEST).collect();
    let sent = encoded(&batch_of(&here, &most));
    assert!(Receiver::with(Limits::OF_AN_AGENT).take(&sent).is_ok());
}
