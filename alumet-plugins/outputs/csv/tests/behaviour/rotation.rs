use std::fs::{self, File};
use std::thread;
use std::time::{Duration, Instant};

use alumet_core::duration::HumanDuration;
use alumet_plugin_csv::{ByteSize, Compression, Config, Dialect};

use crate::rig::{Rig, values, values_of};

/// Waits for the background thread.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn no_file_grows_above_the_size_and_no_line_is_lost() {
    let rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(1800)),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    for first in (0..100).step_by(5) {
        rig.write(&mut output, &rig.counting("a", first, 5)).unwrap();
    }
    let files = rig.files();
    assert!(files.len() > 3);
    let mut all = Vec::new();
    for name in files {
        let path = rig.path(&name);
        assert!(fs::metadata(&path).unwrap().len() <= 1800);
        all.extend(values(&path, &["a"]));
    }
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_delivery_of_several_parts_is_in_one_file() {
    let rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(2_800_000)),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    for first in (0..80_000).step_by(20_000) {
        rig.write(&mut output, &rig.counting("a", first, 20_000)).unwrap();
    }
    let mut all = Vec::new();
    for name in rig.files() {
        let values = values(&rig.path(&name), &["a"]);
        assert_eq!(values.len(), 20_000, "two are too large for a file");
        all.extend(values);
    }
    all.sort_unstable();
    assert_eq!(all, (0..80_000).collect::<Vec<_>>());
}

#[test]
fn each_file_has_the_columns_of_the_one_before_and_those_that_are_new() {
    let rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(200)),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 1)).unwrap();
    rig.write(&mut output, &rig.counting("b", 1, 1)).unwrap();
    rig.write(&mut output, &rig.counting("c", 2, 100)).unwrap();
    assert_eq!(values(&rig.path("out.20261120T070000Z.csv"), &["a"]), [0]);
    assert_eq!(values(&rig.path("out.20261120T070000Z-1.csv"), &["a", "b"]), [1]);
    // A batch above the limit is not torn apart.
    assert_eq!(values(&config.output_path, &["a", "b", "c"]).len(), 100);
}

#[test]
fn a_file_rotates_at_multiples_of_the_interval() {
    let mut rig = Rig::new();
    let config = Config {
        rotate_interval: Some(HumanDuration::from_secs(3600)),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    for (wait, value) in [(3599, 0), (0, 1), (1, 2), (1800, 3), (1799, 4), (1, 5)] {
        rig.wait(wait);
        rig.write(&mut output, &rig.counting("a", value, 1)).unwrap();
    }
    let rotated = |time: &str| rig.path(&format!("out.{time}.csv"));
    assert_eq!(values(&rotated("20261120T080000Z"), &["a"]), [0, 1]);
    assert_eq!(values(&rotated("20261120T090000Z"), &["a"]), [2, 3, 4]);
    assert_eq!(values(&config.output_path, &["a"]), [5]);
}

#[test]
fn a_file_of_an_earlier_interval_is_rotated_after_a_restart() {
    let mut rig = Rig::new();
    let config = Config {
        rotate_interval: Some(HumanDuration::from_secs(3600)),
        ..rig.config()
    };
    let write = |rig: &Rig, value| {
        let mut output = rig.open(&config);
        rig.write(&mut output, &rig.counting("a", value, 1)).unwrap();
        drop(output);
        let written = Duration::from_nanos(rig.now.wall.as_nanos() as u64);
        let file = File::options().append(true).open(&config.output_path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + written).unwrap();
    };
    write(&rig, 0);
    rig.wait(1800);
    write(&rig, 1);
    rig.wait(1800);
    write(&rig, 2);
    assert_eq!(values(&rig.path("out.20261120T080000Z.csv"), &["a"]), [0, 1]);
    assert_eq!(values(&config.output_path, &["a"]), [2]);
}

#[test]
fn a_name_that_is_taken_is_never_overwritten() {
    let rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(1)),
        ..rig.config()
    };
    fs::write(rig.path("out.20261120T070000Z.csv"), "precious").unwrap();
    let mut output = rig.open(&config);
    for value in 0..3 {
        rig.write(&mut output, &rig.counting("a", value, 1)).unwrap();
    }
    assert_eq!(
        fs::read(rig.path("out.20261120T070000Z.csv")).unwrap(),
        b"precious"
    );
    assert_eq!(values(&rig.path("out.20261120T070000Z-2.csv"), &["a"]), [1]);
}

#[test]
fn only_the_newest_rotated_files_are_kept_and_foreign_ones_stay() {
    let mut rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(1)),
        keep_files: Some(2),
        ..rig.config()
    };
    fs::write(&config.output_path, "foreign").unwrap();
    let mut output = rig.open(&config);
    for value in 0..6 {
        rig.write(&mut output, &rig.counting("a", value, 1)).unwrap();
        rig.wait(1);
    }
    drop(output);
    assert_eq!(
        rig.files(),
        [
            "out.20261120T070004Z.csv",
            "out.20261120T070005Z.csv",
            "out.csv",
            "out.foreign.20261120T070000Z.csv"
        ]
    );
}

/// How many bytes all files have.
fn bytes(rig: &Rig) -> u64 {
    let sizes = rig
        .files()
        .into_iter()
        .map(|name| rig.path(&name).metadata().map_or(0, |found| found.len()));
    sizes.sum()
}

#[test]
fn all_files_together_stay_below_the_bound_and_the_newest_are_kept() {
    const MOST: u64 = 20_000;
    for (rotate_size, keep_files, dialect) in [
        (None, None, Dialect::Original),
        (Some(ByteSize(3000)), None, Dialect::Plain),
        (None, Some(1), Dialect::Original),
    ] {
        let mut rig = Rig::new();
        let config = Config {
            max_total_size: Some(ByteSize(MOST)),
            rotate_size,
            keep_files,
            dialect,
            ..rig.config()
        };
        let mut output = rig.open(&config);
        for first in (0..3000).step_by(10) {
            rig.write(&mut output, &rig.counting("a", first, 10)).unwrap();
            eventually("the oldest are removed", || bytes(&rig) <= MOST);
            rig.wait(1);
        }
        drop(output);
        let names: Vec<_> = rig
            .files()
            .into_iter()
            .filter(|name| name.ends_with(".csv"))
            .collect();
        match keep_files {
            None => assert!(
                bytes(&rig) > MOST / 2,
                "no more is removed than needed: {names:?}"
            ),
            Some(keep) => assert_eq!(names.len(), keep as usize + 1),
        }
        let text: String = names
            .iter()
            .map(|name| fs::read_to_string(rig.path(name)).unwrap())
            .collect();
        let lines = text.lines().filter(|line| !line.starts_with("metric"));
        let values: Vec<u64> = lines
            .map(|line| line.split([';', ',']).nth(2).unwrap().parse().unwrap())
            .collect();
        assert_eq!(values, (values[0]..3000).collect::<Vec<_>>());
    }
}

#[test]
fn rotated_files_are_compressed_and_give_their_lines_back() {
    let mut rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(1)),
        compression: Compression::Zstd,
        keep_files: Some(3),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    for part in 0..3 {
        rig.write(&mut output, &rig.counting("a", part * 1000, 1000))
            .unwrap();
        rig.wait(1);
    }
    let expected = [
        "out.20261120T070001Z.csv.zst",
        "out.20261120T070002Z.csv.zst",
        "out.csv",
    ];
    eventually("both files are compressed", || rig.files() == expected);
    for (part, name) in (0..).zip(&expected[..2]) {
        let compressed = File::open(rig.path(name)).unwrap();
        assert!(compressed.metadata().unwrap().len() < 20_000);
        let text = String::from_utf8(zstd::decode_all(compressed).unwrap()).unwrap();
        assert_eq!(
            values_of(&text, &["a"]),
            (part * 1000..(part + 1) * 1000).collect::<Vec<_>>()
        );
    }
    assert_eq!(values(&config.output_path, &["a"]).len(), 1000);
}

#[test]
fn a_compression_that_was_interrupted_is_done_by_the_next_run() {
    let rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(1 << 20)),
        compression: Compression::Zstd,
        ..rig.config()
    };
    fs::write(rig.path("out.20261119T000000Z.csv"), "lines\n").unwrap();
    fs::write(rig.path(".out.20261119T000000Z.csv.zst.tmp"), "half").unwrap();
    let mut output = rig.open(&config);
    // Not before the first batch: until then the spool may still ask for a position in that file.
    rig.write(&mut output, &rig.counting("a", 0, 1)).unwrap();
    eventually("the file is compressed", || {
        rig.files() == ["out.20261119T000000Z.csv.zst", "out.csv"]
    });
    let compressed = File::open(rig.path("out.20261119T000000Z.csv.zst")).unwrap();
    assert_eq!(zstd::decode_all(compressed).unwrap(), b"lines\n");
}

#[test]
fn a_rotated_file_that_cannot_be_looked_after_keeps_no_other_from_it() {
    let rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(1 << 20)),
        compression: Compression::Zstd,
        keep_files: Some(2),
        ..rig.config()
    };
    let rotated = |day: u32| rig.path(&format!("out.201911{day:02}T000000Z.csv"));
    // Folders can neither be removed as files nor be compressed.
    for day in [1, 3] {
        fs::create_dir(rotated(day)).unwrap();
    }
    for day in [2, 4] {
        fs::write(rotated(day), "lines\n").unwrap();
    }
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 1)).unwrap();
    eventually("one file is removed, the other compressed", || {
        rig.files()
            == [
                "out.20191101T000000Z.csv",
                "out.20191103T000000Z.csv",
                "out.20191104T000000Z.csv.zst",
                "out.csv",
            ]
    });
}

#[test]
fn an_existing_file_counts_towards_the_size() {
    let rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(5000)),
        ..rig.config()
    };
    for part in 0..2 {
        let mut output = rig.open(&config);
        rig.write(&mut output, &rig.counting("a", part * 50, 50)).unwrap();
    }
    assert_eq!(
        values(&rig.path("out.20261120T070000Z.csv"), &["a"]),
        (0..50).collect::<Vec<_>>()
    );
    assert_eq!(values(&config.output_path, &["a"]), (50..100).collect::<Vec<_>>());
}

#[test]
fn a_file_that_cannot_be_rotated_grows_on() {
    let mut rig = Rig::new();
    // With a time in it, this name is longer than a name may be.
    let config = Config {
        output_path: rig.path(&format!("{}.csv", "n".repeat(246))),
        rotate_size: Some(ByteSize(200)),
        rotate_interval: Some(HumanDuration::from_secs(1)),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    for value in 0..10 {
        rig.write(&mut output, &rig.counting("a", value, 1)).unwrap();
        rig.wait(20);
    }
    assert_eq!(values(&config.output_path, &["a"]), (0..10).collect::<Vec<_>>());
    assert_eq!(rig.files().len(), 1);
}

#[test]
fn the_file_of_somebody_else_is_not_rotated() {
    let rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(200)),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 1)).unwrap();
    fs::rename(&config.output_path, rig.path("mine.csv")).unwrap();
    fs::write(&config.output_path, "yours").unwrap();
    rig.write(&mut output, &rig.counting("b", 1, 5)).unwrap();
    assert_eq!(
        rig.files(),
        ["mine.csv", "out.csv", "out.foreign.20261120T070000Z.csv"]
    );
    assert_eq!(values(&rig.path("mine.csv"), &["a"]), [0]);
    assert_eq!(values(&config.output_path, &["a", "b"]), [1, 2, 3, 4, 5]);
}
