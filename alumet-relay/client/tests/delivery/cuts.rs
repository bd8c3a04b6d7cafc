//! Connections that break, servers that die, programs that are killed: nothing is lost and nothing is there twice.

use std::sync::atomic::Ordering;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use tokio::time::{Instant, sleep};

use crate::proxy::{Harm, Proxy, Random};
use crate::rig::{Running, config_of, until};
use crate::server::{Behaviour, Server, Store};
use crate::spool::FakeSpool;

/// Some milliseconds between reception and commit, so that a cut finds batches in between.
fn slow() -> Behaviour {
    Behaviour {
        commit: Duration::from_millis(3),
        window_bytes: 20_000,
        ..Behaviour::default()
    }
}

fn assert_complete(store: &Store, records: u64) {
    assert_eq!(store.sequences(), (1..=records).collect::<Vec<_>>());
    store.with(|stored| assert_eq!(stored.violations, [""; 0]));
}

#[tokio::test]
async fn connections_that_are_cut_at_random_lose_and_double_nothing() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let server = Server::start(slow(), store.clone()).await;
    let proxy = Proxy::start(server.address, Harm::CutWithin(60_000), 1).await;
    spool.append(500, 1000);
    let running = Running::start(&config_of(proxy.address), &spool);
    for _ in 0..500 {
        spool.append(1, 1000);
        sleep(Duration::from_millis(1)).await;
    }
    until("everything is stored", || spool.acknowledged() == 1000).await;
    running.ended().await;
    assert_complete(&store, 1000);
    let connections = proxy.connections.load(Ordering::Relaxed);
    assert!(connections > 20, "only {connections} connections");
    assert!(!spool.failures().is_empty() && spool.recoveries() > 0);
}

#[tokio::test]
async fn a_server_that_commits_and_dies_before_it_says_so_gets_nothing_twice() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let dying = Behaviour {
        dies_every: Some(17),
        ..slow()
    };
    let server = Server::start(dying, store.clone()).await;
    spool.append(300, 1000);
    let running = Running::start(&config_of(server.address), &spool);
    until("everything is stored", || spool.acknowledged() == 300).await;
    running.kill().await;
    assert_complete(&store, 300);
    store.with(|stored| {
        assert!(stored.hellos.len() >= 17, "{}", stored.hellos.len());
        // What was stored without a word is not even sent again.
        assert!(stored.bytes < 300_000 + 18 * 20_000, "{}", stored.bytes);
    });
}

#[tokio::test]
async fn a_client_that_is_killed_at_random_goes_on_where_the_server_stands() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let server = Server::start(slow(), store.clone()).await;
    let mut random = Random(3);
    let mut runs = 0;
    spool.append(300, 1000);
    while spool.acknowledged() < 300 {
        let running = Running::start(&config_of(server.address), &spool);
        sleep(Duration::from_millis(random.below(30))).await;
        running.kill().await;
        spool.forget_given();
        runs += 1;
        assert!(runs < 500, "{} {:?}", spool.acknowledged(), spool.failures());
    }
    assert!(runs > 3, "{runs}");
    assert_complete(&store, 300);
    // Each run says that it is another one.
    let ids = store.with(|stored| {
        stored
            .hellos
            .iter()
            .map(|hello| hello.run.to_vec())
            .collect::<Vec<_>>()
    });
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids.len());
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_given_up_and_made_anew() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let server = Server::start(slow(), store.clone()).await;
    let proxy = Proxy::start(server.address, Harm::SilentAfter(30_000), 1).await;
    let mut config = config_of(proxy.address);
    config.keepalive = HumanDuration::from_millis(200);
    spool.append(60, 1000);
    let running = Running::start(&config, &spool);
    until("everything is stored", || spool.acknowledged() == 60).await;
    running.kill().await;
    assert_complete(&store, 60);
    assert!(
        spool.failures().iter().all(|failure| failure.contains("broke")),
        "{:?}",
        spool.failures()
    );
}

#[tokio::test]
async fn a_server_that_acknowledges_nothing_is_left_after_a_while() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let stuck = Behaviour {
        commit: Duration::from_secs(3600),
        ..Behaviour::default()
    };
    let server = Server::start(stuck, store.clone()).await;
    let mut config = config_of(server.address);
    config.ack_timeout = HumanDuration::from_millis(200);
    spool.append(3, 100);
    let running = Running::start(&config, &spool);
    until("it has tried again", || {
        store.with(|stored| stored.hellos.len()) > 2
    })
    .await;
    running.kill().await;
    let failures = spool.failures();
    assert!(
        failures[0].contains("acknowledged nothing for 0.2 s although 3 batches"),
        "{failures:?}"
    );
    assert_eq!(spool.acknowledged(), 0);
}

#[tokio::test]
async fn an_acknowledgement_of_what_was_never_sent_is_not_believed() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let boasting = Behaviour {
        boasts: 1000,
        ..Behaviour::default()
    };
    let server = Server::start(boasting, store.clone()).await;
    spool.append(5, 100);
    let running = Running::start(&config_of(server.address), &spool);
    // What is true is learnt from the next welcome.
    until("it is known", || spool.acknowledged() == 5).await;
    spool.append(1, 100);
    until("it is known", || spool.acknowledged() == 6).await;
    running.kill().await;
    assert_complete(&store, 6);
    let failures = spool.failures();
    assert!(
        failures[0].contains("was acknowledged, but the last that was sent is"),
        "{failures:?}"
    );
}

#[tokio::test]
async fn without_a_server_everything_waits_and_is_sent_when_there_is_one() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let address = crate::server::listen(([127, 0, 0, 1], 0).into())
        .local_addr()
        .unwrap();
    spool.append(10, 100);
    let running = Running::start(&config_of(address), &spool);
    until("it has noticed", || spool.failures().len() > 2).await;
    let failure = spool.failures().remove(0);
    assert!(
        failure.starts_with(&format!("cannot connect to {address} (")),
        "{failure}"
    );
    assert!(
        failure.contains("refused") && failure.contains("check that"),
        "{failure}"
    );
    assert_eq!(spool.recoveries(), 0);
    let began = Instant::now();
    let _server = Server::start_at(address, Behaviour::default(), store.clone(), None).await;
    until("everything is stored", || spool.acknowledged() == 10).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_complete(&store, 10);
    until("it works again", || spool.recoveries() == 1).await;
    running.kill().await;
}
