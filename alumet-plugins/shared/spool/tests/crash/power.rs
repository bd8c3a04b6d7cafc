use std::path::{Path, PathBuf};

use alumet_shared_spool::SpoolConfig;

use crate::disk::{Files, Operation, Random, alone, control};
use crate::vfs;
use crate::workload::Readers;
use crate::workload::{Promise, Workload, check};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Appends, acknowledges, commits and reopens; gives every operation on the files and all promises.
fn record(folder: &Path, rounds: u64) -> (Vec<Operation>, Vec<(Promise, u64)>) {
    let mut work = Workload::new(folder);
    let mut promises = Vec::new();
    {
        let mut control = control();
        control.recorded = Some(Vec::new());
        control.beside = Some((folder.join("spool.db-noted"), Vec::new()));
    }
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
        promise(&mut promises, &work);
        if round % 40 == 39 {
            drop(spool);
            spool = work.open();
        }
    }
    drop(spool);
    promise(&mut promises, &work);
    let operations = control().recorded.take().unwrap();
    (operations, promises)
}

fn promise(promises: &mut Vec<(Promise, u64)>, work: &Workload) {
    control().record(|| Operation::Promise(promises.len()));
    promises.push((work.promise.clone(), work.last));
}

/// Each operation could be the last. What was not synced by then is there, is not, or is there in part.
#[test]
fn what_was_committed_is_there_after_a_power_failure_at_any_operation() {
    let _alone = alone();
    vfs::install();
    let points: usize = std::env::var("ALUMET_CRASH_POINTS").map_or(10_000, |text| text.parse().unwrap());
    let home = folder();
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
    // All from the fourth on are accidental, each in another way.
    let variants = points.div_ceil(operations.len()).max(6);
    let total = operations.len() * variants;
    let mut random = Random(0x5eed_5eed_5eed_5eed);
    let mut files = Files::default();
    let mut promise = (Promise::default(), 0);
    let mut checked = 0;
    for operation in &operations {
        files.apply(operation);
        if let Operation::Promise(number) = operation {
            promise = promises[*number].clone();
        }
        for variant in 0..variants as u64 {
            if random.below(total as u64) >= points as u64 {
                continue;
            }
            checked += 1;
            let crashed = folder();
            files.materialize(crashed.path(), variant, &mut random);
            let config = SpoolConfig {
                path: Some(crashed.path().join("spool.db")),
                root: crashed.path().to_owned(),
                ..SpoolConfig::default()
            };
            // Up to the next promise, more may have become durable than was promised.
            let next = promises
                .iter()
                .find(|(next, _)| next.appended > promise.0.appended);
            let (later, last) = next.map_or((promise.0.clone(), promise.1), |next| next.clone());
            let tried = later.tried.max(promise.0.tried);
            check(
                config,
                &Promise {
                    tried,
                    ..promise.0.clone()
                },
                last,
            );
            assert_eq!(set_aside(crashed.path()), Vec::<PathBuf>::new());
        }
    }
    assert!(
        checked > points * 8 / 10 || checked > total * 8 / 10,
        "{checked} of {total}"
    );
    println!("{checked} crashes at {} operations", operations.len());
}

fn set_aside(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().contains(".damaged-"))
        .collect()
}
