use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alumet_core::spool::Spool;

use crate::bench::{Bench, PATIENCE, Readers, commit, read_all};

#[test]
fn records_are_kept_for_those_who_follow_and_for_as_long() {
    let bench = Bench::new();
    let spool = bench.open();
    spool.append(&bench.batch(1, 3));
    let csv = spool.reader_of("csv");
    spool.append(&bench.batch(2, 3));
    let relay = spool.reader_of("relay");
    assert_eq!(spool.reader_of("relay").waiting(), 0);
    spool.append(&bench.batch(3, 3));
    assert_eq!((csv.waiting(), relay.waiting()), (6, 3));
    assert_eq!(spool.status().records, 2);
    commit(&spool);
    assert_eq!(read_all(&*csv).numbers, [2, 3]);
    assert_eq!(csv.acknowledge(3, None), 6);
    assert_eq!(spool.status().samples, 3);
    relay.forget();
    assert_eq!((relay.waiting(), spool.status().samples), (0, 0));
    assert!(read_all(&*relay).numbers.is_empty());
    spool.append(&bench.batch(4, 3));
    assert_eq!(csv.waiting(), 3);
    commit(&spool);
    drop(spool);
    drop((csv, relay));
    let spool = bench.open();
    // It begins anew.
    assert_eq!(spool.reader_of("relay").waiting(), 0);
    assert_eq!(spool.reader_of("csv").waiting(), 3);
}

#[test]
fn an_acknowledgement_is_cumulative_and_counts_each_sample_once() {
    let bench = Bench::new();
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    for number in 1..=10 {
        spool.append(&bench.batch(number, number as usize));
    }
    commit(&spool);
    read_all(&*reader);
    assert_eq!(reader.acknowledge(3, Some(b"three".to_vec())), 6);
    assert_eq!(reader.acknowledge(3, None), 0);
    assert_eq!(reader.acknowledge(2, None), 0);
    assert_eq!(reader.position().unwrap().as_deref(), Some(&b"three"[..]));
    let reader = spool.reader_of("csv");
    assert_eq!(read_all(&*reader).numbers, (4..=10).collect::<Vec<_>>());
    assert_eq!(reader.acknowledge(1000, None), 49);
    assert_eq!(reader.waiting(), 0);
}

#[test]
fn what_an_output_was_given_and_is_not_done_with_is_given_to_its_successor() {
    let bench = Bench::new();
    let spool = bench.open();
    let before = spool.reader_of("csv");
    for number in 1..=3 {
        spool.append(&bench.batch(number, 2));
    }
    commit(&spool);
    assert_eq!(read_all(&*before).numbers, [1, 2, 3]);
    before.acknowledge(1, None);
    drop(before);
    assert_eq!(read_all(&*spool.reader_of("csv")).numbers, [2, 3]);
}

#[test]
fn what_was_given_in_an_earlier_run_can_be_acknowledged_without_being_read() {
    let mut bench = Bench::new();
    bench.config.memory_bytes = 1;
    let spool = bench.open();
    let reader = spool.reader_of("relay");
    for number in 1..=10 {
        spool.append(&bench.batch(number, 2));
        commit(&spool);
    }
    reader.acknowledge(2, Some(b"two".to_vec()));
    commit(&spool);
    drop(spool);
    drop(reader);
    let spool = bench.open();
    let reader = spool.reader_of("relay");
    assert_eq!(reader.position().unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(reader.waiting(), 16);
    assert_eq!(reader.acknowledge(7, None), 10);
    assert_eq!(read_all(&*reader).numbers, [8, 9, 10]);
}

#[test]
fn an_acknowledgement_before_the_commit_spares_the_disk_the_records() {
    let mut bench = Bench::new();
    bench.config.commit_interval = std::time::Duration::from_secs(3600);
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    commit(&spool);
    for number in 1..=100 {
        let sequence = spool.append(&bench.noise(number, 1000));
        reader.acknowledge(sequence, None);
    }
    assert_eq!(spool.status().uncommitted_samples, 0);
    commit(&spool);
    let journal = std::fs::metadata(bench.path().with_extension("db-wal"))
        .unwrap()
        .len();
    assert!(journal < 200_000, "{journal} bytes were written");
}

#[test]
fn many_readers_at_their_own_pace_get_everything_while_it_is_appended() {
    let mut bench = Bench::new();
    // The tail is short, so that most comes from the disk.
    bench.config.memory_bytes = 4000;
    let spool = bench.open();
    let names: Vec<_> = (0..6).map(|index| format!("output/{index}")).collect();
    for name in &names {
        spool.reader_of(name);
    }
    let total = 2000;
    std::thread::scope(|scope| {
        for (index, name) in names.iter().enumerate() {
            let reader = spool.reader_of(name);
            scope.spawn(move || {
                let (mut numbers, mut gaps, mut done, mut lost) = (0, 0, 0, 0);
                while numbers + gaps < total {
                    let got = read_all(&*reader);
                    numbers += got.numbers.len() as u64;
                    gaps += got.gaps.iter().map(|gap| gap.last - gap.first + 1).sum::<u64>();
                    lost += got.gaps.iter().map(|gap| gap.samples).sum::<u64>();
                    if got.last > 0 {
                        done += reader.acknowledge(got.last, None);
                    }
                    std::thread::sleep(std::time::Duration::from_micros(500 * index as u64));
                }
                assert_eq!(done + lost, total * 3);
                assert_eq!(done, numbers * 3);
            });
        }
        scope.spawn(|| {
            for number in 1..=total {
                spool.append(&bench.batch(number, 3));
                if number % 7 == 0 {
                    commit(&spool);
                }
            }
        });
    });
    assert_eq!(spool.status().samples, 0);
}

#[test]
fn a_careful_reader_is_never_ahead_of_the_disk_and_is_told_when_there_is_more() {
    let bench = Bench::new();
    let spool = bench.open();
    let told = Arc::new(AtomicUsize::new(0));
    let bell = Arc::clone(&told);
    let wake = Box::new(move || {
        bell.fetch_add(1, Ordering::Relaxed);
    });
    let reader = spool.reader("csv", wake);
    for number in 1..=50 {
        let before = told.load(Ordering::Relaxed);
        spool.append(&bench.batch(number, 3));
        let given = reader.read(1 << 20).unwrap();
        // It may have been committed already, but then the uncommitted samples say so.
        assert!(given.is_empty() || spool.status().uncommitted_samples == 0);
        assert!(spool.commit(PATIENCE));
        let given = given.len() + reader.read(1 << 20).unwrap().len();
        assert_eq!(given, 1);
        assert!(told.load(Ordering::Relaxed) > before);
        reader.acknowledge(number, None);
    }
}
