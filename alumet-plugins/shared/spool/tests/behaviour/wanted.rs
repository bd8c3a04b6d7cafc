//! What is damaged in the file is wanted again from those who sent it.

use std::fs;
use std::time::Duration;

use alumet_core::spool::{Claim, InstanceId, Spool, Spooled};
use alumet_core::testkit::ManualClock;
use alumet_shared_spool::DiskSpool;

use crate::bench::{Bench, Readers, commit, read_all, wait_until};
use crate::origins::{AGENT, from_agent};

/// A spool in which 20 batches of the agent wait for `csv`; some of the records are damaged, in each by one byte.
fn damaged(records: &[usize]) -> Bench {
    let bench = Bench::new();
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    for number in 1..=20 {
        spool.append(&from_agent(&bench, number, 100));
    }
    commit(&spool);
    let items = reader.read(usize::MAX).unwrap();
    drop((reader, spool));
    let mut file = fs::read(bench.path()).unwrap();
    for index in records {
        let Spooled::Record(record) = &items[*index - 1] else {
            panic!("{items:?}")
        };
        let payload = &record.payload;
        let at = file.windows(payload.len()).position(|bytes| bytes == &**payload);
        file[at.unwrap() + payload.len() / 2] ^= 1;
    }
    fs::write(bench.path(), file).unwrap();
    bench
}

/// Reads all, so that the damage is noticed, and waits until that is on disk.
fn find_damage(spool: &DiskSpool) {
    read_all(&*spool.reader_of("csv"));
    commit(spool);
}

fn wanted(spool: &DiskSpool) -> Vec<(u64, u64)> {
    let wanted = spool.wanted(AGENT).numbers;
    wanted
        .iter()
        .map(|range| (*range.start(), *range.end()))
        .collect()
}

#[test]
fn a_damaged_batch_is_wanted_until_it_is_stored_again_and_then_comes_once() {
    let bench = damaged(&[5, 6, 9, 20]);
    let spool = bench.open();
    let followed = spool.on_commit(AGENT);
    find_damage(&spool);
    assert_eq!(wanted(&spool), [(5, 6), (9, 9), (20, 20)]);
    assert!(followed.has_changed().is_err(), "whoever follows begins anew");
    assert!(spool.wanted(InstanceId([4; 16])).of_others);
    assert_eq!(spool.committed(AGENT).unwrap(), Some((20, 1020)));
    drop(spool);
    let spool = bench.open();
    let mut followed = spool.on_commit(AGENT);
    followed.mark_unchanged();
    assert_eq!(wanted(&spool), [(5, 6), (9, 9), (20, 20)], "also after a restart");
    assert_eq!(spool.claim(AGENT, 7), Claim::Void);
    for number in [5, 6, 9, 20] {
        assert_eq!(spool.claim(AGENT, number), Claim::Granted);
        assert_eq!(spool.claim(AGENT, number), Claim::Taken);
        spool.append(&from_agent(&bench, number, 100));
    }
    commit(&spool);
    assert_eq!(spool.claim(AGENT, 5), Claim::Void);
    assert!(followed.has_changed().unwrap(), "whoever waits for them is told");
    drop(spool);
    let spool = bench.open();
    assert_eq!(wanted(&spool), [(0, 0); 0]);
    let mut numbers = read_all(&*spool.reader_of("csv")).numbers;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    assert_eq!(spool.committed(AGENT).unwrap(), Some((20, 1020)));
}

#[test]
fn a_claim_that_came_to_nothing_is_made_again_after_a_restart() {
    let bench = damaged(&[5]);
    let spool = bench.open();
    find_damage(&spool);
    assert_eq!(spool.claim(AGENT, 5), Claim::Granted);
    drop(spool);
    assert_eq!(bench.open().claim(AGENT, 5), Claim::Granted);
}

#[test]
fn all_that_a_page_had_is_wanted() {
    let bench = damaged(&[]);
    let file = rusqlite::Connection::open(bench.path()).unwrap();
    let root: i64 = file
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'records'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(file);
    let root = usize::try_from(root).unwrap();
    let mut file = fs::read(bench.path()).unwrap();
    file[(root - 1) * 4096..root * 4096].fill(0xa5);
    fs::write(bench.path(), file).unwrap();
    let spool = bench.open();
    find_damage(&spool);
    assert_eq!(wanted(&spool), [(1, 20)]);
}

#[test]
fn what_one_output_was_given_is_not_wanted_because_it_would_come_twice() {
    let bench = damaged(&[5, 9]);
    let spool = bench.open();
    // It was done with them when they were good.
    let other = spool.reader_of("other");
    other.acknowledge(7, None);
    find_damage(&spool);
    assert_eq!(wanted(&spool), [(0, 0); 0]);
}

#[test]
fn what_an_output_is_done_with_makes_no_batch_wanted_and_leaves_nothing_behind() {
    let bench = damaged(&[5]);
    let spool = bench.open();
    spool.reader_of("csv").acknowledge(20, None);
    wait_until("all is deleted", || {
        commit(&spool);
        spool.status().records == 0
    });
    drop(spool);
    let file = rusqlite::Connection::open(bench.path()).unwrap();
    let left: i64 = file
        .query_row("SELECT count(*) FROM arrivals", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[test]
fn what_nobody_sends_any_more_stays_a_gap_and_is_forgotten() {
    let bench = damaged(&[5]);
    let clock = ManualClock::new();
    let open = || bench.open_at(&clock);
    let spool = open();
    find_damage(&spool);
    assert_eq!(read_all(&*spool.reader_of("csv")).gaps.len(), 1);
    assert_eq!(wanted(&spool), [(5, 5)]);
    clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
    assert_eq!(wanted(&spool), [(0, 0); 0]);
    drop(spool);
    let spool = open();
    assert_eq!(wanted(&spool), [(0, 0); 0]);
    assert_eq!(read_all(&*spool.reader_of("csv")).gaps.len(), 1);
}
