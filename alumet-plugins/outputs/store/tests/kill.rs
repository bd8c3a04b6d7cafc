//! Real processes that are killed: nothing that was delivered is lost, and nothing is there twice.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic when its tools fail")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::time::SystemClock;
use alumet_core::value::Value;
use alumet_plugin_store::{Config, StorePlugin};
use alumet_shared_output_testkit::{delivered, finish, run};
use alumet_shared_query::{Backend, Budget, Limits, Range, Selector};
use alumet_shared_series_store::{SeriesStore, StoreConfig, check};

const FOLDER: &str = "ALUMET_STORE_TEST_FOLDER";
const FIRST: &str = "ALUMET_STORE_TEST_FIRST";
/// The numbers of each process begin with a multiple of this.
const EACH: u64 = 1_000_000;

/// Counts into a store and tells how much was delivered, until it is killed or its input ends.
#[test]
#[ignore = "the test below runs it in a process of its own"]
fn child() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let config = Config {
        path: folder.join("store.db"),
        ..Config::default()
    };
    let pipeline = run::<StorePlugin>(&folder, config, first);
    let ended = std::thread::spawn(|| std::io::stdin().lines().count());
    while !ended.is_finished() {
        println!("delivered {}", delivered(&pipeline));
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("produced {}", finish(&pipeline).produced);
}

fn start(folder: &Path, first: u64) -> (std::process::Child, std::thread::JoinHandle<Vec<String>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        // It has no time to remove what it makes.
        .env("TMPDIR", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reading = std::thread::spawn(move || lines.map_while(Result::ok).collect());
    (child, reading)
}

/// The last number that was told after a word.
fn told(lines: &[String], word: &str) -> u64 {
    let numbers = lines
        .iter()
        .filter_map(|line| line.split_once(word)?.1.trim().parse().ok());
    numbers.max().unwrap_or(0)
}

#[test]
fn what_was_delivered_survives_a_kill_at_any_moment_and_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut delivered = 0;
    const ROUNDS: u64 = 12;
    for round in 0..ROUNDS {
        let (mut child, reading) = start(folder.path(), round * EACH);
        std::thread::sleep(Duration::from_millis(250 + round * 83));
        child.kill().unwrap();
        child.wait().unwrap();
        delivered += told(&reading.join().unwrap(), "delivered ");
    }
    assert!(delivered > 100, "only {delivered} samples were delivered");
    let (mut child, reading) = start(folder.path(), ROUNDS * EACH);
    std::thread::sleep(Duration::from_millis(500));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let produced = told(&reading.join().unwrap(), "produced ");

    let path = folder.path().join("store.db");
    let report = check(&path).unwrap();
    assert_eq!((report.damaged, report.problems), (0, Vec::new()));
    let store = SeriesStore::open(StoreConfig::at(&path), Arc::new(SystemClock)).unwrap();
    let budget = Budget::new(Limits::default());
    let all = Selector::default();
    let answer = store.samples(&all, Range::ALL, None, &budget);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = runtime.block_on(answer).unwrap();
    let mut rounds: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (_, value) in answer.iter().flat_map(|series| series.iter()) {
        let Value::U64(number) = value else {
            panic!("{value} is no u64")
        };
        rounds.entry(number / EACH).or_default().push(number % EACH);
    }
    let mut stored = 0;
    for (round, numbers) in &mut rounds {
        numbers.sort_unstable();
        let count = numbers.len() as u64;
        assert!(
            numbers.iter().copied().eq(0..count),
            "round {round}: {count} numbers, and not the first ones"
        );
        stored += count;
    }
    assert_eq!(
        rounds[&ROUNDS].len() as u64,
        produced,
        "the last one ended in good order"
    );
    assert!(
        stored >= delivered + produced,
        "{stored} of {delivered} + {produced}"
    );
}
