use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use alumet_core::output::Output;
use alumet_core::time::{Clock, SystemClock};
use alumet_plugin_csv::{ByteSize, Compression, Config, CsvOutput};

use crate::rig::{Rig, values};
use crate::rotation::eventually;

/// A rig at the present, because files know nothing of another one.
fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.now = SystemClock.now();
    rig
}

fn checkpoint(output: &mut CsvOutput) -> Vec<u8> {
    output.checkpoint().unwrap().unwrap()
}

#[test]
fn what_was_written_after_the_checkpoint_is_taken_back() {
    let rig = rig();
    for before in [0, 5] {
        let config = Config {
            output_path: rig.path(&format!("{before}.csv")),
            ..rig.config()
        };
        let mut output = rig.open(&config);
        if before > 0 {
            rig.write(&mut output, &rig.counting("a", 0, before)).unwrap();
        }
        let position = checkpoint(&mut output);
        rig.write(&mut output, &rig.counting("a", 100, 7)).unwrap();
        drop(output);

        let mut output = rig.open(&config);
        output.resume(&position).unwrap();
        rig.write(&mut output, &rig.counting("a", before, 3)).unwrap();
        drop(output);
        assert_eq!(
            values(&config.output_path, &["a"]),
            (0..before + 3).collect::<Vec<_>>()
        );
    }
}

#[test]
fn rotations_after_the_checkpoint_are_undone() {
    for compression in [Compression::None, Compression::Zstd] {
        let config = Config {
            rotate_size: Some(ByteSize(1000)),
            compression,
            ..Config::default()
        };
        rotate_and_go_back(&config);
    }
}

fn rotate_and_go_back(config: &Config) {
    let rig = rig();
    let config = Config {
        output_path: rig.path("out.csv"),
        ..config.clone()
    };
    let mut output = rig.open(&config);
    checkpoint(&mut output);
    rig.write(&mut output, &rig.counting("a", 0, 5)).unwrap();
    let position = checkpoint(&mut output);
    for first in (100..160).step_by(5) {
        rig.write(&mut output, &rig.counting("a", first, 5)).unwrap();
    }
    drop(output);
    assert!(fs::read_dir(rig.folder.path()).unwrap().count() > 3);

    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    rig.write(&mut output, &rig.counting("a", 5, 2)).unwrap();
    drop(output);
    let mut all: Vec<u64> = fs::read_dir(rig.folder.path())
        .unwrap()
        .flat_map(|entry| values(&entry.unwrap().path(), &["a"]))
        .collect();
    all.sort_unstable();
    assert_eq!(all, (0..7).collect::<Vec<_>>());
}

#[test]
fn lines_of_a_later_run_without_the_spool_are_never_taken_back() {
    let rig = rig();
    let config = rig.config();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 5)).unwrap();
    let position = checkpoint(&mut output);
    drop(output);
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 5, 5)).unwrap();
    drop(output);
    set_modified(&rig, &config.output_path, 3600);

    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    drop(output);
    assert_eq!(values(&config.output_path, &["a"]), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_file_stays_uncompressed_until_the_spool_has_been_told_that_it_was_rotated() {
    let mut rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(1)),
        keep_files: Some(3),
        compression: Compression::Zstd,
        ..rig.config()
    };
    let rotated = |rig: &Rig| -> Vec<bool> {
        let names = rig.files();
        let rotated = names.iter().filter(|name| *name != "out.csv");
        rotated.map(|name| name.ends_with(".zst")).collect()
    };
    let mut output = rig.open(&config);
    checkpoint(&mut output);
    for value in 0..6 {
        rig.wait(1);
        rig.write(&mut output, &rig.counting("a", value, 1)).unwrap();
    }
    // The last request to remove comes after everything that could have been a request to compress.
    eventually("two files are removed, none is compressed", || {
        rotated(&rig) == [false, false, false]
    });
    // The oldest that is kept was rotated after six seconds.
    for (value, wait, expected) in [(6, 58, [false, false, false]), (7, 2, [true, false, false])] {
        rig.wait(wait);
        rig.write(&mut output, &rig.counting("a", value, 1)).unwrap();
        eventually("those rotated a minute ago are compressed", || {
            rotated(&rig) == expected
        });
    }
}

#[test]
fn what_a_run_left_that_was_killed_stays_uncompressed_for_a_while() {
    let mut rig = rig();
    let config = Config {
        rotate_size: Some(ByteSize(1)),
        keep_files: Some(3),
        compression: Compression::Zstd,
        ..rig.config()
    };
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 1)).unwrap();
    let position = checkpoint(&mut output);
    drop(output);
    let rotated = ["out.20200101T000000Z.csv", "out.20200102T000000Z.csv"];
    for name in rotated {
        fs::write(rig.path(name), "lines\n").unwrap();
    }

    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    for value in 1..3 {
        rig.wait(1);
        rig.write(&mut output, &rig.counting("a", value, 1)).unwrap();
    }
    // The removal is asked for after everything that could have been a request to compress.
    eventually("the oldest is removed, the next is as it was", || {
        rig.files().first().is_some_and(|name| name == rotated[1])
    });
}

#[test]
fn what_a_run_left_that_ended_well_is_compressed_at_once() {
    let rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(1 << 20)),
        compression: Compression::Zstd,
        ..rig.config()
    };
    fs::write(rig.path("out.20261119T000000Z.csv"), "lines\n").unwrap();
    let mut output = rig.open(&config);
    checkpoint(&mut output);
    rig.write(&mut output, &rig.counting("a", 0, 1)).unwrap();
    eventually("the file is compressed", || {
        rig.files() == ["out.20261119T000000Z.csv.zst", "out.csv"]
    });
}

/// Sets when the file was last written, relative to the clock of the rig.
fn set_modified(rig: &Rig, path: &Path, seconds: u64) {
    let now = Duration::from_nanos(u64::try_from(rig.now.wall.as_nanos()).unwrap());
    let modified = SystemTime::UNIX_EPOCH + now + Duration::from_secs(seconds);
    let file = File::options().append(true).open(path).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn lines_that_come_again_after_a_long_pause_are_not_written_twice() {
    let rig = rig();
    let batches: Vec<_> = (0..4).map(|part| rig.counting("a", part * 10, 10)).collect();
    for torn in [false, true] {
        let config = Config {
            output_path: rig.path(&format!("{torn}.csv")),
            ..rig.config()
        };
        let mut output = rig.open(&config);
        rig.write(&mut output, &batches[0]).unwrap();
        let position = checkpoint(&mut output);
        for batch in &batches[1..3] {
            rig.write(&mut output, batch).unwrap();
        }
        drop(output);
        if torn {
            let text = fs::read(&config.output_path).unwrap();
            fs::write(&config.output_path, &text[..text.len() - 200]).unwrap();
        }
        set_modified(&rig, &config.output_path, 3600);

        let mut output = rig.open(&config);
        output.resume(&position).unwrap();
        for batch in &batches[1..] {
            rig.write(&mut output, batch).unwrap();
        }
        drop(output);
        assert_eq!(values(&config.output_path, &["a"]), (0..40).collect::<Vec<_>>());
    }
}

#[test]
fn lines_that_come_again_may_be_interrupted_again() {
    let rig = rig();
    let config = rig.config();
    let batches: Vec<_> = (0..4).map(|part| rig.counting("a", part * 10, 10)).collect();
    let mut output = rig.open(&config);
    rig.write(&mut output, &batches[0]).unwrap();
    let mut position = checkpoint(&mut output);
    for batch in &batches[1..] {
        rig.write(&mut output, batch).unwrap();
    }
    drop(output);
    set_modified(&rig, &config.output_path, 3600);

    // Each run is killed after one batch, the first before it can tell the spool.
    for (next, tells) in [(1, false), (1, true), (2, true), (3, true)] {
        let mut output = rig.open(&config);
        output.resume(&position).unwrap();
        position = checkpoint(&mut output);
        rig.write(&mut output, &batches[next]).unwrap();
        if tells {
            position = checkpoint(&mut output);
        }
    }
    assert_eq!(values(&config.output_path, &["a"]), (0..40).collect::<Vec<_>>());
}

#[test]
fn lines_that_come_again_do_not_hide_those_of_a_run_without_the_spool() {
    let rig = rig();
    let config = rig.config();
    let again = rig.counting("a", 1, 1);
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 1)).unwrap();
    let position = checkpoint(&mut output);
    rig.write(&mut output, &again).unwrap();
    drop(output);
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 2, 1)).unwrap();
    drop(output);
    set_modified(&rig, &config.output_path, 3600);

    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    rig.write(&mut output, &again).unwrap();
    rig.write(&mut output, &rig.counting("a", 3, 1)).unwrap();
    assert_eq!(values(&config.output_path, &["a"]), [0, 1, 2, 3]);
}

#[test]
fn a_rotation_that_the_end_of_the_program_interrupted_is_undone_however_long_ago() {
    let mut rig = rig();
    let config = rig.config();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 5)).unwrap();
    let position = checkpoint(&mut output);
    rig.write(&mut output, &rig.counting("a", 100, 5)).unwrap();
    drop(output);
    let rotated = rig.path("out.20261120T070000Z.csv");
    fs::rename(&config.output_path, &rotated).unwrap();

    // The new file is as young as the second run.
    rig.wait(3600);
    fs::write(&config.output_path, "").unwrap();
    set_modified(&rig, &config.output_path, 0);
    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    rig.write(&mut output, &rig.counting("a", 5, 2)).unwrap();
    assert_eq!(values(&rotated, &["a"]), (0..5).collect::<Vec<_>>());
    assert_eq!(values(&config.output_path, &["a"]), [5, 6]);
}

#[test]
fn a_rotated_file_of_another_time_is_never_removed() {
    let rig = rig();
    let config = Config {
        rotate_size: Some(ByteSize(1)),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 5)).unwrap();
    let position = checkpoint(&mut output);
    rig.write(&mut output, &rig.counting("a", 5, 5)).unwrap();
    drop(output);
    let kept = rig.path("out.99991231T235959Z.csv");
    fs::write(&kept, "precious").unwrap();
    set_modified(&rig, &kept, 3600);

    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    drop(output);
    assert_eq!(fs::read(&kept).unwrap(), b"precious");
    assert_eq!(values(&config.output_path, &["a"]), (5..10).collect::<Vec<_>>());
}

#[test]
fn a_position_inside_a_line_changes_nothing() {
    let rig = rig();
    let config = rig.config();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 5)).unwrap();
    let position = checkpoint(&mut output);
    drop(output);
    // As `copytruncate` leaves it: the same file with other lines.
    let text = fs::read_to_string(&config.output_path).unwrap();
    let header = text.lines().next().unwrap();
    let line = text.lines().nth(1).unwrap();
    fs::write(
        &config.output_path,
        format!("{header}\n{line}{}\n", "x".repeat(1000)),
    )
    .unwrap();
    let before = fs::read(&config.output_path).unwrap();
    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    assert_eq!(fs::read(&config.output_path).unwrap(), before);
}

#[test]
fn a_position_in_another_file_changes_nothing() {
    let rig = rig();
    let config = rig.config();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 5)).unwrap();
    let position = checkpoint(&mut output);
    drop(output);
    fs::rename(&config.output_path, rig.path("elsewhere.csv")).unwrap();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 50, 5)).unwrap();
    drop(output);
    for position in [&position[..], b"nonsense", b""] {
        let mut output = rig.open(&config);
        output.resume(position).unwrap();
    }
    assert_eq!(values(&config.output_path, &["a"]), (50..55).collect::<Vec<_>>());
    assert_eq!(
        values(&rig.path("elsewhere.csv"), &["a"]),
        (0..5).collect::<Vec<_>>()
    );
}
