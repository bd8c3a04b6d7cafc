//! Files that grow, that are replaced, and that are large.

use std::fs::{self, OpenOptions};
use std::io::Write;

use alumet_core::testkit::Allocations;
use alumet_plugin_csv_replay::WorkerMode;

use super::*;

fn append(replayed: &Replayed, text: &str) {
    let path = replayed.root.at("a.csv");
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// As others replace a file: at once.
fn rename_over(replayed: &Replayed, content: &str) {
    replayed.root.write("b.csv", content);
    fs::rename(replayed.root.at("b.csv"), replayed.root.at("a.csv")).unwrap();
}

#[test]
fn what_is_appended_is_sent_and_a_row_that_is_being_written_is_not_cut() {
    let mut replayed = Replayed::start(numbered(0..1), |_| {});
    assert_eq!(values(&replayed.seconds(1)), [0.0]);
    append(&replayed, "gpu-1,12");
    assert_eq!(replayed.seconds(1), []);
    append(&replayed, "34\ngpu-1,2\n");
    assert_eq!(
        values(&replayed.seconds(1)),
        [1234.0, 2.0],
        "the one that was due is late"
    );
}

#[test]
fn a_last_row_without_an_end_is_a_row() {
    let mut replayed = Replayed::start("gpu_id,n\n1,5\n1,6", |config| config.repeat = false);
    assert_eq!(values(&replayed.seconds(3)), [5.0, 6.0]);
    replayed.end();
}

#[test]
fn a_file_that_is_replaced_begins_at_once_with_columns_of_its_own() {
    let mut replayed = Replayed::start(numbered(0..9), |_| {});
    assert_eq!(values(&replayed.seconds(2)), [0.0, 1.0]);
    rename_over(&replayed, "power,uuid\n70,GPU-a\n");
    assert_eq!(
        replayed.seconds(1)[0].to_string(),
        "power gpu:GPU-a local_machine {} = 70"
    );
}

#[test]
fn all_copies_of_a_row_are_sent_before_another_file_begins() {
    let mut replayed = Replayed::start(numbered(0..9), |config| {
        config.workers = 3;
        config.worker_mode = WorkerMode::Replicate;
    });
    replayed.bench.advance(Duration::from_millis(500));
    assert_eq!(values(&replayed.bench.poll(NAME).unwrap()), [0.0]);
    rename_over(&replayed, &numbered(5..9));
    assert_eq!(values(&replayed.seconds(1)), [0.0, 0.0, 5.0]);
    assert_eq!(values(&replayed.seconds(1)), [5.0, 5.0, 6.0]);
}

#[test]
fn a_file_without_a_good_row_that_is_gone_is_an_error() {
    let mut replayed = Replayed::start("metric_name,gpu_id,value\nm,1,x\n", |_| {});
    replayed.root.remove("a.csv");
    for _ in 0..3 {
        replayed.bench.advance(Duration::from_secs(1));
        replayed.bench.poll(NAME).unwrap_err();
    }
}

#[test]
fn a_file_that_is_rewritten_in_place_begins_at_once_if_it_is_shorter_and_else_with_the_next_pass() {
    let mut replayed = Replayed::start(numbered(0..9), |_| {});
    assert_eq!(values(&replayed.seconds(2)), [0.0, 1.0]);
    replayed.root.write("a.csv", "uuid,k\nG,7\n");
    assert_eq!(values(&replayed.seconds(1)), [7.0]);
    replayed.root.write("a.csv", "uuid,p\nG,8\n");
    assert_eq!(replayed.seconds(1)[0].to_string(), "p gpu:G local_machine {} = 8");
}

#[test]
fn a_file_that_is_away_for_a_while_is_read_to_its_end_and_waited_for() {
    let mut replayed = Replayed::start(numbered(0..2), |_| {});
    replayed.root.remove("a.csv");
    assert_eq!(values(&replayed.seconds(2)), [0.0, 1.0]);
    for _ in 0..3 {
        replayed.bench.advance(Duration::from_secs(60));
        let failure = replayed.bench.poll(NAME).unwrap_err().to_string();
        assert!(failure.contains("a.csv"), "{failure}");
    }
    replayed.root.write("a.csv", numbered(5..9));
    assert_eq!(values(&replayed.seconds(3)), [5.0, 6.0], "nothing is made up for");
}

#[test]
fn a_file_that_becomes_something_else_is_an_error_until_it_is_mended() {
    let mut replayed = Replayed::start(numbered(0..9), |_| {});
    rename_over(&replayed, "nonsense\n1\n");
    replayed.bench.advance(Duration::from_secs(1));
    let failure = replayed.bench.poll(NAME).unwrap_err().to_string();
    assert!(failure.contains("`id_column`"), "{failure}");
    rename_over(&replayed, &numbered(3..9));
    assert_eq!(values(&replayed.seconds(2)), [3.0]);
}

#[test]
fn a_large_file_takes_no_memory_and_a_row_allocates_nothing() {
    let root = FakeRoot::new();
    let mut config = config(&root, "gpu_id,n\n");
    config.rate = 1e6;
    let mut file = OpenOptions::new().append(true).open(&config.path).unwrap();
    let rows: String = (0..10_000)
        .map(|row| format!("gpu-{},{row}\n", row % 8))
        .collect();
    for _ in 0..30 {
        file.write_all(rows.as_bytes()).unwrap();
    }
    let mut bench = Bench::start::<CsvReplayPlugin>(config, root.path()).unwrap();
    let mut polled = || bench.poll_batch(NAME).unwrap().len();
    assert_eq!(polled(), 0);
    bench.advance(Duration::from_secs(1));
    let mut polled = || bench.poll_batch(NAME).unwrap().len();
    assert_eq!(polled(), 65_536, "one poll has an end");
    for _ in 0..3 {
        let (samples, cost) = Allocations::of(&mut polled);
        assert_eq!(samples, 65_536);
        assert_eq!(cost.kept, 0);
        assert!(cost.count < 100, "only the batch is allocated: {cost:?}");
    }
}
