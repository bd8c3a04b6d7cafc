use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use alumet_core::spool::{GapReason, InstanceId, Spool};
use alumet_shared_spool::SpoolConfig;

use crate::bench::{Bench, Readers, commit, instances, read_all, wait_until};

#[test]
fn two_programs_cannot_share_a_file() {
    let bench = Bench::new();
    let first = bench.open();
    first.reader_of("csv");
    first.append(&bench.batch(1, 1));
    commit(&first);
    let second = bench.open();
    let fault = second.status().fault.unwrap();
    assert!(fault.contains("a file of its own"), "{fault}");
    assert_ne!(instances(&first), instances(&second));
    let reader = second.reader_of("csv");
    second.append(&bench.batch(2, 1));
    assert!(!second.commit(Duration::from_millis(50)));
    // The first one ends: the second takes over what it has left.
    let instance = instances(&first)[0];
    drop(first);
    wait_until("the disk is used", || second.status().fault.is_none());
    assert_eq!(instances(&second)[0], instance);
    assert_eq!(read_all(&*reader).numbers, [1, 2]);
    second.append(&bench.batch(3, 1));
    commit(&second);
    assert_eq!(read_all(&*reader).numbers, [3]);
}

#[test]
fn a_backlog_that_does_not_go_together_with_memory_is_set_aside() {
    let bench = Bench::new();
    let first = bench.open();
    first.reader_of("csv");
    first.append(&bench.batch(1, 1));
    drop(first);
    // Somebody puts it back when the next program has begun without.
    let away = bench.folder.path().join("away");
    fs::rename(bench.path(), &away).unwrap();
    fs::create_dir(bench.path()).unwrap();
    let second = bench.open();
    let reader = second.reader_of("csv");
    second.append(&bench.batch(2, 1));
    fs::remove_dir(bench.path()).unwrap();
    fs::rename(&away, bench.path()).unwrap();
    wait_until("the disk is used", || second.status().fault.is_none());
    let aside = bench.set_aside("backlog");
    assert_eq!(aside.len(), 1);
    let told = second.status().lost.unwrap();
    assert!(told.contains(&*aside[0].to_string_lossy()), "{told}");
    commit(&second);
    drop(second);
    drop(reader);
    assert_eq!(read_all(&*bench.open().reader_of("csv")).numbers, [2]);
    // What was set aside is a good spool.
    let aside = bench.set_aside("backlog").remove(0);
    let config = SpoolConfig {
        path: Some(aside),
        ..bench.config.clone()
    };
    let spool = alumet_shared_spool::DiskSpool::open(config, bench.catalog.clone());
    assert_eq!(read_all(&*spool.reader_of("csv")).numbers, [1]);
}

#[test]
fn a_folder_in_the_place_of_the_file_is_left_alone() {
    let bench = Bench::new();
    fs::create_dir(bench.path()).unwrap();
    let spool = bench.open();
    let fault = spool.status().fault.unwrap();
    assert!(fault.contains("is not a file"), "{fault}");
    let reader = spool.reader_of("csv");
    spool.append(&bench.batch(1, 1));
    fs::remove_dir(bench.path()).unwrap();
    commit(&spool);
    assert_eq!(spool.status().fault, None);
    drop(spool);
    drop(reader);
    assert_eq!(read_all(&*bench.open().reader_of("csv")).numbers, [1]);
}

#[test]
fn a_folder_that_is_not_there_is_made_and_one_that_cannot_be_made_is_a_fault() {
    let mut bench = Bench::new();
    let inner = bench.folder.path().join("a/b");
    bench.config.path = Some(inner.join("spool.db"));
    commit(&bench.open());
    assert!(bench.path().is_file());
    // A file where the folder should be.
    fs::write(bench.folder.path().join("c"), "").unwrap();
    bench.config.path = Some(bench.folder.path().join("c/spool.db"));
    let fault = bench.open().status().fault.unwrap();
    assert!(fault.contains("cannot make the folder"), "{fault}");
}

#[test]
fn a_folder_that_is_not_writable_is_a_fault_until_it_is() {
    let bench = Bench::new();
    let set_mode = |mode| fs::set_permissions(bench.folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o555);
    if fs::write(bench.folder.path().join("probe"), "").is_ok() {
        set_mode(0o755);
        eprintln!("skipped: this user may write everywhere");
        return;
    }
    let spool = bench.open();
    let fault = spool.status().fault.unwrap();
    assert!(fault.contains("writable for this user"), "{fault}");
    set_mode(0o755);
    commit(&spool);
}

#[test]
fn a_file_that_is_removed_while_in_use_is_made_again_with_all_that_is_in_memory() {
    let mut bench = Bench::new();
    bench.config.memory_bytes = 12_000;
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    for number in 1..=20 {
        spool.append(&bench.noise(number, 30));
        commit(&spool);
    }
    let instance = instances(&spool)[0];
    fs::remove_file(bench.path()).unwrap();
    let _ = fs::remove_file(bench.path().with_extension("db-wal"));
    spool.append(&bench.noise(21, 30));
    commit(&spool);
    assert!(bench.path().is_file());
    drop(spool);
    drop(reader);
    let spool = bench.open();
    assert_eq!(instances(&spool)[0], instance);
    let reader = spool.reader_of("csv");
    assert_eq!(reader.waiting(), 21 * 30);
    let items = reader.read(usize::MAX).unwrap();
    let alumet_core::spool::Spooled::Gap(gap) = items[0] else {
        panic!("{items:?}")
    };
    assert_eq!(gap.reason, GapReason::Damaged);
    assert_eq!(gap.samples + 30 * (items.len() as u64 - 1), 21 * 30);
    assert!(items.len() > 3, "the newest were in memory");
}

#[test]
fn what_a_file_says_that_cannot_be_read_yet_is_not_taken_for_nothing() {
    let bench = Bench::new();
    let spool = bench.open();
    let reader = spool.reader_of("csv");
    for number in 1..=5 {
        spool.append(&bench.batch(number, 2));
    }
    commit(&spool);
    reader.acknowledge(2, Some(b"two".to_vec()));
    commit(&spool);
    let instance = instances(&spool)[0];
    // Another program has the file at first.
    let second = bench.open();
    let reader = second.reader_of("csv");
    assert!(
        reader
            .position()
            .unwrap_err()
            .to_string()
            .contains("a file of its own")
    );
    assert!(second.committed(InstanceId([1; 16])).is_err());
    second.append(&bench.batch(6, 3));
    second.append(&bench.batch(7, 1));
    drop(spool);
    wait_until("the file is used", || reader.position().is_ok());
    assert_eq!(reader.position().unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(second.committed(InstanceId([1; 16])).unwrap(), None);
    assert_eq!(reader.waiting(), 3 * 2 + 3 + 1);
    assert_eq!(read_all(&*reader).numbers, [3, 4, 5, 6, 7]);
    assert_eq!(instances(&second)[0], instance);
    commit(&second);
    drop((reader, second));
    let third = bench.open();
    assert_eq!(read_all(&*third.reader_of("csv")).numbers, [3, 4, 5, 6, 7]);
    assert_eq!(bench.set_aside("").len(), 0);
}
