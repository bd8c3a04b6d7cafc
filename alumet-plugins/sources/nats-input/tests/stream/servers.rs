//! Servers that are killed.

use std::thread::sleep;
use std::time::Duration;

use alumet_plugin_nats::NatsPlugin;
use alumet_shared_output_testkit::{Nats, account, are_all, delivered, finish, nats_cluster, run, until};

use crate::rig::{Collector, config, sending};

#[test]
fn a_server_that_is_killed_twenty_times_loses_and_doubles_nothing() {
    let Some(mut server) = Nats::start("") else { return };
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let collector = Collector::start(there.path(), config(&[&server]));
    let pipeline = run::<NatsPlugin>(here.path(), sending(&[&server]), 0);
    for round in 0..20 {
        let before = delivered(&pipeline);
        until("more is delivered", || delivered(&pipeline) > before + 50);
        sleep(Duration::from_millis(round * 37 % 200));
        server.kill();
        sleep(Duration::from_millis(round * 13 % 100));
        server.restart();
    }
    let ledger = finish(&pipeline);
    assert_eq!(account(&ledger).dropped_total(), 0);
    until("all have arrived", || {
        collector.numbers().len() as u64 >= ledger.produced
    });
    // What comes twice would come within this time.
    sleep(Duration::from_secs(3));
    assert!(are_all(&collector.numbers(), ledger.produced));
    collector.stop();
}

#[test]
fn a_cluster_goes_on_when_one_of_its_three_servers_is_killed() {
    let Some(mut servers) = nats_cluster() else { return };
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let all: Vec<&Nats> = servers.iter().collect();
    let (mut sending, mut config) = (sending(&all), config(&all));
    (sending.stream.replicas, config.stream.replicas) = (3, 3);
    let collector = Collector::start(there.path(), config);
    let pipeline = run::<NatsPlugin>(here.path(), sending, 0);
    until("the stream works", || collector.numbers().len() > 100);
    // Both are connected to the first that they were told.
    servers[0].kill();
    let before = collector.numbers().len();
    until("the others go on", || collector.numbers().len() > before + 500);
    let ledger = finish(&pipeline);
    until("all have arrived", || {
        collector.numbers().len() as u64 >= ledger.produced
    });
    sleep(Duration::from_secs(3));
    assert!(are_all(&collector.numbers(), ledger.produced));
    collector.stop();
}
