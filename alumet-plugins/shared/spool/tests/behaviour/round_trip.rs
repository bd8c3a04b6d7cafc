use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Catalog;
use alumet_core::spool::{Spool, Spooled};
use alumet_core::testkit::ManualClock;
use alumet_shared_spool::{DiskSpool, SpoolConfig};

use crate::bench::{Bench, Readers, commit, read_all, wait_until};

#[test]
fn what_was_committed_is_there_after_reopening_in_the_same_words() {
    let bench = Bench::new();
    let instance = {
        let spool = bench.open();
        spool.reader_of("csv");
        for number in 1..=50 {
            assert_eq!(spool.append(&bench.batch(number, 7)), number);
        }
        commit(&spool);
        spool.instance()
    };
    // Another program start: another catalog, with nothing in it.
    let catalog = Catalog::new();
    let spool = DiskSpool::open(bench.config.clone(), catalog.clone());
    assert_eq!(spool.instance(), instance);
    let reader = spool.reader_of("csv");
    assert_eq!(reader.waiting(), 350);
    let got = read_all(&*reader);
    assert_eq!(got.numbers, (1..=50).collect::<Vec<_>>());
    assert!(got.gaps.is_empty());
    assert_eq!(catalog.find_metric("number").unwrap().1.name, "number");
    assert_eq!(reader.acknowledge(got.last, None), 350);
    commit(&spool);
    assert_eq!(
        spool.append(&bench.batch(51, 1)),
        51,
        "numbers go on after a good end"
    );
}

#[test]
fn a_new_file_and_its_journal_are_for_this_user_alone() {
    let bench = Bench::new();
    let spool = bench.open();
    spool.reader_of("csv");
    spool.append(&bench.batch(1, 3));
    commit(&spool);
    let path = bench.config.path.as_ref().unwrap();
    let files: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().flatten().collect();
    assert_eq!(files.len(), 2);
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", file.path().display());
    }
}

#[test]
fn what_is_left_is_written_when_the_spool_is_dropped() {
    let bench = Bench::new();
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    spool.append(&bench.batch(1, 3));
    drop(spool);
    drop(reader);
    assert_eq!(read_all(&*bench.open().reader_of("csv")).numbers, [1]);
}

#[test]
fn records_of_several_runs_decode_with_the_dictionary_of_each() {
    let bench = Bench::new();
    for run in 0..4 {
        let spool = bench.open();
        spool.reader_of("csv");
        for number in 1..=3 {
            spool.append(&bench.batch(run * 3 + number, 2));
        }
        commit(&spool);
    }
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    let items = reader.read(usize::MAX).unwrap();
    let Some(Spooled::Record(last)) = items.last() else {
        panic!("{items:?}")
    };
    assert_eq!(last.generation, 4);
    assert_eq!(reader.definitions(4, 0).unwrap().len(), 1);
    let count = reader.definitions(4, 0).unwrap()[0].count;
    assert!(reader.definitions(4, count).unwrap().is_empty());
    let reader = spool.reader_of("csv");
    assert_eq!(read_all(&*reader).numbers, (1..=12).collect::<Vec<_>>());
    reader.acknowledge(last.sequence, None);
    commit(&spool);
    assert!(
        reader.definitions(4, 0).unwrap().is_empty(),
        "no record needs it any more"
    );
}

#[test]
fn a_record_that_is_in_memory_brings_its_batch_and_one_from_disk_is_decoded() {
    let bench = Bench::new();
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    let batch = bench.batch(1, 3);
    spool.append(&batch);
    commit(&spool);
    let items = reader.read(1).unwrap();
    let Spooled::Record(record) = &items[0] else {
        panic!("{items:?}")
    };
    assert!(Arc::ptr_eq(record.batch.as_ref().unwrap(), &batch));
    assert_eq!(record.checksum, crc32fast::hash(&record.payload));
    reader.acknowledge(1, None);
    drop(items);
    assert_eq!(Arc::strong_count(&batch), 1, "a batch that is done is let go");
}

#[test]
fn series_that_only_the_disk_knows_are_let_go_a_minute_after_the_last_was_read() {
    let bench = Bench::new();
    let spool = bench.open();
    spool.reader_of("csv");
    spool.append(&bench.batch(1, 3));
    drop(spool);
    let (catalog, clock) = (Catalog::new(), ManualClock::new());
    let spool = DiskSpool::open_at(bench.config.clone(), catalog.clone(), Arc::new(clock.clone()));
    let reader = spool.reader_of("csv");
    read_all(&*reader);
    for (seconds, live) in [(59, 3), (1, 0)] {
        clock.advance(Duration::from_secs(seconds));
        reader.acknowledge(1, None);
        assert_eq!(catalog.live_series(), live);
    }
}

#[test]
fn without_a_path_it_works_in_memory() {
    let bench = Bench::new();
    let config = SpoolConfig::default();
    let spool = DiskSpool::open(config, bench.catalog.clone());
    let reader = spool.reader_of("csv");
    spool.append(&bench.batch(1, 3));
    assert_eq!(spool.status().path, None);
    assert_eq!(spool.status().fault, None);
    assert_eq!(spool.status().uncommitted_samples, 3);
    assert!(
        !spool.commit(Duration::from_secs(60)),
        "it is not on disk and never will be"
    );
    assert_eq!(read_all(&*reader).numbers, [1]);
    assert_eq!(reader.acknowledge(1, Some(b"here".to_vec())), 3);
    assert_eq!(reader.position().as_deref(), Some(&b"here"[..]));
    assert!(spool.commit(Duration::ZERO));
}

#[test]
fn a_new_identity_outlives_a_restart() {
    let bench = Bench::new();
    let spool = bench.open();
    let old = spool.instance();
    let new = spool.replace_instance();
    assert_ne!(old, new);
    commit(&spool);
    drop(spool);
    let spool = bench.open();
    assert_eq!(spool.instance(), new);
}

#[test]
fn a_backlog_of_64_megabytes_is_read_to_its_end() {
    let bench = Bench::new();
    let spool = bench.open();
    spool.reader_of("csv");
    let records = 1100;
    for number in 1..=records {
        spool.append(&bench.noise(number, 7500));
        if number % 100 == 0 {
            commit(&spool);
        }
    }
    drop(spool);
    assert!(fs::metadata(bench.path()).unwrap().len() > 64 << 20);
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    assert_eq!(reader.waiting(), records * 7500);
    let mut next = 1;
    loop {
        let items = reader.read(1 << 20).unwrap();
        if items.is_empty() {
            break;
        }
        for item in items {
            let Spooled::Record(record) = item else {
                panic!("{item:?}")
            };
            assert_eq!(record.sequence, next);
            assert_eq!(record.checksum, crc32fast::hash(&record.payload));
            next += 1;
        }
        reader.acknowledge(next - 1, None);
    }
    assert_eq!(next, records + 1);
    assert_eq!(reader.waiting(), 0);
    // The space is given back, a few megabytes with each transaction.
    wait_until("the file has shrunk", || {
        spool.replace_instance();
        commit(&spool);
        fs::metadata(bench.path()).unwrap().len() < 32 << 20
    });
}

#[test]
fn a_mebibyte_does_not_wait_for_the_next_transaction() {
    let mut bench = Bench::new();
    bench.config.commit_interval = Duration::from_secs(3600);
    let spool = bench.open();
    spool.reader_of("csv");
    commit(&spool);
    spool.append(&bench.batch(1, 3));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(spool.status().uncommitted_samples, 3, "the hour is not over");
    spool.append(&bench.noise(2, 200_000));
    wait_until("it is committed", || spool.status().uncommitted_samples == 0);
}
