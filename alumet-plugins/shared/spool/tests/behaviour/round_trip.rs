use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Catalog;
use alumet_core::spool::{GapReason, Numbering, Spool, Spooled};
use alumet_core::testkit::ManualClock;
use alumet_shared_spool::{DiskSpool, SpoolConfig};

use crate::bench::{Bench, Readers, commit, instances, read_all, wait_until};

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
        instances(&spool)[0]
    };
    // Another program start: another catalog, with nothing in it.
    let catalog = Catalog::new();
    let spool = DiskSpool::open(bench.config.clone(), catalog.clone());
    let first = Numbering { instance, first: 1 };
    assert_eq!(spool.numberings()[0], first);
    assert_eq!((spool.numberings().len(), spool.numberings()[1].first), (2, 51));
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
    assert_eq!(files.len(), 3);
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
    assert_eq!(spool.definitions(4, 0).unwrap().len(), 1);
    let count = spool.definitions(4, 0).unwrap()[0].count;
    assert!(spool.definitions(4, count).unwrap().is_empty());
    let reader = spool.reader_of("csv");
    assert_eq!(read_all(&*reader).numbers, (1..=12).collect::<Vec<_>>());
    reader.acknowledge(last.sequence, None);
    commit(&spool);
    assert!(
        spool.definitions(4, 0).unwrap().is_empty(),
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
    assert_eq!(reader.position().unwrap().as_deref(), Some(&b"here"[..]));
    assert!(spool.commit(Duration::ZERO));
}

#[test]
fn a_new_identity_is_that_of_all_that_waits() {
    let bench = Bench::new();
    for _ in 0..2 {
        let spool = bench.open();
        spool.reader_of("csv");
        spool.append(&bench.batch(1, 1));
    }
    let spool = bench.open();
    let old = instances(&spool);
    assert_eq!(old.len(), 3);
    let new = spool.replace_instance();
    assert!(!old.contains(&new));
    assert_eq!(instances(&spool), [new]);
    spool.append(&bench.batch(1, 1));
    drop(spool);
    let spool = bench.open();
    assert_eq!(instances(&spool)[0], new);
    assert_eq!(spool.numberings()[1].first, 4);
}

#[test]
fn no_number_is_used_twice_under_one_identity_also_where_an_older_copy_of_the_file_is_put_back() {
    let bench = Bench::new();
    let mut used = std::collections::BTreeSet::new();
    let copy = bench.folder.path().join("copy");
    for round in 0..6 {
        let spool = bench.open();
        let reader = spool.reader_of("csv");
        for number in 0..5 {
            spool.append(&bench.batch(round * 10 + number, 1));
        }
        commit(&spool);
        let numberings = spool.numberings();
        for item in reader.read(usize::MAX).unwrap() {
            let Spooled::Record(record) = item else {
                panic!("{item:?}")
            };
            let of = numberings
                .iter()
                .rfind(|one| one.first <= record.sequence)
                .unwrap();
            used.insert((of.instance.0, record.sequence, record.checksum));
        }
        drop((reader, spool));
        match round {
            1 => drop(fs::copy(bench.path(), &copy).unwrap()),
            3 => drop(fs::copy(&copy, bench.path()).unwrap()),
            _ => {}
        }
    }
    let mut numbers: Vec<_> = used
        .iter()
        .map(|(instance, number, _)| (instance, number))
        .collect();
    assert_eq!(numbers.len(), 30);
    numbers.dedup();
    assert_eq!(numbers.len(), 30);
}

#[test]
fn what_is_lost_of_two_identities_is_two_gaps() {
    let mut bench = Bench::new();
    for _ in 0..2 {
        let spool = bench.open();
        spool.reader_of("csv");
        for number in 0..5 {
            spool.append(&bench.noise(number, 300));
        }
    }
    bench.config.max_bytes = 1;
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    spool.append(&bench.noise(1, 300));
    commit(&spool);
    let gaps: Vec<_> = read_all(&*reader)
        .gaps
        .into_iter()
        .map(|gap| (gap.first, gap.last, gap.samples, gap.reason))
        .collect();
    assert_eq!(
        gaps,
        [
            (1, 5, 1500, GapReason::Full),
            (6, 10, 1500, GapReason::Full),
            (11, 11, 300, GapReason::Full)
        ]
    );
}

#[test]
fn what_is_lost_is_no_gap_of_an_identity_under_which_nothing_was_appended() {
    let mut bench = Bench::new();
    let append = |bench: &Bench| {
        let spool = bench.open();
        spool.reader_of("csv");
        spool.append(&bench.noise(1, 300));
    };
    append(&bench);
    // Killed before it had anything: its numbers are left out.
    let spool = bench.open();
    spool.reader_of("csv");
    commit(&spool);
    let files = ["", "-wal"].map(|suffix| format!("{}{suffix}", bench.path().display()));
    let contents = files.each_ref().map(|file| fs::read(file).unwrap());
    drop(spool);
    for (file, content) in files.iter().zip(contents) {
        fs::write(file, content).unwrap();
    }
    append(&bench);
    bench.config.max_bytes = 1;
    let spool = bench.open();
    assert_eq!(spool.numberings().len(), 4);
    let reader = spool.reader_of("csv");
    spool.append(&bench.noise(1, 300));
    commit(&spool);
    let gaps = read_all(&*reader).gaps;
    let samples: Vec<_> = gaps.iter().map(|gap| gap.samples).collect();
    assert_eq!(samples, [300, 300, 300], "{gaps:?}");
    assert_eq!(reader.acknowledge(gaps[2].last, None), 0);
    assert_eq!(reader.waiting(), 0);
}

#[test]
fn a_file_of_the_first_version_goes_on() {
    let bench = Bench::new();
    fs::write(bench.path(), include_bytes!("../fixtures/spool-v1.db")).unwrap();
    let spool = bench.open();
    let instance = "e1b2c4dbc528704239400eb1efe1c0e3";
    assert_eq!(spool.numberings()[0].instance.to_string(), instance);
    assert_eq!(spool.numberings()[1].first, 6);
    let relay = spool.reader_of("relay-client/out");
    assert_eq!(relay.position().unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(read_all(&*relay).numbers, [3, 4, 5]);
    assert_eq!(read_all(&*spool.reader_of("csv")).numbers, [1, 2, 3, 4, 5]);
    drop((relay, spool));
    let spool = bench.open();
    assert_eq!(spool.numberings()[0].instance.to_string(), instance);
    assert_eq!(bench.set_aside("").len(), 0);
}

#[test]
fn a_file_of_the_second_version_goes_on() {
    let bench = Bench::new();
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    spool.append(&bench.batch(1, 10));
    commit(&spool);
    drop((reader, spool));
    let file = rusqlite::Connection::open(bench.path()).unwrap();
    file.execute_batch("DROP TABLE arrivals; DROP TABLE wanted; DROP TABLE had; PRAGMA user_version = 2")
        .unwrap();
    drop(file);
    let spool = bench.open();
    assert_eq!(spool.status().fault, None);
    assert_eq!(read_all(&*spool.reader_of("csv")).numbers, [1]);
    spool.append(&bench.batch(2, 10));
    commit(&spool);
    assert_eq!((spool.status().fault, bench.set_aside("").len()), (None, 0));
}

/// Sixteen records that an output is done with, in a spool that keeps such for an hour.
fn kept(bench: &Bench, clock: &ManualClock) -> Arc<DiskSpool> {
    let catalog = bench.catalog.clone();
    let spool = DiskSpool::open_at(bench.config.clone(), catalog, Arc::new(clock.clone()));
    spool.keep(Duration::from_secs(3600));
    let reader = spool.reader_of("csv");
    for number in 1..=16 {
        let sequence = spool.append(&bench.noise(number, 100));
        commit(&spool);
        clock.advance(Duration::from_secs(60));
        reader.acknowledge(sequence, None);
    }
    commit(&spool);
    spool
}

fn numbers_after(spool: &DiskSpool, sequence: u64) -> Vec<u64> {
    let records = spool.records_after(sequence, usize::MAX).unwrap();
    records.iter().map(|record| record.sequence).collect()
}

#[test]
fn what_is_acknowledged_stays_for_its_time_and_does_not_count_as_waiting() {
    let bench = Bench::new();
    let clock = ManualClock::new();
    let spool = kept(&bench, &clock);
    assert_eq!(spool.status().records, 0);
    assert_eq!(numbers_after(&spool, 0), (1..=16).collect::<Vec<_>>());
    assert_eq!(spool.records_after(3, 1).unwrap()[0].sequence, 4);
    // All of it needs its definitions, also after a restart.
    drop(spool);
    let spool = bench.open();
    commit(&spool);
    spool.keep(Duration::from_secs(3600));
    let reader = spool.reader_of("csv");
    assert_eq!(reader.waiting(), 0);
    for record in spool.records_after(0, usize::MAX).unwrap() {
        assert_eq!(reader.batch(&record).unwrap().len(), 100);
    }
    drop((reader, spool));
    let spool = kept(&bench, &clock);
    clock.advance(Duration::from_secs(3600));
    spool.append(&bench.noise(33, 100));
    commit(&spool);
    assert_eq!(numbers_after(&spool, 0), [33]);
}

#[test]
fn what_is_acknowledged_makes_room_for_what_is_not() {
    let mut bench = Bench::new();
    bench.config.max_bytes = 20_000;
    let spool = kept(&bench, &ManualClock::new());
    assert!(numbers_after(&spool, 0).len() > 10);
    for number in 17..=40 {
        spool.append(&bench.noise(number, 100));
        commit(&spool);
    }
    let left = numbers_after(&spool, 0);
    assert_eq!(left.last(), Some(&40));
    assert_eq!(
        left.len() as u64,
        spool.status().records,
        "nothing is kept at the cost of what waits"
    );
    let first = &spool.reader_of("csv").read(1).unwrap()[0];
    assert_eq!(
        matches!(first, Spooled::Gap(_)),
        left[0] > 17,
        "{first:?} {left:?}"
    );
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
