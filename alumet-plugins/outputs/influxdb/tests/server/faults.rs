use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::DropReason;
use alumet_plugin_influxdb::{Config, InfluxdbPlugin};
use alumet_shared_output_testkit::{
    Mood, Network, account, are_all, break_in_every_way, delivered, finish, lose_and_double_nothing, run,
    until,
};

use crate::influx::{Influx, config};

fn impatient(port: u16) -> Config {
    let mut config = config(port);
    config.http.timeout = HumanDuration::from_millis(500);
    config
}

#[test]
fn whatever_breaks_on_the_way_all_numbers_are_there_once_in_the_end() {
    let Some(influx) = Influx::start("") else { return };
    let folder = tempfile::tempdir().unwrap();
    let network = Network::to(influx.port);
    network.set(Mood::Away);
    let pipeline = run::<InfluxdbPlugin>(folder.path(), impatient(network.port()), 0);
    break_in_every_way(&network, &pipeline);
    let ledger = finish(&pipeline);
    let account = account(&ledger);
    assert_eq!((account.delivered, account.dropped_total()), (ledger.produced, 0));
    assert!(are_all(&influx.numbers(), ledger.produced));
}

#[test]
fn a_line_that_the_server_refuses_takes_no_other_with_it() {
    let Some(influx) = Influx::start("") else { return };
    // From now on, the values of this measurement are text.
    influx.write("number,resource_kind=other value=\"text\"");
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(influx.port);
    config.describe_metrics = false;
    let pipeline = run::<InfluxdbPlugin>(folder.path(), config, 0);
    until("some are refused", || {
        let status = pipeline.control().status().unwrap();
        account(&status.ledger).dropped_total() > 0
    });
    let ledger = finish(&pipeline);
    let account = account(&ledger);
    assert_eq!(account.dropped.get(&DropReason::Rejected), Some(&ledger.produced));
}

#[test]
fn what_is_too_large_for_the_server_comes_in_parts() {
    let Some(influx) = Influx::start("max-body-size = 3000") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let pipeline = run::<InfluxdbPlugin>(folder.path(), config(influx.port), 0);
    until("some are there", || delivered(&pipeline) > 300);
    let ledger = finish(&pipeline);
    assert_eq!(account(&ledger).delivered, ledger.produced);
    assert!(are_all(&influx.numbers(), ledger.produced));
}

#[test]
fn killed_fifty_times_it_loses_and_doubles_nothing() {
    if !Influx::is_installed() {
        return;
    }
    lose_and_double_nothing(
        "faults::killed_fifty_times_it_loses_and_doubles_nothing",
        |folder, port, first| run::<InfluxdbPlugin>(folder, config(port), first),
        || {
            let influx = Influx::start("").unwrap();
            let network = Network::to(influx.port);
            let port = network.port();
            ((network, move || influx.numbers()), port)
        },
    );
}
