//! What is sent, in which order and how fast.

use std::time::Duration;

use alumet_relay_protocol::v1::GapReason;
use tokio::time::{Instant, sleep};

use crate::rig::{Running, config_of, until};
use crate::server::{Behaviour, Server, Store};
use crate::spool::FakeSpool;

#[tokio::test]
async fn every_record_arrives_once_in_its_order_with_its_definitions_before_it() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let server = Server::start(Behaviour::default(), store.clone()).await;
    spool.append(300, 100);
    let running = Running::start(&config_of(server.address), &spool);
    until("the backlog is stored", || spool.acknowledged() == 300).await;
    spool.append(300, 100);
    running.ended().await;
    assert_eq!(store.sequences(), (1..=600).collect::<Vec<_>>());
    store.with(|stored| {
        assert_eq!(stored.violations, [""; 0]);
        assert_eq!(stored.hellos.len(), 1);
        let hello = &stored.hellos[0];
        assert_eq!((hello.node.as_str(), hello.next_sequence), ("node", 1));
        assert_eq!((hello.instance.as_ref(), hello.run.len()), (&[1; 16][..], 16));
        assert!(hello.software.contains("relay-client"));
    });
    assert_eq!((spool.acknowledged(), spool.failures()), (600, vec![]));
}

#[tokio::test]
async fn nothing_is_acknowledged_before_the_server_says_so() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let silent = Behaviour {
        acknowledges: false,
        ..Behaviour::default()
    };
    let server = Server::start(silent, store.clone()).await;
    spool.append(5, 100);
    let running = Running::start(&config_of(server.address), &spool);
    until("all are there", || store.sequences().len() == 5).await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(spool.acknowledged(), 0);
    running.kill().await;
}

#[tokio::test]
async fn records_follow_each_other_without_waiting_but_never_beyond_the_window() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let slow = Behaviour {
        window_bytes: 10_000,
        commit: Duration::from_millis(10),
        ..Behaviour::default()
    };
    let server = Server::start(slow, store.clone()).await;
    spool.append(100, 1000);
    Running::start(&config_of(server.address), &spool).ended().await;
    assert_eq!(store.sequences().len(), 100);
    let most = store.with(|stored| stored.most_in_flight);
    assert!((5_000..=10_000).contains(&most), "{most}");
}

#[tokio::test]
async fn a_record_larger_than_the_window_passes_alone() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let narrow = Behaviour {
        window_bytes: 0,
        ..Behaviour::default()
    };
    let server = Server::start(narrow, store.clone()).await;
    spool.append(10, 1000);
    Running::start(&config_of(server.address), &spool).ended().await;
    assert_eq!(store.sequences().len(), 10);
    assert_eq!(store.with(|stored| stored.most_in_flight), 1000);
}

#[tokio::test]
async fn a_gap_is_told_and_the_records_after_it_follow() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let server = Server::start(Behaviour::default(), store.clone()).await;
    spool.append_gap(7);
    spool.append(2, 100);
    spool.append_gap(1);
    spool.append(1, 100);
    Running::start(&config_of(server.address), &spool).ended().await;
    assert_eq!(store.sequences(), [8, 9, 11]);
    let full = GapReason::Full as i32;
    store.with(|stored| assert_eq!(stored.gaps, [(1, 7, full), (10, 10, full)]));
    assert_eq!(spool.acknowledged(), 11);
}

#[tokio::test]
async fn a_record_that_the_server_cannot_take_is_given_up_and_told_and_the_others_arrive() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let small = Behaviour {
        max_message_bytes: 2000,
        ..Behaviour::default()
    };
    let server = Server::start(small, store.clone()).await;
    spool.append(3, 100);
    spool.append(1, 3000);
    spool.append(3, 100);
    Running::start(&config_of(server.address), &spool).ended().await;
    assert_eq!(store.sequences(), [1, 2, 3, 5, 6, 7]);
    store.with(|stored| assert_eq!(stored.gaps, [(4, 4, GapReason::TooLarge as i32)]));
    assert_eq!(spool.acknowledged(), 7);
    assert!(
        spool.failures()[0].contains("`max_message_bytes`"),
        "{:?}",
        spool.failures()
    );
}

#[tokio::test]
async fn a_record_with_more_samples_than_the_server_takes_is_given_up_and_told() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let few = Behaviour {
        max_batch_samples: 9,
        ..Behaviour::default()
    };
    let server = Server::start(few, store.clone()).await;
    spool.append(1, 100);
    Running::start(&config_of(server.address), &spool).ended().await;
    assert_eq!(store.sequences(), [] as [u64; 0]);
    store.with(|stored| assert_eq!(stored.gaps, [(1, 1, GapReason::TooLarge as i32)]));
    assert_eq!(spool.acknowledged(), 1);
}

#[tokio::test]
async fn an_acknowledgement_that_was_damaged_on_its_way_is_not_believed() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let damaging = Behaviour {
        damages_every: Some(7),
        window_bytes: 100,
        ..Behaviour::default()
    };
    let server = Server::start(damaging, store.clone()).await;
    spool.append(20, 100);
    Running::start(&config_of(server.address), &spool).ended().await;
    assert_eq!(store.sequences(), (1..=20).collect::<Vec<_>>());
    assert!(
        spool
            .failures()
            .iter()
            .any(|failure| failure.contains("damaged on its way")),
        "{:?}",
        spool.failures()
    );
}

#[tokio::test]
async fn names_that_the_server_cannot_take_stop_everything_and_nothing_is_given_up() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let small = Behaviour {
        max_message_bytes: 2000,
        ..Behaviour::default()
    };
    let server = Server::start(small, store.clone()).await;
    spool.set_definition_bytes(3000);
    spool.append(1, 100);
    let running = Running::start(&config_of(server.address), &spool);
    until("it has noticed", || !spool.failures().is_empty()).await;
    running.kill().await;
    let failure = spool.failures().remove(0);
    assert!(
        failure.contains("takes only 2000; raise `max_message_bytes`"),
        "{failure}"
    );
    assert_eq!(spool.acknowledged(), 0);
}

#[tokio::test]
async fn a_spool_that_cannot_be_read_is_a_failure_of_the_output() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let server = Server::start(Behaviour::default(), store.clone()).await;
    spool.append(1, 100);
    let running = Running::start(&config_of(server.address), &spool);
    until("it is connected", || spool.acknowledged() == 1).await;
    spool.break_disk();
    until("it has noticed", || !spool.failures().is_empty()).await;
    running.kill().await;
    assert_eq!(spool.failures()[0], "the disk is gone");
}

#[tokio::test]
async fn a_backlog_is_sent_at_the_pace_that_is_set_and_a_single_record_at_once() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let server = Server::start(Behaviour::default(), store.clone()).await;
    let mut config = config_of(server.address);
    config.backlog_bytes_per_second = 20_000;
    spool.append(20, 1000);
    let began = Instant::now();
    let running = Running::start(&config, &spool);
    until("the backlog is stored", || spool.acknowledged() == 20).await;
    // The last record is not part of the backlog, and a quarter of a second is free.
    assert!(
        began.elapsed() > Duration::from_millis(600),
        "{:?}",
        began.elapsed()
    );

    // Nothing waits before these, so each leaves at once.
    let began = Instant::now();
    for sequence in 21..=25 {
        spool.append(1, 100_000);
        until("it is stored", || spool.acknowledged() == sequence).await;
    }
    // And they leave no debt to those that come later.
    spool.append(3, 100);
    until("they are stored", || spool.acknowledged() == 28).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    running.kill().await;
}
