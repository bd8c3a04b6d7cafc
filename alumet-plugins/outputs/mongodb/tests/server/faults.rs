use std::fs;

use alumet_core::pipeline::DropReason;
use alumet_plugin_mongodb::{Config, MongodbPlugin};
use alumet_shared_output_testkit::{
    Mood, Network, account, are_all, break_in_every_way, delivered, finish, has_said,
    lose_and_double_nothing, run, until,
};
use alumet_shared_trust::Secret;
use mongodb::bson::doc;

use crate::mongo::{Mongo, config};

#[test]
fn whatever_breaks_on_the_way_all_numbers_are_there_once_in_the_end() {
    let Some(mongo) = Mongo::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let network = Network::to(mongo.port);
    network.set(Mood::Away);
    let pipeline = run::<MongodbPlugin>(folder.path(), config(network.port()), 0);
    break_in_every_way(&network, &pipeline);
    let ledger = finish(&pipeline);
    let account = account(&ledger);
    assert_eq!((account.delivered, account.dropped_total()), (ledger.produced, 0));
    assert!(are_all(&mongo.numbers(), ledger.produced));
}

#[test]
fn a_server_that_moves_to_another_address_is_followed() {
    let Some(one) = Mongo::start() else { return };
    let Some(two) = Mongo::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let network = Network::to(one.port);
    let pipeline = run::<MongodbPlugin>(folder.path(), config(network.port()), 0);
    until("some are there", || delivered(&pipeline) > 100);
    network.lead_to(two.port);
    // What stands ends, as when a machine is switched off.
    network.set(Mood::Away);
    let connections = network.connections();
    until("it has tried again", || network.connections() > connections);
    network.set(Mood::Fine);
    until("some are there", || !two.numbers().is_empty());
    let ledger = finish(&pipeline);
    assert_eq!(account(&ledger).delivered, ledger.produced);
    let mut numbers = [one.numbers(), two.numbers()].concat();
    numbers.sort_unstable();
    // What the first had written without being able to say so, the second has as well.
    numbers.dedup();
    assert!(are_all(&numbers, ledger.produced));
}

#[test]
fn a_document_that_the_server_refuses_takes_no_other_with_it() {
    let Some(mongo) = Mongo::start() else { return };
    mongo.command(doc! { "create": "samples" });
    mongo.command(doc! {
        "createIndexes": "samples",
        "indexes": [{ "key": { "value": 1 }, "name": "one_of_each", "unique": true }],
    });
    mongo.command(doc! { "insert": "samples", "documents": [{ "value": 7_i64 }] });
    let folder = tempfile::tempdir().unwrap();
    let pipeline = run::<MongodbPlugin>(folder.path(), config(mongo.port), 0);
    until("some are there", || delivered(&pipeline) > 300);
    let ledger = finish(&pipeline);
    let account = account(&ledger);
    assert_eq!(account.dropped.get(&DropReason::Rejected), Some(&1));
    let numbers = mongo.numbers();
    assert!(
        numbers
            .iter()
            .copied()
            .eq((0..ledger.produced).filter(|number| *number != 7))
    );
}

#[test]
fn a_user_that_the_server_does_not_know_and_a_collection_of_another_kind_are_waited_for_and_named() {
    let Some(mongo) = Mongo::start() else { return };
    mongo.command(doc! { "create": "samples" });
    let secrets = tempfile::tempdir().unwrap();
    let password = secrets.path().join("password");
    fs::write(&password, "hunter2\n").unwrap();
    let user = Config {
        username: Some("al:u@met/%".to_owned()),
        password_file: Some(password),
        ..config(mongo.port)
    };
    let time_series = Config {
        time_series: true,
        ..config(mongo.port)
    };
    let uri = Config {
        uri: Some(Secret(format!(
            "mongodb://127.0.0.1:{}/?replicaSet=other",
            mongo.port
        ))),
        host: "localhost".to_owned(),
        port: 27017,
        ..config(mongo.port)
    };
    for (config, words) in [
        (user, &["password_file"][..]),
        (time_series, &["`time_series = true`", "samples"]),
        (uri, &["`replicaSet`"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = run::<MongodbPlugin>(folder.path(), config, 0);
        until(&words.concat(), || has_said(&pipeline, words));
        assert!(!has_said(&pipeline, &["hunter2"]));
        let account = account(&pipeline.control().status().unwrap().ledger);
        assert_eq!((account.delivered, account.dropped_total()), (0, 0));
        drop(pipeline);
    }
}

#[test]
fn killed_fifty_times_it_loses_and_doubles_nothing() {
    if !Mongo::is_installed() {
        return;
    }
    lose_and_double_nothing(
        "faults::killed_fifty_times_it_loses_and_doubles_nothing",
        |folder, port, first| run::<MongodbPlugin>(folder, config(port), first),
        || {
            let mongo = Mongo::start().unwrap();
            let network = Network::to(mongo.port);
            let port = network.port();
            ((network, move || mongo.numbers()), port)
        },
    );
}
