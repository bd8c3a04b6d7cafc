//! What is damaged in the file is wanted again from those who sent it.

use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Batch;
use alumet_core::spool::{Claim, InstanceId, Origin, Spool, SpoolReader, Spooled};
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
    damage(&bench, &items, records);
    bench
}

/// Damages some records in the file, in each one byte.
fn damage(bench: &Bench, items: &[Spooled], records: &[usize]) {
    let file = fs::read(bench.path()).unwrap();
    for index in records {
        let Spooled::Record(record) = &items[*index - 1] else {
            panic!("{items:?}")
        };
        // Of a long one, some bytes that are together in a later page: SQLite reads those past its cache.
        let whole = &record.payload[..];
        let parts = if whole.len() < 400 {
            whole.chunks(400)
        } else {
            whole[5000..].chunks(100)
        };
        let place = |part: &[u8]| file.windows(part.len()).position(|bytes| bytes == part);
        let (at, part) = parts
            .map(|part| (place(part), part))
            .find(|(at, _)| at.is_some())
            .unwrap();
        let at = at.unwrap() + part.len() / 2;
        // In its place: a program may use the file.
        let open = fs::OpenOptions::new().write(true).open(bench.path());
        open.unwrap().write_all_at(&[file[at] ^ 1], at as u64).unwrap();
    }
}

/// The same for two outputs, of which `ahead` is done with 15 of the 20, and `behind` with none.
fn damaged_between(records: &[usize]) -> Bench {
    let bench = Bench::new();
    let spool = bench.open();
    let (behind, ahead) = (spool.reader_of("behind"), spool.reader_of("ahead"));
    for number in 1..=20 {
        spool.append(&from_agent(&bench, number, 100));
    }
    commit(&spool);
    read_all(&*ahead);
    assert_eq!(ahead.acknowledge(15, None), 1500);
    let items = behind.read(usize::MAX).unwrap();
    drop((behind, ahead, spool));
    damage(&bench, &items, records);
    bench
}

/// A spool with its two outputs, that can be opened again at some step.
struct Pair<'a> {
    bench: &'a Bench,
    spool: Arc<DiskSpool>,
    behind: Arc<dyn SpoolReader>,
    ahead: Arc<dyn SpoolReader>,
    /// How many steps are left before it is opened again.
    left: usize,
}

impl<'a> Pair<'a> {
    fn open(bench: &'a Bench, left: usize) -> Self {
        let spool = bench.open();
        Self {
            bench,
            behind: spool.reader_of("behind"),
            ahead: spool.reader_of("ahead"),
            spool,
            left,
        }
    }

    /// A step is over, and on disk.
    fn step(self) -> Self {
        commit(&self.spool);
        let (bench, left) = (self.bench, self.left);
        if left == 1 {
            drop(self);
            return Self::open(bench, 0);
        }
        let left = left.saturating_sub(1);
        Self { left, ..self }
    }

    /// Opens it again when the file is not there yet.
    fn open_before_the_file(self) -> Self {
        let bench = self.bench;
        drop(self);
        let away = bench.folder.path().join("away");
        fs::rename(bench.path(), &away).unwrap();
        fs::create_dir(bench.path()).unwrap();
        let pair = Self::open(bench, 0);
        fs::remove_dir(bench.path()).unwrap();
        fs::rename(&away, bench.path()).unwrap();
        wait_until("the disk is used", || pair.spool.status().fault.is_none());
        pair
    }

    /// Reads what was not read and is done with all; says how many samples it was done with.
    fn done_with(reader: &Arc<dyn SpoolReader>) -> u64 {
        read_all(&**reader);
        reader.acknowledge(u64::MAX, None)
    }

    /// What outputs are still noted to have.
    fn noted(self) -> i64 {
        commit(&self.spool);
        let bench = self.bench;
        drop(self);
        let file = rusqlite::Connection::open(bench.path()).unwrap();
        file.query_row("SELECT count(*) FROM had", [], |row| row.get(0))
            .unwrap()
    }
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
fn what_one_output_has_comes_again_for_the_other_alone() {
    // Opened again after each step, or never.
    for left in 0..=7 {
        let bench = damaged_between(&[5, 9, 18]);
        let pair = Pair::open(&bench, left);
        let behind = read_all(&*pair.behind).numbers;
        assert_eq!(
            behind,
            [1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20]
        );
        let pair = pair.step();
        assert_eq!(wanted(&pair.spool), [(5, 5), (9, 9), (18, 18)]);
        pair.spool.append(&from_agent(&bench, 21, 100));
        pair.spool.append(&from_agent(&bench, 9, 100));
        let pair = pair.step();
        for number in [5, 22, 18] {
            pair.spool.append(&from_agent(&bench, number, 100));
        }
        let pair = pair.step();
        assert_eq!(wanted(&pair.spool), [(0, 0); 0]);
        let all = read_all(&*pair.ahead).numbers;
        assert_eq!(all, [16, 17, 19, 20, 21, 22, 18], "opened again after {left}");
        let pair = pair.step();
        let counted = Pair::done_with(&pair.ahead);
        assert_eq!(
            (counted, pair.ahead.waiting()),
            (900, 0),
            "opened again after {left}"
        );
        let pair = pair.step();
        let behind = read_all(&*pair.behind).numbers;
        let again = [21, 9, 5, 22, 18];
        assert!(behind.ends_with(&again), "{behind:?}, opened again after {left}");
        let pair = pair.step();
        let counted = Pair::done_with(&pair.behind);
        assert_eq!((counted, pair.behind.waiting()), (2200, 0));
        let pair = pair.step();
        assert_eq!(pair.spool.status().samples, 0);
        assert_eq!(read_all(&*pair.ahead).last, 0);
        assert_eq!(pair.noted(), 0);
    }
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

#[test]
fn what_comes_again_last_does_not_wait_for_the_output_that_has_it() {
    for (is_done_before, is_last) in [(true, false), (true, true), (false, false)] {
        let bench = damaged_between(&[5]);
        let pair = Pair::open(&bench, 0);
        Pair::done_with(&pair.behind);
        let pair = pair.step();
        if is_done_before {
            Pair::done_with(&pair.ahead);
        }
        pair.spool.append(&from_agent(&bench, 5, 100));
        let pair = pair.step();
        if is_last {
            assert_eq!(Pair::done_with(&pair.behind), 100);
        }
        let given = if is_done_before { 0 } else { 500 };
        assert_eq!(read_all(&*pair.ahead).samples, given);
        if !is_done_before {
            assert_eq!(pair.ahead.waiting(), 600);
            assert_eq!(pair.ahead.acknowledge(20, None), 600);
        }
        let left = if is_last { 0 } else { 100 };
        assert_eq!((pair.ahead.waiting(), pair.spool.status().samples), (0, left));
        // Whoever keeps the account hears of it with what comes next.
        let counted = pair.ahead.acknowledge(0, None);
        assert_eq!(counted, if is_done_before { 100 } else { 0 });
        assert_eq!(Pair::done_with(&pair.behind), left);
        assert_eq!(pair.spool.status().samples, 0);
        assert_eq!(pair.noted(), 0);
    }
}

#[test]
fn a_wanted_batch_without_samples_passes_over_no_other_record() {
    let bench = damaged_between(&[5]);
    let pair = Pair::open(&bench, 0);
    read_all(&*pair.behind);
    let pair = pair.step();
    pair.spool.append(&from_agent(&bench, 21, 100));
    pair.spool.append(&from_agent(&bench, 5, 0));
    let pair = pair.step();
    assert_eq!(wanted(&pair.spool), [(0, 0); 0]);
    assert_eq!(read_all(&*pair.ahead).numbers, [16, 17, 18, 19, 20, 21]);
    assert_eq!(read_all(&*pair.behind).numbers, [21]);
}

#[test]
fn what_is_damaged_again_comes_again_for_the_same() {
    let bench = damaged_between(&[5]);
    let pair = Pair::open(&bench, 0);
    Pair::done_with(&pair.behind);
    let pair = pair.step();
    pair.spool.append(&from_agent(&bench, 21, 100));
    let again = pair.spool.append(&from_agent(&bench, 5, 100));
    let pair = pair.step();
    let items = pair.behind.read(usize::MAX).unwrap();
    drop(pair);
    damage(&bench, &items, &[2]);
    let pair = Pair::open(&bench, 0);
    assert_eq!(read_all(&*pair.behind).numbers, [21]);
    // It is told of a gap, and has what was there all the same.
    let ahead = read_all(&*pair.ahead);
    assert_eq!(ahead.numbers, [16, 17, 18, 19, 20, 21]);
    assert_eq!(ahead.gaps[0].first, again);
    pair.ahead.acknowledge(again, None);
    let pair = pair.step();
    assert_eq!(wanted(&pair.spool), [(5, 5)]);
    pair.spool.append(&from_agent(&bench, 5, 100));
    let pair = pair.step();
    assert_eq!(read_all(&*pair.behind).numbers, [5]);
    assert_eq!(read_all(&*pair.ahead).last, 0);
}

#[test]
fn a_new_output_of_the_same_name_has_nothing() {
    let bench = damaged_between(&[5]);
    let pair = Pair::open(&bench, 0);
    read_all(&*pair.behind);
    let pair = pair.step();
    pair.ahead.forget();
    let ahead = pair.spool.reader_of("ahead");
    pair.spool.append(&from_agent(&bench, 5, 100));
    let pair = pair.step();
    assert_eq!(read_all(&*ahead).numbers, [5]);
    drop(ahead);
    assert_eq!(pair.noted(), 0);
}

#[test]
fn what_outputs_have_is_forgotten_with_what_nobody_sends_any_more() {
    let bench = damaged_between(&[5, 9]);
    let clock = ManualClock::new();
    let spool = bench.open_at(&clock);
    let (behind, ahead) = (spool.reader_of("behind"), spool.reader_of("ahead"));
    while behind.read(1).unwrap()[0].last() < 6 {}
    commit(&spool);
    assert_eq!(wanted(&spool), [(5, 5)]);
    clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
    read_all(&*behind);
    commit(&spool);
    assert_eq!(wanted(&spool), [(9, 9)]);
    drop((behind, ahead, spool));
    assert_eq!(Pair::open(&bench, 0).noted(), 1);
}

#[test]
fn what_outputs_have_is_kept_of_a_damaged_file() {
    let bench = damaged_between(&[5]);
    let pair = Pair::open(&bench, 0);
    read_all(&*pair.behind);
    drop(pair.step());
    let file = rusqlite::Connection::open(bench.path()).unwrap();
    file.execute("UPDATE origins SET seen = seen + 1", []).unwrap();
    drop(file);
    let pair = Pair::open(&bench, 0);
    assert_eq!(bench.set_aside("damaged").len(), 1);
    pair.spool.append(&from_agent(&bench, 5, 100));
    let pair = pair.step();
    assert_eq!(read_all(&*pair.ahead).numbers, [16, 17, 18, 19, 20]);
}

#[test]
fn a_file_of_the_third_version_goes_on_with_what_is_wanted() {
    let bench = damaged_between(&[5, 9]);
    let pair = Pair::open(&bench, 0);
    while pair.behind.read(1).unwrap()[0].last() < 6 {}
    drop(pair.step());
    let file = rusqlite::Connection::open(bench.path()).unwrap();
    file.execute_batch("DROP TABLE had; PRAGMA user_version = 3")
        .unwrap();
    drop(file);
    let pair = Pair::open(&bench, 0);
    assert_eq!(read_all(&*pair.behind).numbers.len(), 18);
    assert_eq!(read_all(&*pair.ahead).numbers, [16, 17, 18, 19, 20]);
    let pair = pair.step();
    assert_eq!(wanted(&pair.spool), [(5, 5), (9, 9)]);
    assert_eq!(
        (pair.spool.status().fault, bench.set_aside("damaged").len()),
        (None, 0)
    );
}

#[test]
fn another_file_has_it_too() {
    let bench = damaged_between(&[5]);
    let pair = Pair::open(&bench, 0);
    read_all(&*pair.behind);
    let pair = pair.step();
    fs::remove_file(bench.path()).unwrap();
    pair.spool.append(&from_agent(&bench, 21, 100));
    let pair = Pair { left: 1, ..pair }.step();
    pair.spool.append(&from_agent(&bench, 5, 100));
    let pair = pair.step();
    assert_eq!(read_all(&*pair.behind).numbers, [21, 5]);
    assert_eq!(read_all(&*pair.ahead).numbers, [21]);
}

#[test]
fn outputs_that_are_there_before_the_file_have_what_it_says() {
    let bench = damaged_between(&[5]);
    let pair = Pair::open(&bench, 0);
    read_all(&*pair.behind);
    let pair = pair.step().open_before_the_file();
    pair.spool.append(&from_agent(&bench, 5, 100));
    let pair = pair.step();
    assert_eq!(read_all(&*pair.ahead).numbers, [16, 17, 18, 19, 20]);
}

/// Batches whose records are damaged for an open spool, too; their sizes tell their numbers.
const LARGE: usize = 3_000;

fn large(bench: &Bench, number: u64) -> Arc<Batch> {
    let mut batch = bench.catalog.batch();
    batch.extend(bench.noise(number, LARGE + number as usize).samples());
    batch.set_origin(Origin {
        instance: AGENT,
        sequence: number,
        checksum: 0,
    });
    Arc::new(batch)
}

/// Which of them an output is given.
fn read_large(reader: &Arc<dyn SpoolReader>) -> Vec<usize> {
    let items = reader.read(1 << 30).unwrap().into_iter();
    let number = |item| match item {
        Spooled::Record(record) => Some(record.samples as usize - LARGE),
        Spooled::Gap(_) => None,
    };
    items.filter_map(number).collect()
}

/// What becomes of an output that was given a record, but was not done with it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    IsDone,
    HasSuccessor,
    IsKilled,
    IsThereBeforeTheFile,
}

/// `ahead` is given a record, and is not done with it when the record is damaged: is it given the batch again?
fn given_again(then: Then, is_noted: bool, is_opened_again: bool) -> Vec<usize> {
    let bench = Bench::new();
    let pair = Pair::open(&bench, 2);
    for number in 1..=20 {
        pair.spool.append(&large(&bench, number));
    }
    let pair = pair.step();
    let items = pair.behind.read(usize::MAX).unwrap();
    let mut pair = pair.step();
    assert_eq!(read_large(&pair.ahead).len(), 20);
    pair.ahead.acknowledge(1, None);
    damage(&bench, &items, &[3]);
    assert_eq!(read_large(&pair.behind).len(), 19);
    if is_noted {
        pair = pair.step();
    }
    match then {
        Then::IsDone => drop(pair.ahead.acknowledge(20, None)),
        Then::HasSuccessor => pair.ahead = pair.spool.reader_of("ahead"),
        Then::IsKilled => pair = Pair { left: 1, ..pair }.step(),
        Then::IsThereBeforeTheFile => pair = pair.open_before_the_file(),
    }
    if then != Then::IsDone {
        assert_eq!(
            read_large(&pair.ahead).len(),
            18,
            "all but the first and the damaged"
        );
        // It stays so when it is done with the gap.
        pair.ahead.acknowledge(20, None);
        let left = usize::from(is_opened_again);
        pair = Pair { left, ..pair }.step();
    }
    assert_eq!(wanted(&pair.spool), [(3, 3)]);
    pair.spool.append(&large(&bench, 3));
    let pair = pair.step();
    assert_eq!(read_large(&pair.behind).last(), Some(&3));
    read_large(&pair.ahead)
}

#[test]
fn what_an_output_was_only_given_comes_again_for_it_too_if_it_goes_back() {
    assert_eq!(given_again(Then::IsDone, true, false), [0; 0]);
    for (then, is_noted, is_opened_again) in [
        (Then::HasSuccessor, false, false),
        (Then::HasSuccessor, true, false),
        (Then::HasSuccessor, true, true),
        (Then::IsKilled, true, false),
        (Then::IsKilled, true, true),
        (Then::IsThereBeforeTheFile, true, false),
    ] {
        let given = given_again(then, is_noted, is_opened_again);
        assert_eq!(given, [3], "{then:?}, {is_noted}, {is_opened_again}");
    }
}
