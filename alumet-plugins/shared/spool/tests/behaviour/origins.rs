use std::sync::Arc;

use alumet_core::Batch;
use alumet_core::spool::{InstanceId, Origin, Spool};
use alumet_shared_spool::{DiskSpool, SpoolConfig};

use crate::bench::{Bench, Readers, commit, read_all, wait_until};

pub(crate) const AGENT: InstanceId = InstanceId([3; 16]);

pub(crate) fn from_agent(bench: &Bench, sequence: u64, samples: usize) -> Arc<Batch> {
    let mut batch = bench.catalog.batch();
    batch.extend(bench.batch(sequence, samples).samples());
    batch.set_origin(Origin {
        instance: AGENT,
        sequence,
        checksum: sequence as u32 + 1000,
    });
    Arc::new(batch)
}

#[test]
fn an_origin_is_committed_with_its_record_and_outlives_a_restart() {
    let bench = Bench::new();
    let spool = bench.open();
    spool.reader_of("csv");
    let mut watch = spool.on_commit(AGENT);
    assert_eq!(*watch.borrow_and_update(), 0);
    assert_eq!(spool.committed(AGENT).unwrap(), None);
    spool.append(&from_agent(&bench, 1, 3));
    spool.append(&from_agent(&bench, 2, 3));
    commit(&spool);
    assert_eq!(spool.committed(AGENT).unwrap(), Some((2, 1002)));
    assert!(watch.has_changed().unwrap());
    assert_eq!(*watch.borrow_and_update(), 2);
    drop(spool);
    let spool = bench.open();
    assert_eq!(spool.committed(AGENT).unwrap(), Some((2, 1002)));
    assert_eq!(*spool.on_commit(AGENT).borrow(), 2);
    assert_eq!(spool.committed(InstanceId([4; 16])).unwrap(), None);
}

#[test]
fn an_empty_batch_only_notes_its_origin() {
    let bench = Bench::new();
    let spool = bench.open();
    spool.reader_of("csv");
    spool.append(&from_agent(&bench, 5, 0));
    commit(&spool);
    assert_eq!(spool.committed(AGENT).unwrap(), Some((5, 1005)));
    assert_eq!(spool.status().records, 0);
}

#[test]
fn an_origin_is_noted_when_nobody_follows() {
    let bench = Bench::new();
    let spool = bench.open();
    spool.append(&from_agent(&bench, 6, 2));
    commit(&spool);
    assert_eq!(spool.committed(AGENT).unwrap(), Some((6, 1006)));
    assert_eq!(spool.status().samples, 0);
    drop(spool);
    assert_eq!(bench.open().committed(AGENT).unwrap(), Some((6, 1006)));
}

#[test]
fn without_a_disk_an_origin_is_safe_once_every_output_has_written_it() {
    let bench = Bench::new();
    let spool = DiskSpool::open(SpoolConfig::default(), bench.catalog.clone());
    let reader = spool.reader_of("csv");
    let watch = spool.on_commit(AGENT);
    let sequence = spool.append(&from_agent(&bench, 1, 3));
    assert_eq!(spool.committed(AGENT).unwrap(), None);
    reader.acknowledge(sequence, None);
    assert_eq!(spool.committed(AGENT).unwrap(), Some((1, 1001)));
    wait_until("the watcher knows", || *watch.borrow() == 1);
}

#[test]
fn while_the_disk_fails_nothing_counts_as_stored_even_if_every_output_has_it() {
    let mut bench = Bench::new();
    // A folder in the way of the file.
    bench.config.path = Some(bench.folder.path().to_owned());
    let spool = bench.open();
    assert!(spool.status().fault.is_some());
    let reader = spool.reader_of("csv");
    let number = spool.append(&from_agent(&bench, 1, 3));
    assert_eq!(read_all(&*reader).numbers, [1]);
    reader.acknowledge(number, None);
    assert_eq!(spool.committed(AGENT).unwrap(), None);
}
