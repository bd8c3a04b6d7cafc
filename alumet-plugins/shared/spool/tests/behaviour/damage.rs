use std::fs;
use std::time::Duration;

use alumet_core::spool::{GapReason, Spool, Spooled};
use alumet_core::testkit::ManualClock;

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
    let mut first_told = None;
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
        first_told.get_or_insert_with(|| spool.status().lost);
    }
    let told = first_told.flatten().unwrap();
    assert!(told.contains("1000 samples, 5 to 5"), "{told}");
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
        assert_eq!(
            spool.status().lost.is_some(),
            !text.is_empty(),
            "what is no spool is told"
        );
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
    file.pragma_update(None, "user_version", 5).unwrap();
    drop(file);
    let spool = bench.open();
    assert_eq!(spool.reader_of("csv").waiting(), 0);
    commit(&spool);
    let aside = bench.set_aside("newer");
    assert_eq!(aside.len(), 1);
    let told = spool.status().lost.unwrap();
    assert!(told.contains(&*aside[0].to_string_lossy()), "{told}");
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

/// The files of a spool as a kill leaves them: most of it in the journal. Twelve batches, each in a transaction of its own, of
/// which the output is done with two.
fn killed() -> (Bench, Vec<u8>, Vec<u8>, Vec<u8>) {
    let bench = Bench::new();
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    for number in 1..=12 {
        spool.append(&bench.batch(number, 100));
        commit(&spool);
    }
    read_all(&*reader);
    reader.acknowledge(2, None);
    commit(&spool);
    spool.append(&bench.batch(13, 100));
    commit(&spool);
    let read = |suffix: &str| fs::read(format!("{}{suffix}", bench.path().display())).unwrap();
    let files = (read(""), read("-wal"), read("-noted"));
    assert!(files.1.len() > 50_000);
    (bench, files.0, files.1, files.2)
}

/// Opens such files, and gives what is read; what is not must be told.
fn opened(
    (database, journal, noted): (&[u8], &[u8], &[u8]),
    config: &alumet_shared_spool::SpoolConfig,
) -> Vec<u64> {
    let folder = crate::bench::fast_folder();
    let path = folder.path().join("spool.db");
    let config = alumet_shared_spool::SpoolConfig {
        path: Some(path.clone()),
        ..config.clone()
    };
    let bench = Bench::of(folder, config);
    for (suffix, content) in [("", database), ("-wal", journal), ("-noted", noted)] {
        fs::write(format!("{}{suffix}", path.display()), content).unwrap();
    }
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    let got = read_all(&*reader);
    let told: u64 = got.gaps.iter().map(|gap| gap.samples).sum();
    let read = got.samples + told + got.undecodable * 100;
    assert_eq!(read, 1100, "{got:?}");
    // It works on.
    spool.append(&bench.batch(601, 5));
    commit(&spool);
    assert_eq!(read_all(&*reader).numbers.last(), Some(&601));
    got.numbers
}

#[test]
fn one_flipped_bit_in_what_a_kill_left_takes_nothing() {
    let step = std::env::var("ALUMET_DAMAGE_STEP").map_or(397, |text| text.parse().unwrap());
    let (bench, database, journal, noted) = killed();
    let (mut whole, mut tried) = (0, 0);
    let all: Vec<u64> = (3..=13).collect();
    let frame = 4096 + 24;
    // Every bit of the header and of the header of a frame, and some of everything else.
    let (first, last) = (32 * 8, (journal.len() - 32) / frame);
    let headers = [0, 1, last / 2, last - 1].map(|frame_number| (32 + frame * frame_number) * 8);
    let in_headers = headers.into_iter().flat_map(|bit| bit..bit + 24 * 8);
    let bits = (0..first)
        .chain(in_headers)
        .chain((first..journal.len() * 8).step_by(step * 97));
    for bit in bits {
        let mut damaged = journal.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let numbers = opened((&database, &damaged, &noted), &bench.config);
        // Of the highest bits of a word, more than one could have been the wrong one.
        let (in_header, in_frame) = (bit < first, (bit - first.min(bit)) / 8 % frame);
        let is_found = in_header || (8..24).contains(&in_frame) || bit % 32 < 20;
        if is_found {
            assert_eq!(numbers, all, "bit {bit} of {}", journal.len() * 8);
        }
        (whole, tried) = (whole + u32::from(numbers == all), tried + 1);
    }
    assert!(whole * 100 > tried * 80, "{whole} of {tried}");
}

#[test]
fn what_damage_in_what_a_kill_left_takes_is_a_gap() {
    let (bench, database, journal, noted) = killed();
    let mut whole = 0;
    for round in 0..200 {
        let mut damaged = journal.clone();
        let at = round * 7919 % (damaged.len() - 64);
        damaged[at..at + 64].fill(0xa5);
        let numbers = opened((&database, &damaged, &noted), &bench.config);
        whole += usize::from(numbers.len() > 5);
    }
    assert!(whole > 150, "{whole}");
}

#[test]
fn a_journal_that_is_gone_is_a_gap_of_what_was_noted() {
    let bench = with_backlog();
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    spool.append(&bench.batch(601, 70));
    commit(&spool);
    let database = fs::read(bench.path()).unwrap();
    let noted = fs::read(format!("{}-noted", bench.path().display())).unwrap();
    drop((reader, spool));
    fs::write(bench.path(), &database).unwrap();
    fs::write(format!("{}-noted", bench.path().display()), &noted).unwrap();
    let clock = ManualClock::new();
    let open = || bench.open_at(&clock);
    let spool = open();
    let got = read_all(&*spool.reader_of("csv"));
    let lost: Vec<_> = got.gaps.iter().map(|gap| (gap.samples, gap.reason)).collect();
    assert_eq!((got.numbers.len(), lost), (500, vec![(70, GapReason::Damaged)]));
    // It is told, but not for ever.
    clock.advance(Duration::from_secs(59));
    let told = spool.status().lost.unwrap();
    assert!(
        told.contains("older copy") && told.contains(" 70 samples"),
        "{told}"
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(spool.status().lost, None);
    drop(spool);
    assert_eq!(open().status().lost, None);
}

#[test]
fn what_is_left_of_a_journal_that_was_cut_and_damaged_is_a_gap() {
    let (bench, database, journal, noted) = killed();
    for length in [0, 1, 31, 32, 55, 56, 100, 4151, 4152, 4153, 8271, 8272, 20_000] {
        let mut damaged = journal[..length].to_vec();
        damaged.iter_mut().take(8).for_each(|byte| *byte ^= 0x5a);
        opened((&database, &damaged, &noted), &bench.config);
    }
}

#[test]
fn of_a_file_of_which_hardly_anything_is_left_all_is_a_gap() {
    let (bench, database, _, noted) = killed();
    for length in [0, 1, 100, 511, 512] {
        let numbers = opened((&database[..length], &[], &noted), &bench.config);
        assert_eq!(numbers, [0; 0], "{length}");
    }
}
