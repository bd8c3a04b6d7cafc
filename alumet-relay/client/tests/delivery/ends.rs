//! How it ends: with everything stored, or with everything kept.

use std::time::Duration;

use alumet_core::duration::HumanDuration;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::rig::{LONG, Running, config_of, until};
use crate::server::{Behaviour, Server, Store, listen};
use crate::spool::FakeSpool;

#[tokio::test]
async fn at_the_end_everything_is_sent_and_acknowledged_first() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let slow = Behaviour {
        commit: Duration::from_millis(5),
        window_bytes: 5_000,
        ..Behaviour::default()
    };
    let server = Server::start(slow, store.clone()).await;
    spool.append(1, 1000);
    let running = Running::start(&config_of(server.address), &spool);
    until("it is connected", || spool.acknowledged() == 1).await;
    spool.append(50, 1000);
    running.stopped(LONG).await;
    assert_eq!((store.sequences().len(), spool.acknowledged()), (51, 51));
}

#[tokio::test]
async fn a_program_so_short_that_it_never_connected_still_delivers() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let server = Server::start(Behaviour::default(), store.clone()).await;
    spool.append(3, 100);
    Running::start(&config_of(server.address), &spool)
        .stopped(LONG)
        .await;
    assert_eq!(store.sequences(), [1, 2, 3]);
}

#[tokio::test]
async fn without_anything_to_send_the_end_needs_no_server() {
    let spool = FakeSpool::new(1);
    let address = listen(([127, 0, 0, 1], 0).into()).local_addr().unwrap();
    let report = Running::start(&config_of(address), &spool).stopped(LONG).await;
    assert!(report.is_complete());
    assert_eq!(spool.failures(), [""; 0]);
}

#[tokio::test]
async fn without_a_server_the_end_comes_at_once_and_everything_stays() {
    let spool = FakeSpool::new(1);
    let address = listen(([127, 0, 0, 1], 0).into()).local_addr().unwrap();
    let mut config = config_of(address);
    config.retry.initial_delay = HumanDuration::from_secs(3600);
    config.retry.max_delay = config.retry.initial_delay;
    spool.append(5, 100);
    let running = Running::start(&config, &spool);
    until("it waits for the next attempt", || !spool.failures().is_empty()).await;
    let began = Instant::now();
    assert!(running.stopped(LONG).await.is_complete());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(spool.acknowledged(), 0);
}

#[tokio::test]
async fn a_server_that_never_answers_delays_the_end_by_little_and_gets_nothing_afterwards() {
    let spool = FakeSpool::new(1);
    // It accepts, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config_of(listener.local_addr().unwrap());
    config.connect_timeout = HumanDuration::from_secs(3600);
    spool.append(5, 100);
    let running = Running::start(&config, &spool);
    sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    assert!(running.stopped(LONG).await.is_complete());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(spool.acknowledged(), 0);
}

#[tokio::test]
async fn a_server_that_acknowledges_nothing_delays_the_end_by_little() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let stuck = Behaviour {
        acknowledges: false,
        ..Behaviour::default()
    };
    let server = Server::start(stuck, store.clone()).await;
    spool.append(1, 100);
    let running = Running::start(&config_of(server.address), &spool);
    until("it is sent", || !store.sequences().is_empty()).await;
    let began = Instant::now();
    assert!(running.stopped(LONG).await.is_complete());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(spool.acknowledged(), 0);
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_left() {
    let spool = FakeSpool::new(1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config_of(listener.local_addr().unwrap());
    config.connect_timeout = HumanDuration::from_millis(50);
    spool.append(1, 100);
    let running = Running::start(&config, &spool);
    until("it is tried again", || spool.failures().len() > 1).await;
    let failure = spool.failures().remove(0);
    assert!(
        failure.contains("not accepted the session within 0.05 s"),
        "{failure}"
    );
    running.kill().await;
}
