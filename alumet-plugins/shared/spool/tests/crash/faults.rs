use alumet_shared_sqlite_file::testkit::{Watched, folder};
use rusqlite::ffi;

use crate::workload::Readers;
use crate::workload::{Workload, check};

/// A little of everything; gives how many operations it took.
fn run(failing: std::ops::Range<usize>, code: i32) -> usize {
    let folder = folder().unwrap();
    let mut work = Workload::new(folder.path());
    let watched = Watched::new(folder.path());
    watched.fail(failing, code);
    let mut spool = work.open();
    spool.reader_of("output");
    for round in 0..6 {
        work.append(&spool);
        work.append(&spool);
        if round % 2 == 1 {
            work.acknowledge(&spool);
        }
        work.commit(&spool);
        if round == 3 {
            drop(spool);
            spool = work.open();
        }
    }
    drop(spool);
    let count = watched.count();
    drop(watched);
    check(work.config.clone(), &work.promise, work.last);
    count
}

#[test]
fn after_any_operation_that_fails_the_spool_recovers_and_keeps_its_promises() {
    let operations = run(0..0, 0);
    assert!(operations > 60, "{operations}");
    let mut runs = 0;
    for first in 0..operations {
        for (length, code) in [
            (1, ffi::SQLITE_FULL),
            (1, ffi::SQLITE_IOERR_WRITE),
            (4, ffi::SQLITE_FULL),
            (4, ffi::SQLITE_IOERR_FSYNC),
        ] {
            run(first..first + length, code);
            runs += 1;
        }
    }
    println!("{runs} runs with {operations} operations each");
}
