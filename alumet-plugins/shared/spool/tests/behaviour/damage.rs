use std::fs;

use alumet_core::spool::{GapReason, Spool, Spooled};

use crate::bench::{Bench, Readers, commit, instances, read_all};

/// A spool with 600 records, of which 500 wait.
fn with_backlog() -> Bench {
    let bench = Bench::new();
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    spool.reader_of("relay");
    for number in 1..=600 {
        spool.append(&bench.batch(number, if number % 3 == 0 { 1 } else { 100 }));
    }
    reader.acknowledge(100, Some(b"hundred".to_vec()));
    spool.reader_of("relay").acknowledge(100, None);
    commit(&spool);
    drop(spool);
    bench
}

#[test]
fn a_damaged_record_is_a_gap_and_the_others_are_good() {
    let bench = Bench::new();
    let spool = bench.open();
    spool.reader_of("csv");
    for number in 1..=9 {
        spool.append(&bench.noise(number, 1000));
    }
    commit(&spool);
    drop(spool);
    // A byte in the middle of the fifth payload.
    let needle = {
        let spool = bench.open();
        let reader = spool.reader_of("csv");
        let items = reader.read(usize::MAX).unwrap();
        let Spooled::Record(record) = &items[4] else {
            panic!("{items:?}")
        };
        record.payload[4000..4020].to_vec()
    };
    let mut file = fs::read(bench.path()).unwrap();
    let at = file
        .windows(needle.len())
        .position(|bytes| bytes == needle)
        .unwrap();
    file[at] ^= 1;
    fs::write(bench.path(), file).unwrap();
    for _ in 0..2 {
        let spool = bench.open();
        let reader = spool.reader_of("csv");
        assert_eq!(reader.waiting(), 9000);
        let items = reader.read(usize::MAX).unwrap();
        let lasts: Vec<_> = items.iter().map(Spooled::last).collect();
        assert_eq!(lasts, (1..=9).collect::<Vec<_>>());
        let Spooled::Gap(gap) = items[4] else {
            panic!("{items:?}")
        };
        assert_eq!((gap.samples, gap.reason), (1000, GapReason::Damaged));
        commit(&spool);
    }
}

#[test]
fn a_file_that_is_no_database_is_set_aside_untouched() {
    for text in [
        "",
        "x",
        "This is no database, but it is long enough to have a header of one hundred bytes, \
                            and more than that, so that nobody takes it for an empty one.",
    ] {
        let bench = Bench::new();
        fs::write(bench.path(), text).unwrap();
        let spool = bench.open();
        assert_eq!(spool.status().fault, None);
        commit(&spool);
        let aside = bench.set_aside("damaged");
        if text.is_empty() {
            assert!(aside.is_empty());
        } else {
            assert_eq!(fs::read_to_string(&aside[0]).unwrap(), text);
        }
    }
}

#[test]
fn a_database_of_another_program_is_set_aside() {
    let bench = Bench::new();
    let other = rusqlite::Connection::open(bench.path()).unwrap();
    other.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    drop(other);
    commit(&bench.open());
    let aside = rusqlite::Connection::open(&bench.set_aside("foreign")[0]).unwrap();
    aside
        .query_row("SELECT count(*) FROM bookmarks", [], |_| Ok(()))
        .unwrap();
}

#[test]
fn a_newer_version_is_set_aside_for_the_program_that_knows_it() {
    let bench = with_backlog();
    let file = rusqlite::Connection::open(bench.path()).unwrap();
    file.pragma_update(None, "user_version", 3).unwrap();
    drop(file);
    let spool = bench.open();
    assert_eq!(spool.reader_of("csv").waiting(), 0);
    commit(&spool);
    assert_eq!(bench.set_aside("newer").len(), 1);
}

#[test]
fn a_spool_that_was_copied_to_another_machine_is_set_aside_once() {
    let bench = with_backlog();
    let machine = bench.folder.path().join("etc");
    fs::create_dir(&machine).unwrap();
    fs::write(machine.join("machine-id"), "one").unwrap();
    let instance = instances(&bench.open())[0];
    fs::write(machine.join("machine-id"), "two").unwrap();
    let spool = bench.open();
    assert_eq!(instances(&spool).len(), 1);
    assert_ne!(instances(&spool)[0], instance);
    assert_eq!(spool.reader_of("csv").waiting(), 0);
    drop(spool);
    bench.open();
    assert_eq!(bench.set_aside("copied").len(), 1);
}

#[test]
fn whatever_happens_to_the_file_it_opens_and_what_it_gives_is_right() {
    let rounds = std::env::var("ALUMET_DAMAGE_ROUNDS").ok();
    let rounds: u64 = rounds.map_or(2000, |text| text.parse().unwrap());
    let bench = with_backlog();
    let good = fs::read(bench.path()).unwrap();
    let (mut whole, mut partly) = (0, 0);
    let mut random = 0x1234_5678_9abc_def1_u64;
    let mut below = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % limit as u64) as usize
    };
    for round in 0..rounds {
        let mut file = good.clone();
        match round % 4 {
            0 => file.truncate(below(good.len())),
            1 => file[below(100)] ^= 1 << below(8),
            2 => (0..64).for_each(|_| file[below(good.len())] ^= 1 << below(8)),
            _ => file[below(good.len())] ^= 1 << below(8),
        }
        let folder = crate::bench::fast_folder();
        let config = alumet_shared_spool::SpoolConfig {
            path: Some(folder.path().join("spool.db")),
            ..bench.config.clone()
        };
        let path = config.path.clone().unwrap();
        let bench = Bench::of(folder, config);
        fs::write(&path, &file).unwrap();
        let spool = bench.open();
        let reader = spool.reader_of("csv");
        let got = read_all(&*reader);
        let sizes = |number: u64| if number.is_multiple_of(3) { 1 } else { 100 };
        assert_eq!(
            got.samples,
            got.numbers.iter().map(|number| sizes(*number)).sum::<u64>()
        );
        assert!(
            got.numbers.iter().all(|number| (1..=600).contains(number)),
            "{got:?}"
        );
        // It works on.
        spool.append(&bench.batch(601, 5));
        commit(&spool);
        let more = read_all(&*reader);
        assert_eq!(more.numbers.last(), Some(&601), "round {round}: {more:?}");
        match got.numbers.len() {
            500 => whole += 1,
            1.. => partly += 1,
            0 => {}
        }
    }
    assert!(whole * 5 > rounds, "{whole} of {rounds} were whole");
    assert!(partly * 10 > rounds, "{partly} of {rounds} were saved in part");
}
