//! Writes that stop in the middle: the largest size of a file, which a child process sets itself, cuts a write as a full
//! disk does.

use std::path::PathBuf;
use std::process::Command;

use alumet_core::failure::Remedy;
use alumet_plugin_csv::Config;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::rig::{Rig, values};

const FOLDER: &str = "ALUMET_CSV_TEST_FOLDER";

fn limit_file_size(bytes: Option<u64>) {
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, bytes.unwrap_or(hard), hard).unwrap();
}

/// Runs one of the ignored tests below in a process of its own that survives writes above the limit.
fn run_child(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; exec \"$0\" --ignored --exact \"$1\" --test-threads=1",
        ])
        .arg(std::env::current_exe().unwrap())
        .arg(format!("full_disk::{name}"))
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn a_batch_that_does_not_fit_is_taken_back_and_written_once_there_is_room() {
    run_child("child_that_fills_the_disk");
}

fn child_config() -> Option<(Rig, Config)> {
    let path = PathBuf::from(std::env::var_os(FOLDER)?).join("out.csv");
    let rig = Rig::new();
    let config = Config {
        output_path: path,
        ..rig.config()
    };
    Some((rig, config))
}

#[test]
#[ignore = "run in a process of its own by the tests above"]
fn child_that_fills_the_disk() {
    let Some((rig, config)) = child_config() else {
        return;
    };
    let path = &config.output_path;
    let len = || std::fs::metadata(path).unwrap().len();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 50)).unwrap();
    let mut written = 50;
    // One stops at once, one after some pages, one when a part of it is written.
    for (count, room) in [(50, 1000), (5000, 200_000), (20_000, 1_300_000)] {
        let whole = len();
        limit_file_size(Some(whole + room));
        let batch = rig.counting("a", written, count);
        for _ in 0..3 {
            let failure = rig.write(&mut output, &batch).unwrap_err();
            assert_eq!(failure.remedy(), Remedy::Retry);
            let message = failure.to_string();
            assert!(
                message.contains("out.csv has reached the largest size") && message.contains("ulimit"),
                "{message}"
            );
            assert_eq!(len(), whole);
        }
        limit_file_size(None);
        rig.write(&mut output, &batch).unwrap();
        written += count;
        assert_eq!(values(path, &["a"]), (0..written).collect::<Vec<_>>());
    }

    // Not even a header is left in a file that could not take it.
    for (count, room) in [(50, 500), (5000, 200_000), (20_000, 1_300_000)] {
        drop(output);
        std::fs::remove_file(path).unwrap();
        output = rig.open(&config);
        limit_file_size(Some(room));
        let batch = rig.counting("a", 0, count);
        rig.write(&mut output, &batch).unwrap_err();
        assert_eq!(len(), 0);
        limit_file_size(None);
        rig.write(&mut output, &batch).unwrap();
        assert_eq!(values(path, &["a"]), (0..count).collect::<Vec<_>>());
    }
}
