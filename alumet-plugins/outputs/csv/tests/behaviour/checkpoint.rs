use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use alumet_core::output::{Output, OutputContext};
use alumet_core::time::{Clock, SystemClock};
use alumet_plugin_csv::{ByteSize, Config, CsvOutput};

use crate::rig::{Rig, values};

/// A rig at the present, because files know nothing of another one.
fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.now = SystemClock.now();
    rig
}

fn checkpoint(rig: &Rig, output: &mut CsvOutput) -> Vec<u8> {
    let context = OutputContext {
        catalog: &rig.catalog,
        now: rig.now,
    };
    output.checkpoint(&context).unwrap().unwrap()
}

fn resume(rig: &Rig, output: &mut CsvOutput, position: &[u8]) {
    let context = OutputContext {
        catalog: &rig.catalog,
        now: rig.now,
    };
    output.resume(position, &context).unwrap();
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
        let position = checkpoint(&rig, &mut output);
        rig.write(&mut output, &rig.counting("a", 100, 7)).unwrap();
        drop(output);

        let mut output = rig.open(&config);
        resume(&rig, &mut output, &position);
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
    let rig = rig();
    let config = Config {
        rotate_size: Some(ByteSize(1000)),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 5)).unwrap();
    let position = checkpoint(&rig, &mut output);
    for first in (100..160).step_by(5) {
        rig.write(&mut output, &rig.counting("a", first, 5)).unwrap();
    }
    drop(output);
    assert!(fs::read_dir(rig.folder.path()).unwrap().count() > 3);

    let mut output = rig.open(&config);
    resume(&rig, &mut output, &position);
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
    let position = checkpoint(&rig, &mut output);
    drop(output);
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 5, 5)).unwrap();
    drop(output);
    let now = u64::try_from(rig.now.wall.as_nanos()).unwrap();
    let later = SystemTime::UNIX_EPOCH + Duration::from_nanos(now) + Duration::from_secs(3600);
    File::options()
        .append(true)
        .open(&config.output_path)
        .unwrap()
        .set_modified(later)
        .unwrap();

    let mut output = rig.open(&config);
    resume(&rig, &mut output, &position);
    drop(output);
    assert_eq!(values(&config.output_path, &["a"]), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_position_in_another_file_changes_nothing() {
    let rig = rig();
    let config = rig.config();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 5)).unwrap();
    let position = checkpoint(&rig, &mut output);
    drop(output);
    fs::rename(&config.output_path, rig.path("elsewhere.csv")).unwrap();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 50, 5)).unwrap();
    drop(output);
    for position in [&position[..], b"nonsense", b""] {
        let mut output = rig.open(&config);
        resume(&rig, &mut output, position);
    }
    assert_eq!(values(&config.output_path, &["a"]), (50..55).collect::<Vec<_>>());
    assert_eq!(
        values(&rig.path("elsewhere.csv"), &["a"]),
        (0..5).collect::<Vec<_>>()
    );
}
