use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use alumet_core::spool::Spool;

use crate::bench::{Bench, PATIENCE, Readers, read_all};

const FOLDER: &str = "ALUMET_SPOOL_TEST_FOLDER";

/// Appends batches and prints the number of each that is committed, until it is killed.
#[test]
#[ignore = "the test below runs it in a process of its own"]
fn child() {
    let path = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let mut bench = Bench::new();
    bench.config.path = Some(path.join("spool.db"));
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    let first = read_all(&*reader).numbers.last().copied().unwrap_or(0) + 1;
    for number in first.. {
        spool.append(&bench.batch(number, 1 + number as usize % 50));
        if number % 3 == 0 {
            assert!(spool.commit(PATIENCE));
            println!("committed {number}");
        }
    }
}

#[test]
fn what_was_committed_survives_a_kill_at_any_moment() {
    let mut bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    bench.config.path = Some(folder.path().join("spool.db"));
    bench.open().reader_of("csv");
    let mut committed = 0;
    for round in 0..30 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            // It has no time to remove what it makes.
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reading = std::thread::spawn(move || {
            let numbers = lines.map_while(Result::ok).filter_map(|line| {
                let number = line.split_once("committed ")?.1;
                number.trim().parse::<u64>().ok()
            });
            numbers.max().unwrap_or(0)
        });
        std::thread::sleep(Duration::from_millis(20 + round * 13));
        child.kill().unwrap();
        child.wait().unwrap();
        committed = committed.max(reading.join().unwrap());
        let spool = bench.open();
        let reader = spool.reader_of("csv");
        let got = read_all(&*reader);
        assert!(got.gaps.is_empty(), "{:?}", got.gaps);
        let there = got.numbers.len() as u64;
        assert!(there >= committed, "{there} of {committed}");
        assert_eq!(got.numbers, (1..=there).collect::<Vec<_>>());
        assert_eq!(reader.waiting(), got.samples);
    }
    assert!(committed > 100, "only {committed} batches were committed");
}
