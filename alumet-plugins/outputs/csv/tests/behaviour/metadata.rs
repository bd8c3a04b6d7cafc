use std::fs;
use std::path::Path;

use alumet_core::output::Output;
use alumet_core::{Attributes, Consumer, Unit, Value, ValueType};
use alumet_plugin_csv::{ByteSize, Compression, Config, Dialect};
use serde_json::{Value as Json, json};

use crate::rig::{Rig, at};
use crate::rotation::eventually;

fn plain(rig: &Rig) -> Config {
    Config {
        dialect: Dialect::Plain,
        ..rig.config()
    }
}

fn read(path: &Path) -> Json {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn names(content: &Json) -> Vec<&str> {
    let metrics = content["metrics"].as_array().unwrap();
    metrics
        .iter()
        .map(|metric| metric["name"].as_str().unwrap())
        .collect()
}

/// One sample of a metric in milliseconds.
fn write_other(rig: &Rig, output: &mut alumet_plugin_csv::CsvOutput, name: &str) {
    let unit = Unit::SECOND.milli();
    let series = rig.series(
        name,
        unit,
        ValueType::F64,
        Consumer::LocalMachine,
        Attributes::EMPTY,
    );
    let mut batch = rig.catalog.batch();
    batch.push_value(&series, at(0), Value::F64(1.0)).unwrap();
    rig.write(output, &batch).unwrap();
}

#[test]
fn a_plain_file_is_described_beside_it() {
    let mut rig = Rig::new();
    let config = plain(&rig);
    let mut output = rig.open(&config);
    assert_eq!(rig.files(), ["out.csv"], "there is nothing to describe yet");
    rig.write(&mut output, &rig.counting("a", 0, 2)).unwrap();
    let path = rig.path("out.csv.meta.json");
    let content = read(&path);
    assert_eq!(content["begun"], "2026-11-20T07:00:00.000000000Z");
    assert_eq!(content["ended"], Json::Null);
    assert_eq!(content["dialect"], "plain");
    assert_eq!(content["delimiter"], ",");
    let header = fs::read_to_string(&config.output_path).unwrap();
    let columns: Vec<_> = header.lines().next().unwrap().split(',').collect();
    assert_eq!(content["columns"], json!(columns));
    assert_eq!(content["configuration"]["output_path"], json!(config.output_path));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(content["kernel"], kernel.trim());
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(content["host"], host.trim());
    assert!(content["program"].as_str().unwrap().starts_with("behaviour"));
    assert_eq!(content["version"], env!("CARGO_PKG_VERSION"));

    // A metric that comes later is added.
    rig.wait(1);
    write_other(&rig, &mut output, "time");
    let described = json!([
        {
            "name": "n", "kind": "gauge", "value_type": "u64", "unit": "1", "unit_symbol": "",
            "description": "For tests.", "quality": "measured"
        },
        {
            "name": "time", "kind": "gauge", "value_type": "f64", "unit": "ms", "unit_symbol": "ms",
            "description": "For tests.", "quality": "measured"
        }
    ]);
    assert_eq!(read(&path)["metrics"], described);
    drop(output);
    assert_eq!(read(&path)["ended"], "2026-11-20T07:00:01.000000000Z");
    assert_eq!(rig.files(), ["out.csv", "out.csv.meta.json"]);
}

#[test]
fn metrics_that_come_at_short_intervals_are_all_there_at_the_end() {
    let rig = Rig::new();
    let mut output = rig.open(&plain(&rig));
    for name in ["a", "b", "c"] {
        write_other(&rig, &mut output, name);
    }
    let path = rig.path("out.csv.meta.json");
    assert_eq!(names(&read(&path)), ["a"], "it is not written with each delivery");
    output.reset();
    assert_eq!(names(&read(&path)), ["a", "b", "c"]);
}

#[test]
fn a_run_that_goes_on_with_the_file_keeps_what_was_known_of_it() {
    let mut rig = Rig::new();
    let config = plain(&rig);
    for name in ["first", "second"] {
        write_other(&rig, &mut rig.open(&config), name);
        rig.wait(1);
    }
    let content = read(&rig.path("out.csv.meta.json"));
    assert_eq!(names(&content), ["first", "second"]);
    assert_eq!(content["begun"], "2026-11-20T07:00:00.000000000Z");
    assert_eq!(content["ended"], "2026-11-20T07:00:01.000000000Z");
}

#[test]
fn a_description_is_renamed_and_removed_with_its_file_also_if_that_is_compressed() {
    let mut rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(1)),
        keep_files: Some(2),
        compression: Compression::Zstd,
        ..plain(&rig)
    };
    let mut output = rig.open(&config);
    for name in ["a", "b", "c", "d"] {
        write_other(&rig, &mut output, name);
        rig.wait(1);
    }
    let expected = [
        "out.20261120T070002Z.csv.meta.json",
        "out.20261120T070002Z.csv.zst",
        "out.20261120T070003Z.csv.meta.json",
        "out.20261120T070003Z.csv.zst",
        "out.csv",
        "out.csv.meta.json",
    ];
    eventually("two files are left and compressed", || rig.files() == expected);
    for (name, metric, ended) in [
        (expected[0], "b", json!("2026-11-20T07:00:02.000000000Z")),
        (expected[2], "c", json!("2026-11-20T07:00:03.000000000Z")),
        (expected[5], "d", Json::Null),
    ] {
        let content = read(&rig.path(name));
        assert_eq!(names(&content), [metric], "only what is in this file: {name}");
        assert_eq!(content["ended"], ended);
    }
}

#[test]
fn a_file_that_is_set_aside_keeps_its_description() {
    let rig = Rig::new();
    write_other(&rig, &mut rig.open(&plain(&rig)), "plain");
    write_other(&rig, &mut rig.open(&rig.config()), "original");
    let aside = "out.foreign.20261120T070000Z.csv";
    assert_eq!(rig.files(), ["out.csv", aside, &format!("{aside}.meta.json")]);
    assert_eq!(names(&read(&rig.path(&format!("{aside}.meta.json")))), ["plain"]);
}

#[test]
fn a_description_that_cannot_be_written_costs_no_sample() {
    let rig = Rig::new();
    let config = plain(&rig);
    fs::create_dir(rig.path("out.csv.meta.json")).unwrap();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 3)).unwrap();
    drop(output);
    assert_eq!(
        fs::read_to_string(&config.output_path).unwrap().lines().count(),
        4
    );
    assert_eq!(
        rig.files(),
        ["out.csv", "out.csv.meta.json"],
        "nothing is left behind"
    );
}
