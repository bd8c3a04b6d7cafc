use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use alumet_core::output::Output;
use alumet_core::time::{Clock, SystemClock};
use alumet_plugin_csv::{ByteSize, Compression, Config, CsvOutput, Dialect};

use crate::reader::records;
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

/// The values in all files of the folder, sorted; the header of each is looked at by nobody.
fn all_values(rig: &Rig) -> Vec<u64> {
    let mut all = Vec::new();
    for name in rig.files().iter().filter(|name| !name.ends_with(".json")) {
        let text = fs::read_to_string(rig.path(name)).unwrap();
        let delimiter = if text.starts_with("metric,") { ',' } else { ';' };
        let records = records(&text, delimiter);
        let lines = records.iter().filter(|line| line[0] != "metric");
        all.extend(lines.map(|line| line[2].parse::<u64>().unwrap()));
    }
    all.sort_unstable();
    all
}

#[test]
fn what_was_written_after_the_checkpoint_comes_again_and_is_not_written_twice() {
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
        rig.write(&mut output, &rig.counting("a", before, 7)).unwrap();
        drop(output);

        let mut output = rig.open(&config);
        output.resume(&position).unwrap();
        // In other deliveries than before.
        rig.write(&mut output, &rig.counting("a", before, 3)).unwrap();
        rig.write(&mut output, &rig.counting("a", before + 3, 7)).unwrap();
        drop(output);
        assert_eq!(
            values(&config.output_path, &["a"]),
            (0..before + 10).collect::<Vec<_>>()
        );
    }
}

#[test]
fn without_a_checkpoint_all_lines_of_the_file_may_come_again_and_are_not_written_twice() {
    let rig = rig();
    let config = rig.config();
    let mut output = rig.open(&config);
    // What the spool was told did not come to its disk.
    output.resume(&[]).unwrap();
    checkpoint(&mut output);
    rig.write(&mut output, &rig.counting("a", 0, 7)).unwrap();
    drop(output);

    let mut output = rig.open(&config);
    output.resume(&[]).unwrap();
    let position = checkpoint(&mut output);
    rig.write(&mut output, &rig.counting("a", 0, 5)).unwrap();
    drop(output);

    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    rig.write(&mut output, &rig.counting("a", 5, 7)).unwrap();
    drop(output);
    assert_eq!(values(&config.output_path, &["a"]), (0..12).collect::<Vec<_>>());
}

#[test]
fn lines_are_known_across_rotations_with_other_columns() {
    for compression in [Compression::None, Compression::Zstd] {
        let rig = rig();
        let config = Config {
            rotate_size: Some(ByteSize(1000)),
            compression,
            ..rig.config()
        };
        let batches: Vec<_> = (0..13)
            .map(|part| rig.counting(["a", "b", "c"][part % 3], part as u64 * 5, 5))
            .collect();
        let mut output = rig.open(&config);
        checkpoint(&mut output);
        rig.write(&mut output, &batches[0]).unwrap();
        let position = checkpoint(&mut output);
        for batch in &batches[1..12] {
            rig.write(&mut output, batch).unwrap();
        }
        drop(output);
        assert!(rig.files().len() > 3);

        let mut output = rig.open(&config);
        output.resume(&position).unwrap();
        for batch in &batches[1..] {
            rig.write(&mut output, batch).unwrap();
        }
        drop(output);
        assert_eq!(all_values(&rig), (0..65).collect::<Vec<_>>());
    }
}

#[test]
fn lines_may_come_again_in_another_order_and_between_new_ones() {
    let rig = rig();
    let config = rig.config();
    let mut output = rig.open(&config);
    let mut position = checkpoint(&mut output);
    for first in [0, 10, 20] {
        rig.write(&mut output, &rig.counting("a", first, 10)).unwrap();
    }
    drop(output);
    for first in [20, 30, 0, 40, 10] {
        let mut output = rig.open(&config);
        output.resume(&position).unwrap();
        position = checkpoint(&mut output);
        rig.write(&mut output, &rig.counting("a", first, 10)).unwrap();
    }
    assert_eq!(all_values(&rig), (0..50).collect::<Vec<_>>());
}

/// How many places the spool is told.
fn places(output: &mut CsvOutput) -> usize {
    checkpoint(output).split(|byte| *byte == 0).count()
}

#[test]
fn the_spool_is_told_of_the_end_once_all_has_come_again() {
    let mut rig = rig();
    let config = Config {
        rotate_size: Some(ByteSize(1000)),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    // Rotated before the spool is told, so that none of it comes again.
    for first in (0..30).step_by(5) {
        rig.write(&mut output, &rig.counting("a", first, 5)).unwrap();
    }
    rig.wait(3600);
    let last = [rig.counting("a", 30, 5), rig.counting("a", 35, 5)];
    rig.write(&mut output, &last[0]).unwrap();
    let position = checkpoint(&mut output);
    rig.write(&mut output, &last[1]).unwrap();
    drop(output);

    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    assert_eq!(places(&mut output), 2);
    rig.write(&mut output, &last[1]).unwrap();
    assert_eq!(places(&mut output), 1);
    assert_eq!(all_values(&rig), (0..40).collect::<Vec<_>>());
}

#[test]
fn what_never_comes_again_is_not_waited_for_for_ever() {
    let mut rig = rig();
    let config = rig.config();
    let mut output = rig.open(&config);
    let position = checkpoint(&mut output);
    rig.write(&mut output, &rig.counting("a", 0, 5)).unwrap();
    drop(output);
    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    for (wait, count) in [(0, 2), (599, 2), (1, 1)] {
        rig.wait(wait);
        rig.write(&mut output, &rig.counting("b", 5, 5)).unwrap();
        assert_eq!(places(&mut output), count);
    }
}

#[test]
fn what_the_spool_has_lost_and_never_comes_again_stays() {
    let rig = rig();
    let config = rig.config();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 5)).unwrap();
    let position = checkpoint(&mut output);
    rig.write(&mut output, &rig.counting("a", 5, 1000)).unwrap();
    checkpoint(&mut output);
    drop(output);

    // The spool was told later places, and has forgotten them.
    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    rig.write(&mut output, &rig.counting("a", 1005, 5)).unwrap();
    assert_eq!(values(&config.output_path, &["a"]), (0..1010).collect::<Vec<_>>());
    assert_eq!(rig.files(), ["out.csv"]);
}

#[test]
fn a_file_that_was_moved_before_a_kill_is_found_by_its_inode() {
    for is_noticed in [false, true] {
        let mut rig = rig();
        let config = rig.config();
        let batches: Vec<_> = (0..4).map(|part| rig.counting("a", part * 10, 10)).collect();
        let mut output = rig.open(&config);
        rig.write(&mut output, &batches[0]).unwrap();
        let position = checkpoint(&mut output);
        rig.write(&mut output, &batches[1]).unwrap();
        fs::rename(&config.output_path, rig.path("out.csv-20261129")).unwrap();
        if is_noticed {
            rig.wait(1);
        }
        rig.write(&mut output, &batches[2]).unwrap();
        drop(output);

        let mut output = rig.open(&config);
        output.resume(&position).unwrap();
        for batch in &batches[1..] {
            rig.write(&mut output, batch).unwrap();
        }
        assert_eq!(all_values(&rig), (0..40).collect::<Vec<_>>());
    }
}

#[test]
fn a_file_that_was_copied_and_emptied_before_a_kill_is_known_with_its_copy() {
    let rig = rig();
    let config = rig.config();
    let batches: Vec<_> = (0..5).map(|part| rig.counting("a", part * 10, 10)).collect();
    let mut output = rig.open(&config);
    rig.write(&mut output, &batches[0]).unwrap();
    let position = checkpoint(&mut output);
    rig.write(&mut output, &batches[1]).unwrap();
    fs::copy(&config.output_path, rig.path("out.csv.1")).unwrap();
    File::options()
        .write(true)
        .open(&config.output_path)
        .unwrap()
        .set_len(0)
        .unwrap();
    // More than there was before.
    for batch in &batches[2..4] {
        rig.write(&mut output, batch).unwrap();
    }
    drop(output);

    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    for batch in &batches[1..] {
        rig.write(&mut output, batch).unwrap();
    }
    assert_eq!(rig.files(), ["out.csv", "out.csv.1"]);
    assert_eq!(values(&config.output_path, &["a"]), (20..50).collect::<Vec<_>>());
}

#[test]
fn changes_of_path_and_format_between_kills_repeat_no_line() {
    let rig = rig();
    let batch = |first, count| rig.counting("a", first, count);
    let path = |name: &str| Config {
        output_path: rig.path(name),
        ..rig.config()
    };
    let configs = [
        path("out.csv"),
        Config {
            csv_delimiter: Some(','),
            ..path("out.csv")
        },
        path("second.csv"),
        Config {
            append_unit_to_metric_name: Some(false),
            csv_late_delimiter: Some('|'),
            rotate_size: Some(ByteSize(1000)),
            ..path("third.csv")
        },
        Config {
            dialect: Dialect::Plain,
            rotate_size: Some(ByteSize(1000)),
            ..path("out.csv")
        },
        Config {
            dialect: Dialect::Plain,
            csv_delimiter: Some(';'),
            ..path("out.csv")
        },
        path("out.csv"),
    ];
    let mut output = rig.open(&configs[0]);
    rig.write(&mut output, &batch(0, 10)).unwrap();
    let mut position = checkpoint(&mut output);
    rig.write(&mut output, &batch(10, 10)).unwrap();
    drop(output);
    // Each run is told of its beginning and no more, and writes ten lines that are new.
    for (config, last) in configs.iter().skip(1).cycle().take(18).zip(3..) {
        let mut output = rig.open(config);
        output.resume(&position).unwrap();
        position = checkpoint(&mut output);
        for part in 1..last {
            rig.write(&mut output, &batch(part * 10, 10)).unwrap();
        }
    }
    assert_eq!(all_values(&rig), (0..200).collect::<Vec<_>>());
}

#[test]
fn a_delivery_that_fails_and_comes_again_is_known_as_before() {
    let rig = rig();
    let config = rig.config();
    let mut output = rig.open(&config);
    let position = checkpoint(&mut output);
    rig.write(&mut output, &rig.counting("a", 0, 10)).unwrap();
    drop(output);
    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    // What has the name now cannot be opened as a file.
    output.reset();
    fs::rename(&config.output_path, rig.path("out.csv.1")).unwrap();
    fs::create_dir(&config.output_path).unwrap();
    let batch = rig.counting("a", 5, 10);
    rig.write(&mut output, &batch).unwrap_err();
    fs::remove_dir(&config.output_path).unwrap();
    rig.write(&mut output, &batch).unwrap();
    assert_eq!(all_values(&rig), (0..15).collect::<Vec<_>>());
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
fn a_rotation_that_the_end_of_the_program_interrupted_is_known_however_long_ago() {
    let mut rig = rig();
    let config = rig.config();
    let batches = [rig.counting("a", 0, 5), rig.counting("a", 5, 5)];
    let mut output = rig.open(&config);
    rig.write(&mut output, &batches[0]).unwrap();
    let position = checkpoint(&mut output);
    rig.write(&mut output, &batches[1]).unwrap();
    drop(output);
    let rotated = rig.path("out.20261120T070000Z.csv");
    fs::rename(&config.output_path, &rotated).unwrap();

    // The new file is as young as the second run.
    rig.wait(3600);
    fs::write(&config.output_path, "").unwrap();
    set_modified(&rig, &config.output_path, 0);
    let mut output = rig.open(&config);
    output.resume(&position).unwrap();
    rig.write(&mut output, &batches[1]).unwrap();
    rig.write(&mut output, &rig.counting("a", 10, 2)).unwrap();
    assert_eq!(values(&rotated, &["a"]), (0..10).collect::<Vec<_>>());
    assert_eq!(values(&config.output_path, &["a"]), [10, 11]);
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
