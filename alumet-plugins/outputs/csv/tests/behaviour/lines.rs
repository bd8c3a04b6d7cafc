use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::output::Delivery;
use alumet_core::series::SeriesKey;
use alumet_core::time::Moment;
use alumet_core::{Attributes, Consumer, Resource, Timestamp, Unit, Value, ValueType};
use alumet_plugin_csv::{Config, Dialect, Encoder};
use proptest::prelude::*;

use crate::reader::{pairs, records};
use crate::rig::{Rig, at, copy_of};

fn encoder() -> Encoder {
    Encoder::new(&Config::default())
}

fn encode(encoder: &mut Encoder, delivery: &Delivery) -> String {
    let mut out = encoder.header_line();
    encoder.encode(delivery, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn lines_look_as_documented() {
    let rig = Rig::new();
    let energy = rig.series(
        "energy",
        Unit::JOULE.milli(),
        ValueType::U64,
        Consumer::Process { pid: 4711 },
        Attributes::EMPTY
            .with("domain", "package")
            .with("jobs", vec![1, 2, 3])
            .with("quiet", true),
    );
    let mut batch = rig.catalog.batch();
    batch.push_value(&energy, at(0), Value::U64(1250)).unwrap();
    let mut encoder = encoder();
    encoder.begin(&copy_of(&batch));

    let late = rig.series(
        "temp",
        Unit::CELSIUS,
        ValueType::F64,
        Consumer::LocalMachine,
        Attributes::EMPTY
            .with("domain", "a;\"b\"")
            .with("s,1", "x=y")
            .with("value", "v"),
    );
    let plain = rig.series(
        "offset",
        Unit::ONE,
        ValueType::I64,
        Consumer::LocalMachine,
        Attributes::EMPTY,
    );
    batch
        .push_value(&late, Timestamp::from_nanos(1), Value::F64(-0.5))
        .unwrap();
    batch
        .push_value(&plain, Timestamp::from_nanos(1), Value::I64(-7))
        .unwrap();
    assert_eq!(
        encode(&mut encoder, &copy_of(&batch)),
        "metric;timestamp;value;resource_kind;resource_id;consumer_kind;consumer_id;domain;jobs;quiet;__late_attributes\n\
         energy_mJ;2026-11-20T07:00:00.000000000Z;1250;local_machine;;process;4711;package;1,2,3;true;\n\
         temp_°C;1970-01-01T00:00:00.000000001Z;-0.5;local_machine;;local_machine;;\"a;\"\"b\"\"\";;;s\\,1=x\\=y,value=v\n\
         offset;1970-01-01T00:00:00.000000001Z;-7;local_machine;;local_machine;;;;;\n"
    );
}

#[test]
fn the_unit_can_be_a_code_or_nothing() {
    let rig = Rig::new();
    let series = rig.series(
        "t",
        Unit::CELSIUS,
        ValueType::U64,
        Consumer::LocalMachine,
        Attributes::EMPTY,
    );
    let mut batch = rig.catalog.batch();
    batch.push_value(&series, at(0), Value::U64(1)).unwrap();
    let delivery = copy_of(&batch);
    for (append_unit_to_metric_name, use_unit_display_name, name) in [
        (true, true, "t_°C"),
        (true, false, "t_Cel"),
        (false, true, "t"),
        (false, false, "t"),
    ] {
        let config = Config {
            append_unit_to_metric_name: Some(append_unit_to_metric_name),
            use_unit_display_name,
            ..Config::default()
        };
        let text = encode(&mut Encoder::new(&config), &delivery);
        assert_eq!(records(&text, ';')[1][0], name);
    }
}

#[test]
fn a_plain_number_has_no_unit_in_either_style() {
    let rig = Rig::new();
    let delivery = copy_of(&rig.counting("k", 0, 1));
    for use_unit_display_name in [true, false] {
        let config = Config {
            use_unit_display_name,
            ..Config::default()
        };
        let text = encode(&mut Encoder::new(&config), &delivery);
        assert_eq!(records(&text, ';')[1][0], "n");
    }
}

#[test]
fn plain_lines_look_as_documented() {
    let rig = Rig::new();
    let process = Consumer::Process { pid: 4711 };
    let attributes = Attributes::EMPTY.with("kind", "user");
    let percent = rig.series("cpu_percent", Unit::PERCENT, ValueType::F64, process, attributes);
    let mut batch = rig.catalog.batch();
    batch.push_value(&percent, at(0), Value::F64(12.5)).unwrap();
    let mut encoder = Encoder::new(&Config {
        dialect: Dialect::Plain,
        ..Config::default()
    });
    encoder.begin(&copy_of(&batch));

    let attributes = Attributes::EMPTY
        .with("jobs", vec![1, 2])
        .with("nan", f64::NAN)
        .with("quiet", true)
        .with("text", "a\x1b,\"%1B")
        .with("unit", -1_i64);
    let other = rig.series("n", Unit::ONE, ValueType::I64, Consumer::LocalMachine, attributes);
    batch.push_value(&other, at(0), Value::I64(-7)).unwrap();
    let text = encode(&mut encoder, &copy_of(&batch));
    assert_eq!(
        text,
        "metric,timestamp,value,unit,resource_kind,resource_id,consumer_kind,consumer_id,kind,attributes\n\
         cpu_percent,2026-11-20T07:00:00.000000000Z,12.5,%,local_machine,,process,4711,user,\n\
         n,2026-11-20T07:00:00.000000000Z,-7,,local_machine,,local_machine,,,\
         \"{\"\"jobs\"\":[1,2],\"\"nan\"\":\"\"NaN\"\",\"\"quiet\"\":true,\"\"text\"\":\"\"a\\u001b,\\\"\"%251B\"\",\"\"unit\"\":-1}\"\n"
    );
    let rest = records(&text, ',')[2][9].clone();
    let rest: serde_json::Value = serde_json::from_str(&rest).unwrap();
    assert_eq!(rest["text"], "a\x1b,\"%1B", "it is read back as it was");
}

#[test]
fn a_change_of_columns_changes_the_lines_of_known_series() {
    let rig = Rig::new();
    let delivery = copy_of(&rig.counting("k", 0, 1));
    let mut encoder = encoder();
    assert!(encode(&mut encoder, &delivery).ends_with(";k=x\n"));
    encoder.begin(&delivery);
    assert!(encode(&mut encoder, &delivery).ends_with(";x;\n"));
}

#[test]
fn what_is_not_measured_says_so_in_a_column_or_among_the_late_attributes() {
    let rig = Rig::new();
    let (metric, _held) = rig.catalog.admit_metric(Metric {
        name: "e".into(),
        kind: MetricKind::Delta,
        value_type: ValueType::U64,
        unit: Unit::ONE,
        description: "".into(),
        quality: Quality::Modelled,
    });
    let series = rig.catalog.register(SeriesKey {
        metric,
        resource: Resource::LocalMachine,
        consumer: Consumer::LocalMachine,
        attributes: Attributes::EMPTY,
    });
    let mut batch = rig.catalog.batch();
    batch
        .push_value(&series, Timestamp::from_nanos(0), Value::U64(1))
        .unwrap();
    let delivery = Delivery::of(batch, Moment::default());
    let mut encoder = encoder();
    assert!(encode(&mut encoder, &delivery).ends_with(";metric_quality=modelled\n"));
    encoder.begin(&delivery);
    assert!(encode(&mut encoder, &delivery).ends_with(";modelled;\n"));
}

#[test]
fn floats_without_a_value_have_their_names() {
    let rig = Rig::new();
    let series = rig.series(
        "f",
        Unit::ONE,
        ValueType::F64,
        Consumer::LocalMachine,
        Attributes::EMPTY,
    );
    let mut batch = rig.catalog.batch();
    for value in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        batch.push_value(&series, at(0), Value::F64(value)).unwrap();
    }
    let text = encode(&mut encoder(), &copy_of(&batch));
    let values: Vec<_> = records(&text, ';')
        .into_iter()
        .skip(1)
        .map(|line| line[2].clone())
        .collect();
    assert_eq!(values, ["NaN", "NaN", "inf", "-inf"]);
}

/// Texts that are full of what has a meaning in the format.
fn awkward() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a;,=\"\\\\\r\n\t\0\x1b%19+-]{0,6}",
        any::<String>(),
        Just("metric".to_owned()),
        Just("unit".to_owned()),
        Just("attributes".to_owned()),
        Just("__late_attributes".to_owned())
    ]
}

proptest! {
    #[test]
    fn every_text_and_number_is_read_back_as_it_was(
        metric in awkward(),
        kind in awkward(),
        id in awkward(),
        first in proptest::collection::btree_map(awkward(), awkward(), 0..4),
        second in proptest::collection::btree_map(awkward(), awkward(), 0..4),
        value: f64,
        unsigned: u64,
        signed: i64,
        nanos: i64,
        delimiter in "[;,\t |:.0-]",
        late_delimiter in "[,;|\t ]",
        spreadsheet_safe: bool,
        is_plain: bool,
    ) {
        let rig = Rig::new();
        let consumer = Consumer::new(&kind, &id);
        let series = |name: &str, value_type, attributes: &std::collections::BTreeMap<String, String>| {
            let attributes = attributes.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            rig.series(&format!("{name}{metric}"), Unit::ONE, value_type, consumer.clone(), attributes)
        };
        let expected = [(Value::F64(value), &first), (Value::U64(unsigned), &second), (Value::I64(signed), &second)];
        let mut batch = rig.catalog.batch();
        let mut encoder = Encoder::new(&Config {
            dialect: if is_plain { Dialect::Plain } else { Dialect::Original },
            csv_delimiter: delimiter.chars().next(),
            csv_late_delimiter: late_delimiter.chars().next(),
            spreadsheet_safe,
            ..Config::default()
        });
        for (value, attributes) in expected {
            let handle = series(value.value_type().name(), value.value_type(), attributes);
            batch.push_value(&handle, Timestamp::from_nanos(nanos), value).unwrap();
            if batch.len() == 1 {
                encoder.begin(&copy_of(&batch));
            }
        }
        let text = encode(&mut encoder, &copy_of(&batch));
        let configured = format!("\n{delimiter}{late_delimiter}");
        prop_assert!(!text.contains(|c: char| c.is_control() && !configured.contains(c)));
        prop_assert_eq!(text.lines().count(), expected.len() + 1);
        let records = records(&text, delimiter.chars().next().unwrap());
        let (header, lines) = records.split_first().unwrap();
        prop_assert_eq!(lines.len(), expected.len());
        let mut columns = header.clone();
        columns.sort();
        columns.dedup();
        prop_assert_eq!(columns.len(), header.len(), "no two columns have one name");

        for (line, (value, attributes)) in lines.iter().zip(expected) {
            prop_assert_eq!(line.len(), header.len());
            prop_assert_eq!(&line[0], &format!("{}{metric}", value.value_type().name()));
            prop_assert_eq!(&line[1], &Timestamp::from_nanos(nanos).to_string());
            match value {
                Value::F64(value) => prop_assert_eq!(line[2].parse::<f64>().unwrap().to_bits(), value.to_bits()),
                Value::U64(value) => prop_assert_eq!(line[2].parse::<u64>(), Ok(value)),
                Value::I64(value) => prop_assert_eq!(line[2].parse::<i64>(), Ok(value)),
            }
            let leading = if is_plain { 8 } else { 7 };
            prop_assert_eq!((&line[leading - 2], &line[leading - 1]), (&kind, &id));
            let last = line.last().unwrap();
            let late = match is_plain {
                true if last.is_empty() => Vec::new(),
                true => serde_json::from_str::<std::collections::BTreeMap<String, String>>(last).unwrap().into_iter().collect(),
                false => pairs(last, late_delimiter.chars().next().unwrap()),
            };
            let own = header[leading..header.len() - 1].iter().cloned().zip(line[leading..].iter().cloned());
            let found = own.filter(|(key, value)| attributes.contains_key(key) || !value.is_empty()).chain(late);
            let mut found: Vec<_> = found.collect();
            found.sort();
            prop_assert_eq!(found, attributes.clone().into_iter().collect::<Vec<_>>());
        }
    }
}
