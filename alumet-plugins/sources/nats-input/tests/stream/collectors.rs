//! Collectors that share the work, and one that is killed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_plugin_csv::{Config as CsvConfig, CsvPlugin};
use alumet_plugin_nats::NatsPlugin;
use alumet_plugin_nats_input::{Config, NatsInputPlugin};
use alumet_shared_output_testkit::{LONG, Nats, are_all, finish, run, until};

use crate::rig::{Collector, config, sending, spool};

#[test]
fn two_collectors_share_the_messages_and_have_all_of_them_together() {
    let Some(server) = Nats::start("") else { return };
    let (here, one, two) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    // On a machine that is too busy to give a sign each second, both would get the same.
    let config = Config {
        ack_wait: "30s".parse().unwrap(),
        ..config(&[&server])
    };
    let collectors = [&one, &two].map(|folder| Collector::start(folder.path(), config.clone()));
    let pipeline = run::<NatsPlugin>(here.path(), sending(&[&server]), 0);
    let is_shared = || collectors.iter().all(|collector| collector.numbers().len() > 200);
    until("both have some", is_shared);
    let ledger = finish(&pipeline);
    let all = || {
        let mut all = collectors
            .iter()
            .map(Collector::numbers)
            .collect::<Vec<_>>()
            .concat();
        all.sort_unstable();
        all
    };
    until("all have arrived", || all().len() as u64 >= ledger.produced);
    sleep(Duration::from_secs(3));
    assert!(are_all(&all(), ledger.produced));
    collectors.iter().for_each(Collector::stop);
}

#[test]
fn a_consumer_that_was_deleted_is_made_anew_and_nothing_comes_twice() {
    let Some(server) = Nats::start("") else { return };
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let collector = Collector::start(there.path(), config(&[&server]));
    let pipeline = run::<NatsPlugin>(here.path(), sending(&[&server]), 0);
    until("it takes", || collector.numbers().len() > 500);
    let other = crate::rig::Other::connect(&server);
    other.runtime.block_on(async {
        let stream = other.context.get_stream("TELEMETRY").await.unwrap();
        stream.delete_consumer("collector").await.unwrap();
    });
    let before = collector.numbers().len();
    until("it takes again", || collector.numbers().len() > before + 500);
    let ledger = finish(&pipeline);
    until("all have arrived", || {
        collector.numbers().len() as u64 >= ledger.produced
    });
    sleep(Duration::from_secs(3));
    assert!(are_all(&collector.numbers(), ledger.produced));
    collector.stop();
}

/// Says to the test below that it is the program that is killed: an address and a folder.
const INNER: &str = "ALUMET_TEST_COLLECTOR";
/// How often it is killed.
const KILLS: u64 = 100;

/// A collector that writes a file.
fn collect(folder: &Path, server: &str) -> Pipeline {
    let mut builder = PipelineBuilder::new()
        .spool(spool(folder))
        .durable_by_default(true);
    let file = CsvConfig {
        output_path: folder.join("out.csv"),
        ..CsvConfig::default()
    };
    builder.plugin::<CsvPlugin>(file).unwrap();
    let mut config: Config = toml::from_str("ack_wait = '1s'\nmax_deliver = 100").unwrap();
    config.connection.servers = vec![server.to_owned()];
    builder.plugin::<NatsInputPlugin>(config).unwrap();
    builder.start().unwrap()
}

/// The numbers in the file, in their order.
fn numbers(folder: &Path) -> Vec<u64> {
    let text = fs::read_to_string(folder.join("out.csv")).unwrap_or_default();
    let of_number = text.lines().filter(|line| line.starts_with("number"));
    let mut numbers: Vec<u64> = of_number
        .filter_map(|line| line.split(';').nth(2)?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_collector_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    if let Ok(arguments) = std::env::var(INNER) {
        let (server, folder) = arguments.split_once(' ').unwrap();
        let pipeline = collect(Path::new(folder), server);
        sleep(LONG);
        drop(pipeline);
        return;
    }
    let Some(server) = Nats::start("") else { return };
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pipeline = run::<NatsPlugin>(here.path(), sending(&[&server]), 0);
    for round in 0..KILLS {
        let before = numbers(there.path()).len();
        let mut program = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "collectors::a_collector_that_is_killed_again_and_again_loses_and_doubles_nothing",
            ])
            .env(INNER, format!("{} {}", server.url(), there.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("it collects", || numbers(there.path()).len() > before);
        sleep(Duration::from_millis(round * 37 % 300));
        program.kill().unwrap();
        program.wait().unwrap();
    }
    let ledger = finish(&pipeline);
    let collector = collect(there.path(), &server.url());
    until("all have arrived", || {
        numbers(there.path()).len() as u64 >= ledger.produced
    });
    sleep(Duration::from_secs(3));
    collector.stop(LONG);
    assert!(are_all(&numbers(there.path()), ledger.produced));
}
