use std::time::Duration;

use alumet_core::spool::{Gap, GapReason, Spool};
use alumet_core::testkit::ManualClock;
use alumet_core::time::Timestamp;

use crate::bench::{Bench, Readers, commit, read_all, wait_until};

#[test]
fn a_full_spool_drops_the_oldest_and_says_exactly_what() {
    let mut bench = Bench::new();
    bench.config.max_bytes = 40_000;
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    for number in 1..=20 {
        spool.append(&bench.noise(number, 500));
        commit(&spool);
    }
    wait_until("there is room", || spool.status().bytes <= 40_000);
    let kept = spool.status().records;
    assert!((5..20).contains(&kept), "{kept}");
    assert_eq!(
        reader.waiting(),
        10_000,
        "what is lost waits until the output has heard of it"
    );
    let items = reader.read(usize::MAX).unwrap();
    assert_eq!(items.len() as u64, kept + 1);
    let alumet_core::spool::Spooled::Gap(gap) = items[0] else {
        panic!("{items:?}")
    };
    let lost = 20 - kept;
    let time = |number: u64| Timestamp::from_nanos(number as i64);
    assert_eq!(
        gap,
        Gap {
            first: 1,
            last: lost,
            samples: lost * 500,
            time: Some((time(1), time(lost))),
            reason: GapReason::Full,
        }
    );
    assert_eq!(reader.acknowledge(20, None), kept * 500, "a gap is no delivery");
    assert_eq!(reader.waiting(), 0);
}

#[test]
fn the_file_stays_within_its_size_while_an_output_is_away() {
    let mut bench = Bench::new();
    bench.config.max_bytes = 2 << 20;
    let spool = bench.open();
    spool.reader_of("csv");
    for number in 1..=2000 {
        spool.append(&bench.noise(number, 700));
        if number % 10 == 0 {
            commit(&spool);
        }
    }
    let size = std::fs::metadata(bench.path()).unwrap().len();
    assert!(size < 3 << 20, "{size}");
    let journal = std::fs::metadata(bench.path().with_extension("db-wal"))
        .unwrap()
        .len();
    assert!(journal <= 12 << 20, "{journal}");
}

#[test]
fn what_was_given_before_it_was_lost_counts_as_done_and_the_rest_comes_as_a_gap() {
    let mut bench = Bench::new();
    bench.config.max_bytes = 40_000;
    let spool = bench.open();
    let (fast, slow) = (spool.reader_of("fast"), spool.reader_of("slow"));
    for number in 1..=3 {
        spool.append(&bench.noise(number, 500));
    }
    commit(&spool);
    assert_eq!(fast.read(usize::MAX).unwrap().len(), 3);
    assert_eq!(slow.read(1).unwrap().len(), 1);
    for number in 4..=20 {
        spool.append(&bench.noise(number, 500));
        commit(&spool);
    }
    wait_until("there is room", || spool.status().bytes <= 40_000);
    let lost = 20 - spool.status().records;
    assert!(lost > 3);
    let items = fast.read(usize::MAX).unwrap();
    let alumet_core::spool::Spooled::Gap(gap) = items[0] else {
        panic!("{items:?}")
    };
    assert_eq!((gap.first, gap.last, gap.samples), (4, lost, (lost - 3) * 500));
    assert_eq!(fast.acknowledge(20, None), (20 - (lost - 3)) * 500);
    // What was not acknowledged is lost for the successor of the other too.
    let slow = spool.reader_of("slow");
    let items = slow.read(1).unwrap();
    let alumet_core::spool::Spooled::Gap(gap) = items[0] else {
        panic!("{items:?}")
    };
    assert_eq!((gap.first, gap.samples), (1, lost * 500));
}

#[test]
fn a_gap_outlives_a_restart() {
    let mut bench = Bench::new();
    bench.config.max_bytes = 40_000;
    let spool = bench.open();
    spool.reader_of("csv");
    for number in 1..=20 {
        spool.append(&bench.noise(number, 500));
    }
    commit(&spool);
    drop(spool);
    let spool = bench.open();
    // What was appended while others were written went after that.
    let kept = spool.status().records;
    assert!((1..20).contains(&kept), "{kept}");
    let reader = spool.reader_of("csv");
    assert_eq!(reader.waiting(), 10_000);
    let items = reader.read(usize::MAX).unwrap();
    let alumet_core::spool::Spooled::Gap(gap) = items[0] else {
        panic!("{items:?}")
    };
    assert_eq!(gap.samples, (20 - kept) * 500);
    assert_eq!(items.len() as u64, kept + 1);
}

#[test]
fn what_is_too_old_expires_even_if_nothing_comes_any_more() {
    let mut bench = Bench::new();
    bench.config.max_age = Duration::from_millis(300);
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    spool.append(&bench.batch(1, 3));
    spool.append(&bench.batch(2, 4));
    commit(&spool);
    wait_until("they have expired", || spool.status().records == 0);
    let got = read_all(&*reader);
    assert_eq!(got.gaps.len(), 1);
    assert_eq!((got.gaps[0].samples, got.gaps[0].reason), (7, GapReason::Expired));
    assert_eq!(reader.acknowledge(2, None), 0);
}

#[test]
fn the_age_counts_from_the_append_also_over_a_restart() {
    let bench = Bench::new();
    let clock = ManualClock::new();
    let open = || bench.open_at(&clock);
    let spool = open();
    spool.reader_of("csv");
    spool.append(&bench.batch(1, 3));
    clock.advance(Duration::from_secs(20 * 24 * 3600));
    spool.append(&bench.batch(2, 3));
    commit(&spool);
    drop(spool);
    clock.advance(Duration::from_secs(20 * 24 * 3600));
    let spool = open();
    let reader = spool.reader_of("csv");
    spool.append(&bench.batch(3, 3));
    commit(&spool);
    let got = read_all(&*reader);
    assert_eq!(got.numbers, [2, 3]);
    assert_eq!((got.gaps[0].first, got.gaps[0].last), (1, 1));
}

#[test]
fn memory_alone_is_bounded_too() {
    let mut bench = Bench::new();
    bench.config.path = None;
    bench.config.memory_bytes = 20_000;
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    for number in 1..=100 {
        spool.append(&bench.noise(number, 100));
    }
    let bytes = spool.status().bytes;
    assert!(bytes < 40_000, "{bytes}");
    let items = reader.read(usize::MAX).unwrap();
    let alumet_core::spool::Spooled::Gap(gap) = items[0] else {
        panic!("{items:?}")
    };
    assert_eq!(gap.samples, (100 - (items.len() as u64 - 1)) * 100);
}

#[test]
fn a_record_that_was_given_can_be_decoded_although_it_was_evicted_since() {
    let mut bench = Bench::new();
    bench.config.max_bytes = 40_000;
    let spool = bench.open();
    spool.reader_of("csv");
    spool.append(&bench.batch(1, 3));
    drop(spool);
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    let items = reader.read(1).unwrap();
    let alumet_core::spool::Spooled::Record(record) = &items[0] else {
        panic!("{items:?}")
    };
    assert!(record.batch.is_none());
    for number in 2..=40 {
        spool.append(&bench.noise(number, 500));
        commit(&spool);
    }
    assert!(spool.status().records < 39);
    commit(&spool);
    assert_eq!(reader.batch(record).unwrap().len(), 3);
}
