use std::fs;

use alumet_core::metric::{MetricDef, MetricDoc, Quality};
use alumet_core::{Attributes, Batch, Consumer, MetricKind, Unit, Value, ValueType};
use alumet_plugin_csv::{ByteSize, Config, Dialect};

use crate::reader::records;
use crate::rig::{Rig, at};

fn declare(rig: &Rig, name: &'static str, attributes: &'static [&'static str], quality: Quality) {
    let definition: MetricDef<u64> = MetricDef {
        doc: MetricDoc {
            name,
            kind: MetricKind::Gauge,
            value_type: ValueType::U64,
            unit: Unit::ONE,
            description: "For tests.",
            quality,
            resources: &[],
            consumers: &[],
            attributes,
        },
        value: std::marker::PhantomData,
    };
    rig.catalog.metric(&definition).unwrap();
}

/// One sample of the metric `n` with one attribute.
fn sample(rig: &Rig, key: &'static str) -> Batch {
    let attributes = Attributes::EMPTY.with(key, "x");
    let series = rig.series("n", Unit::ONE, ValueType::U64, Consumer::LocalMachine, attributes);
    let mut batch = rig.catalog.batch();
    batch.push_value(&series, at(0), Value::U64(1)).unwrap();
    batch
}

/// The columns of all files but those that every file has, oldest file first.
fn attributes_of_files(rig: &Rig) -> Vec<String> {
    let all = rig.files().into_iter().filter(|name| name.ends_with(".csv"));
    let header = |name: String| {
        let text = fs::read_to_string(rig.path(&name)).unwrap();
        let delimiter = if text.starts_with("metric,") { ',' } else { ';' };
        let leading = if delimiter == ',' { 8 } else { 7 };
        let columns = records(&text, delimiter).swap_remove(0);
        columns[leading..columns.len() - 1].join(" ")
    };
    all.map(header).collect()
}

#[test]
fn every_file_has_the_attributes_that_metrics_declare_whatever_comes_first() {
    for dialect in [Dialect::Original, Dialect::Plain] {
        let rig = Rig::new();
        declare(&rig, "cpu", &["kind=user|system", "cpu"], Quality::Measured);
        declare(&rig, "energy", &["domain"], Quality::Modelled);
        // The name of a column that every file has.
        declare(&rig, "odd", &["value"], Quality::Measured);
        let config = Config {
            dialect,
            rotate_size: Some(ByteSize(1)),
            ..rig.config()
        };
        let mut output = rig.open(&config);
        for key in ["kind", "domain", "cpu", "kind"] {
            rig.write(&mut output, &sample(&rig, key)).unwrap();
        }
        assert_eq!(attributes_of_files(&rig), ["cpu domain kind metric_quality"; 4]);
        for name in rig.files().iter().filter(|name| name.ends_with(".csv")) {
            let text = fs::read_to_string(rig.path(name)).unwrap();
            let last = text.trim_end_matches('\n').chars().last();
            assert!(matches!(last, Some(';' | ',')), "nothing is late: {text}");
        }
    }
}

#[test]
fn undeclared_attributes_follow_in_the_order_in_which_they_became_known_and_none_leaves() {
    let rig = Rig::new();
    declare(&rig, "cpu", &["kind"], Quality::Measured);
    let config = Config {
        rotate_size: Some(ByteSize(1)),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    // A series is there before its first sample.
    let attributes = Attributes::EMPTY.with("z", 1_u64);
    let _held = rig.series("n", Unit::ONE, ValueType::U64, Consumer::LocalMachine, attributes);
    rig.write(&mut output, &sample(&rig, "x")).unwrap();
    rig.write(&mut output, &sample(&rig, "b")).unwrap();
    // A plugin is added, or reads its configuration again.
    declare(&rig, "disk", &["device", "b"], Quality::Measured);
    rig.write(&mut output, &sample(&rig, "kind")).unwrap();
    let mut found = attributes_of_files(&rig);
    // The file that is written comes last.
    found.sort_by_key(String::len);
    assert_eq!(found, ["kind x z", "kind x z b", "b device kind x z"]);
}

#[test]
fn a_file_that_lacks_what_is_declared_makes_room_for_one_that_has_it() {
    let rig = Rig::new();
    let config = rig.config();
    let run = |key| {
        let mut output = rig.open(&config);
        rig.write(&mut output, &sample(&rig, key)).unwrap();
        rig.write(&mut output, &sample(&rig, key)).unwrap();
    };
    run("old");
    declare(&rig, "cpu", &["kind"], Quality::Measured);
    run("kind");
    run("late");
    assert_eq!(rig.files(), ["out.20261120T070000Z.csv", "out.csv"]);
    assert_eq!(attributes_of_files(&rig), ["old", "kind"]);
    let text = fs::read_to_string(&config.output_path).unwrap();
    assert_eq!(text.lines().count(), 5);
    assert!(text.ends_with(";;late=x\n"));
}

#[test]
fn another_program_gets_no_more_than_a_bounded_number_of_columns() {
    let rig = Rig::new();
    let attributes: Attributes = (0..1000).map(|index| (format!("k{index:03}"), "x")).collect();
    let series = rig.series("n", Unit::ONE, ValueType::U64, Consumer::LocalMachine, attributes);
    let mut batch = rig.catalog.batch();
    batch.push_value(&series, at(0), Value::U64(1)).unwrap();
    let config = rig.config();
    let mut output = rig.open(&config);
    rig.write(&mut output, &batch).unwrap();
    let found = attributes_of_files(&rig);
    assert_eq!(found[0].split(' ').count(), 256);
    let text = fs::read_to_string(&config.output_path).unwrap();
    assert!(text.ends_with("k998=x,k999=x\n"), "no attribute is lost");
}
