use std::path::{Path, PathBuf};

use alumet_shared_spool::SpoolConfig;
use alumet_shared_sqlite_file::testkit::{Operation, Watched, folder, power_failures};

use crate::workload::Readers;
use crate::workload::{Promise, Workload, check};

/// Appends, acknowledges, commits and reopens; gives every operation on the files and all promises.
fn record(folder: &Path, rounds: u64) -> (Vec<Operation>, Vec<(Promise, u64)>) {
    let mut work = Workload::new(folder);
    let mut promises = Vec::new();
    let watched = Watched::new(folder);
    watched.record(Some(folder.join("spool.db-noted")));
    let mut spool = work.open();
    spool.reader_of("output");
    for round in 0..rounds {
        for _ in 0..1 + round % 3 {
            work.append(&spool);
        }
        if round % 4 == 3 {
            work.acknowledge(&spool);
        }
        // What comes after it may be on disk by then, but need not.
        work.commit(&spool);
        promise(&watched, &mut promises, &work);
        if round % 40 == 39 {
            drop(spool);
            spool = work.open();
        }
    }
    assert!(
        !folder.join("spool.db-shm").exists(),
        "a spool needs no shared memory"
    );
    drop(spool);
    promise(&watched, &mut promises, &work);
    (watched.recorded(), promises)
}

fn promise(watched: &Watched, promises: &mut Vec<(Promise, u64)>, work: &Workload) {
    watched.promise(promises.len());
    promises.push((work.promise.clone(), work.last));
}

/// Each operation could be the last. What was not synced by then is there, is not, or is there in part.
#[test]
fn what_was_committed_is_there_after_a_power_failure_at_any_operation() {
    let points: usize = std::env::var("ALUMET_CRASH_POINTS").map_or(10_000, |text| text.parse().unwrap());
    let home = folder().unwrap();
    let (operations, promises) = record(home.path(), 160);
    assert!(
        operations
            .iter()
            .filter(|one| matches!(one, Operation::Delete(_)))
            .count()
            > 2
    );
    let is_noted =
        |one: &&Operation| matches!(one, Operation::Write(path, ..) if path.ends_with("spool.db-noted"));
    assert!(
        operations.iter().filter(is_noted).count() >= 160,
        "each commit is noted"
    );
    let checked = power_failures(&operations, points, |crashed, promised| {
        let (promise, _) = promised.map_or_else(Default::default, |number| promises[number].clone());
        let config = SpoolConfig {
            path: Some(crashed.join("spool.db")),
            root: crashed.to_owned(),
            ..SpoolConfig::default()
        };
        // Up to the next promise, more may have become durable than was promised.
        let next = promises.iter().find(|(next, _)| next.appended > promise.appended);
        let (later, last) = next.map_or_else(|| (promise.clone(), promise.appended), Clone::clone);
        let tried = later.tried.max(promise.tried);
        check(config, &Promise { tried, ..promise }, last);
        assert_eq!(set_aside(crashed), Vec::<PathBuf>::new());
    });
    let checked = checked.unwrap();
    assert!(checked > points * 8 / 10, "{checked} of {points}");
    println!("{checked} crashes at {} operations", operations.len());
}

fn set_aside(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().contains(".damaged-"))
        .collect()
}
