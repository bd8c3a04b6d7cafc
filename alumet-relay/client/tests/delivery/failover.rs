//! Several servers.

use std::time::Duration;

use tokio::time::sleep;

use crate::rig::{Running, config, until};
use crate::server::{Behaviour, Server, Store, listen};
use crate::spool::FakeSpool;

#[tokio::test]
async fn the_first_server_that_works_is_used_and_the_search_begins_at_the_first_again() {
    let (first_store, second_store, spool) = (Store::default(), Store::default(), FakeSpool::new(1));
    let first_address = listen(([127, 0, 0, 1], 0).into()).local_addr().unwrap();
    let second = Server::start(Behaviour::default(), second_store.clone()).await;
    let second_address = second.address;
    let config = config(format!("['{first_address}', '{second_address}']"));

    spool.append(10, 100);
    let running = Running::start(&config, &spool);
    until("the second has them", || spool.acknowledged() == 10).await;
    assert!(spool.failures().is_empty(), "{:?}", spool.failures());

    // As long as it works, it is not left.
    let first = Server::start_at(first_address, Behaviour::default(), first_store.clone(), None).await;
    sleep(Duration::from_millis(100)).await;
    spool.append(10, 100);
    until("the second has these too", || spool.acknowledged() == 20).await;

    second.stop().await;
    spool.append(10, 100);
    until("the first has the rest", || spool.acknowledged() == 30).await;

    // The second has missed some, and gets only what is new.
    let _second = Server::start_at(second_address, Behaviour::default(), second_store.clone(), None).await;
    first.stop().await;
    spool.append(10, 100);
    until("the second goes on", || spool.acknowledged() == 40).await;
    running.kill().await;

    assert_eq!(first_store.sequences(), (21..=30).collect::<Vec<_>>());
    assert_eq!(
        second_store.sequences(),
        (1..=20).chain(31..=40).collect::<Vec<_>>()
    );
    for store in [first_store, second_store] {
        store.with(|stored| assert_eq!(stored.violations, [""; 0]));
    }
}

#[tokio::test]
async fn a_server_that_refuses_does_not_keep_the_others_from_being_tried() {
    let (store, spool) = (Store::default(), FakeSpool::new(1));
    let full = Behaviour {
        refusal: Some(tonic::Status::resource_exhausted("no room")),
        ..Behaviour::default()
    };
    let first = Server::start(full, Store::default()).await;
    let second = Server::start(Behaviour::default(), store.clone()).await;
    let config = config(format!("['{}', '{}']", first.address, second.address));
    spool.append(5, 100);
    Running::start(&config, &spool).ended().await;
    assert_eq!(store.sequences(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn when_none_works_all_are_named() {
    let spool = FakeSpool::new(1);
    let one = listen(([127, 0, 0, 1], 0).into()).local_addr().unwrap();
    let two = listen(([127, 0, 0, 1], 0).into()).local_addr().unwrap();
    spool.append(1, 100);
    let running = Running::start(&config(format!("['{one}', '{two}']")), &spool);
    until("it has noticed", || !spool.failures().is_empty()).await;
    let failure = spool.failures().remove(0);
    assert!(
        failure.contains(&one.to_string()) && failure.contains(&two.to_string()),
        "{failure}"
    );
    running.kill().await;
}
