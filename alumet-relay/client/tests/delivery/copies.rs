//! One spool on two machines, a spool that went back, and a server that did.

use alumet_core::spool::SpoolReader;
use alumet_plugin_relay_client::Config;

use crate::rig::{Running, config, config_of, until};
use crate::server::{Behaviour, Server, Store};
use crate::spool::FakeSpool;
use alumet_relay_protocol::checksum::sealed_status;

async fn server() -> (Store, Server) {
    let store = Store::default();
    let server = Server::start(Behaviour::default(), store.clone()).await;
    (store, server)
}

/// The batches of one identity.
fn of(store: &Store, spool: &FakeSpool) -> Vec<u64> {
    let instance = spool.id().0.to_vec();
    store.with(|stored| {
        let own = stored.batches.iter().filter(|(id, _)| *id == instance);
        own.map(|(_, sequence)| *sequence).collect()
    })
}

#[tokio::test]
async fn a_copy_with_other_records_under_the_same_numbers_gets_another_identity_and_loses_nothing() {
    let (store, server) = server().await;
    let original = FakeSpool::new(1);
    original.append(5, 100);
    let copy = original.copied();
    original.append(10, 100);
    Running::start(&config_of(server.address), &original)
        .ended()
        .await;

    copy.append_as(9, 20, 100);
    Running::start(&config_of(server.address), &copy).ended().await;
    assert_ne!(copy.id(), original.id());
    assert_eq!(of(&store, &original), (1..=15).collect::<Vec<_>>());
    assert_eq!(of(&store, &copy), (1..=25).collect::<Vec<_>>());
    let failures = copy.failures();
    assert!(failures[0].contains("another batch 15"), "{failures:?}");
}

#[tokio::test]
async fn a_copy_that_is_behind_the_original_is_recognised_by_that() {
    let (store, server) = server().await;
    let original = FakeSpool::new(1);
    original.append(5, 100);
    let copy = original.copied();
    original.append(10, 100);
    Running::start(&config_of(server.address), &original)
        .ended()
        .await;

    let running = Running::start(&config_of(server.address), &copy);
    until("it is stored", || copy.acknowledged() == 5).await;
    running.kill().await;
    assert_eq!(of(&store, &copy), [1, 2, 3, 4, 5]);
    let failures = copy.failures();
    assert!(failures[0].contains("up to 15"), "{failures:?}");
}

#[tokio::test]
async fn somebody_else_who_ended_at_the_same_number_is_recognised_by_the_checksum() {
    let (store, server) = server().await;
    let address = server.address;
    let spool = FakeSpool::new(1);
    spool.append(5, 100);
    let running = Running::start(&config_of(address), &spool);
    until("it is stored", || spool.acknowledged() == 5).await;
    let id = spool.id();
    server.stop().await;
    store.pretend(&id.0, 5, 12345);
    let _server = Server::start_at(address, Behaviour::default(), store.clone(), None).await;
    spool.append(1, 100);
    until("it is stored", || spool.acknowledged() == 6).await;
    assert_ne!(spool.id(), id);
    running.kill().await;
}

#[tokio::test]
async fn what_the_server_has_of_this_spool_is_skipped_and_not_sent_again() {
    let (store, server) = server().await;
    let spool = FakeSpool::new(1);
    spool.append(10, 100);
    let again = spool.copied();
    Running::start(&config_of(server.address), &spool).ended().await;
    let bytes = store.with(|stored| stored.bytes);

    // The acknowledgements were lost with the program.
    again.append(1, 100);
    Running::start(&config_of(server.address), &again).ended().await;
    assert_eq!(again.id(), spool.id());
    assert_eq!(store.sequences(), (1..=11).collect::<Vec<_>>());
    store.with(|stored| {
        assert_eq!(stored.bytes, bytes + 100);
        assert_eq!(stored.violations, [""; 0]);
    });
}

#[tokio::test]
async fn what_the_server_has_and_a_crash_has_taken_from_the_spool_is_no_copy() {
    let (store, server) = server().await;
    let spool = FakeSpool::new(1);
    spool.append(5, 100);
    let after_crash = spool.copied();
    // These reached the server before the disk.
    spool.append(3, 100);
    Running::start(&config_of(server.address), &spool).ended().await;

    let after_crash = after_crash.restarted(1000, 2);
    after_crash.append(2, 100);
    Running::start(&config_of(server.address), &after_crash)
        .ended()
        .await;
    assert_eq!(after_crash.failures(), [""; 0]);
    assert_eq!(of(&store, &spool), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(of(&store, &after_crash), [1006, 1007]);
    store.with(|stored| assert_eq!(stored.violations, [""; 0]));
}

#[tokio::test]
async fn a_gap_that_the_server_has_in_part_is_told_as_a_whole() {
    let (store, server) = server().await;
    let spool = FakeSpool::new(1);
    spool.append_gap(10);
    spool.append(1, 100);
    store.pretend(&spool.id().0, 4, 77);
    Running::start(&config_of(server.address), &spool).ended().await;
    assert_eq!(store.sequences(), [11]);
    store.with(|stored| {
        assert_eq!(stored.violations, [""; 0]);
        assert_eq!(stored.gaps.len(), 1);
    });
    assert_eq!(spool.failures(), [""; 0]);
}

#[tokio::test]
async fn a_record_that_was_too_large_last_time_is_given_up_this_time() {
    let (store, server) = server().await;
    let spool = FakeSpool::new(1);
    spool.append(3, 100);
    store.pretend(&spool.id().0, 2, 0);
    Running::start(&config_of(server.address), &spool).ended().await;
    assert_eq!(store.sequences(), [3]);
    assert!(
        spool.failures()[0].contains("larger than"),
        "{:?}",
        spool.failures()
    );
}

#[tokio::test]
async fn a_server_that_has_noticed_the_copy_is_believed() {
    let store = Store::default();
    let refusing = Behaviour {
        refusal: Some(sealed_status(
            tonic::Code::AlreadyExists,
            "node a at 10.0.0.1 and node b at 10.0.0.2",
        )),
        ..Behaviour::default()
    };
    let server = Server::start(refusing, store.clone()).await;
    let spool = FakeSpool::new(1);
    spool.append(3, 100);
    let running = Running::start(&config_of(server.address), &spool);
    until("it has another identity", || spool.id().0[0] != 1).await;
    until("it says so", || !spool.failures().is_empty()).await;
    running.kill().await;
    assert!(
        spool.failures()[0].contains("node b at 10.0.0.2"),
        "{:?}",
        spool.failures()
    );
    assert_eq!(spool.acknowledged(), 0);
}

#[tokio::test]
async fn what_a_spool_has_got_since_it_went_back_is_sent_under_the_same_numbers() {
    let (store, server) = server().await;
    let spool = FakeSpool::new(1);
    spool.append(5, 100);
    let snapshot = spool.copied();
    spool.append(10, 100);
    Running::start(&config_of(server.address), &spool).ended().await;

    // The server is away while the program begins twice with the snapshot.
    let restored = snapshot.restarted(0, 2);
    restored.append_as(9, 4, 100);
    let restored = restored.copied().restarted(3, 3);
    restored.append_as(9, 1, 100);
    Running::start(&config_of(server.address), &restored)
        .ended()
        .await;
    assert_eq!(of(&store, &spool), (1..=15).collect::<Vec<_>>());
    let under = |instance: u8| {
        let own = move |(id, _): &&(Vec<u8>, u64)| id[0] == instance;
        store.with(|stored| {
            stored
                .batches
                .iter()
                .filter(own)
                .map(|(_, number)| *number)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(under(2), [6, 7, 8, 9]);
    assert_eq!(under(3), [13]);
    assert_eq!(restored.failures(), [""; 0]);
    store.with(|stored| assert_eq!(stored.violations, [""; 0]));
}

/// A spool whose records count within three identities, all of them acknowledged but the last.
async fn acknowledged(store: &Store, config: &Config) -> FakeSpool {
    let mut spool = FakeSpool::new(1);
    for instance in 2..=3 {
        spool.append(300, 100);
        let running = Running::start(config, &spool);
        until("it is stored", || spool.waiting() == 0).await;
        running.kill().await;
        spool = spool.copied().restarted(10, instance);
    }
    spool.append(5, 100);
    let running = Running::start(config, &spool);
    until("it is stored", || spool.waiting() == 0).await;
    running.kill().await;
    assert_eq!(store.sequences().len(), 605);
    let spool = spool.copied();
    spool.append(1, 100);
    spool
}

/// Each of all batches once.
fn assert_complete(store: &Store) {
    let mut all = store.with(|stored| stored.batches.clone());
    all.sort();
    let expected = [(1, 1..=300_u64), (2, 311..=610), (3, 621..=626)];
    let expected: Vec<_> = expected
        .into_iter()
        .flat_map(|(instance, numbers)| numbers.map(move |number| (vec![instance; 16], number)))
        .collect();
    assert_eq!(all, expected);
    store.with(|stored| assert_eq!(stored.violations, [""; 0]));
}

#[tokio::test]
async fn a_server_that_has_lost_everything_gets_it_again_once() {
    let (store, server) = server().await;
    let config = config_of(server.address);
    let spool = acknowledged(&store, &config).await;
    store.go_back(0);
    Running::start(&config, &spool).ended().await;
    assert_complete(&store);
}

#[tokio::test]
async fn a_server_that_went_back_gets_again_what_it_has_lost() {
    for left in [250, 300, 301, 599, 600, 604, 605] {
        let (store, server) = server().await;
        let config = config_of(server.address);
        let spool = acknowledged(&store, &config).await;
        store.go_back(left);
        Running::start(&config, &spool).ended().await;
        assert_complete(&store);
    }
}

#[tokio::test]
async fn what_is_damaged_at_the_server_is_sent_again_and_nothing_else() {
    // Of one identity, of one before that, and of all, with the end of the newest; some of it is not here any more.
    for (damaged, left) in [
        (vec![(3, 621..622)], 605),
        (vec![(2, 400..402), (2, 611..615)], 605),
        (vec![(1, 7..9), (2, 320..321), (2, 610..611), (3, 622..624)], 604),
    ] {
        let (store, server) = server().await;
        let config = config_of(server.address);
        let spool = acknowledged(&store, &config).await;
        store.go_back(left);
        let count: u64 = damaged.iter().map(|(_, range)| range.end - range.start).sum();
        for (instance, sequences) in damaged {
            store.damage(instance, sequences);
        }
        let before = store.with(|stored| stored.bytes);
        Running::start(&config, &spool).ended().await;
        assert_complete(&store);
        let sent = store.with(|stored| stored.bytes) - before;
        assert!(sent <= (count + 2) * 100, "{sent} bytes for {count} batches");
        assert_eq!(spool.failures(), [""; 0]);
    }
}

#[tokio::test]
async fn a_server_gets_no_more_again_than_it_had_acknowledged_itself() {
    let ((one, first), (two, second)) = (server().await, server().await);
    let both = config(format!("['{}', '{}']", first.address, second.address));
    let spool = FakeSpool::new(1);
    spool.append(5, 100);
    let running = Running::start(&both, &spool);
    until("it is stored", || spool.waiting() == 0).await;
    first.stop().await;
    spool.append(5, 100);
    until("it is stored", || spool.waiting() == 0).await;
    running.kill().await;
    assert_eq!(
        (one.sequences(), two.sequences()),
        (vec![1, 2, 3, 4, 5], vec![6, 7, 8, 9, 10])
    );
}
