//! With a real spool.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::Catalog;
use alumet_core::spool::Spool;
use alumet_shared_spool::{DiskSpool, SpoolConfig};

use crate::client::{Agent, begin, hello, instance};
use crate::rig::{PATIENCE, Rig};
use crate::spool::GatedSpool;

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_batch_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool.db");
    let mut agent = Agent::new();
    let mut batches = Vec::new();
    for round in 1..=3_u64 {
        wait_until_free(&path);
        let rig = Rig::on_disk(&path);
        let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
        assert_eq!(session.welcome.last_sequence, (round - 1) * 10);
        for value in 0..10 {
            batches.extend(agent.next(value));
        }
        // All of them, each time: the client got no acknowledgement.
        session.send_all(batches.clone()).await;
        session.acknowledged(round * 10).await;
        assert!(rig.recording.wait_for(10, PATIENCE));
        assert_eq!(rig.lines().len(), 10, "each sample comes once");
        // A copy of the file at this instant, as a crash would leave it.
        let copy = folder.path().join("copy.db");
        for end in ["", "-wal"] {
            let of = |path: &Path| format!("{}{end}", path.display());
            if std::fs::exists(of(&path)).unwrap() {
                std::fs::copy(of(&path), of(&copy)).unwrap();
            }
        }
        let spool = open(&copy);
        assert_eq!(spool.committed(instance(1)).unwrap().unwrap().0, round * 10);
        drop(spool);
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", copy.display()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_batches_that_take_all_the_room_give_it_back_when_they_are_stored() {
    // Room for ten batches, however small.
    let spool = GatedSpool::with_memory(20 << 10);
    let rig = Rig::on(spool.clone(), |_| {});
    spool.hold();
    let mut agent = Agent::new();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    for value in 0..30 {
        session.send_all(agent.next(value)).await;
    }
    spool.wait_for(instance(1), 10);
    spool.release();
    // This session waits for room that only its own batches have.
    session.acknowledged(30).await;

    // It has nothing more to say, and others have room all the same.
    let mut other = begin(rig.address, hello("b", 2, 1)).await.unwrap();
    let mut agent = Agent::new();
    for value in 0..10 {
        other.send_all(agent.next(value)).await;
    }
    other.acknowledged(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_that_clients_wait_and_nothing_is_taken() {
    // Room for a few batches.
    let spool = GatedSpool::with_memory(64);
    let rig = Rig::on(spool.clone(), |_| {});
    spool.hold();
    let mut agent = Agent::new();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    assert!(!rig.is_stalled(), "nothing waits");
    for value in 0..30 {
        session.send_all(agent.next(value)).await;
    }
    let deadline = Instant::now() + PATIENCE;
    while !rig.is_stalled() {
        assert!(Instant::now() < deadline, "nobody is told that the session waits");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    spool.release();
    session.acknowledged(30).await;
    assert!(!rig.is_stalled(), "nothing waits any more");
}

/// The spool of a server that was stopped is closed by the last thread that has it.
fn wait_until_free(path: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while open(path).status().fault.is_some() {
        assert!(Instant::now() < deadline, "the spool stays locked");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn open(path: &Path) -> Arc<DiskSpool> {
    let config = SpoolConfig {
        path: Some(path.to_owned()),
        ..SpoolConfig::default()
    };
    DiskSpool::open(config, Catalog::new())
}
