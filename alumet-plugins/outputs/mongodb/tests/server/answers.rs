//! What becomes of samples when a server says what only a real MongoDB says.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use alumet_core::failure::Remedy;
use alumet_core::output::Receipt;
use alumet_core::plugin::{Host, Plugin, StartContext, Verdict};
use alumet_core::testkit::{Bench, ManualClock};
use alumet_core::{Consumer, Failure, Resource};
use alumet_plugin_mongodb::{Config, MongodbPlugin};
use alumet_shared_output_testkit::{LONG, delivered, free_port, run, until};
use alumet_shared_trust::{Secret, TlsConfig};
use mongodb::bson::{Document, doc};

use crate::answering::answering;
use crate::mongo::config;
use crate::sorts::NUMBER;

/// Delivers three samples to a server that answers `insert` with this.
fn deliver(answer: Document) -> Result<Receipt, Failure> {
    let port = answering(move |command| match command.contains_key("insert") {
        true => answer.clone(),
        false => Document::new(),
    });
    deliver_to(config(port))
}

fn deliver_to(config: Config) -> Result<Receipt, Failure> {
    let mut bench = Bench::start::<MongodbPlugin>(config, "/").unwrap();
    let metric = bench.catalog().metric(&NUMBER).unwrap();
    let series = bench
        .catalog()
        .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
        .register();
    let mut batch = bench.catalog().batch();
    for value in [1, 2, 3] {
        batch.push(&series, ManualClock::START, value);
    }
    bench.deliver(0, batch)
}

fn write_error(index: i32, code: i32, pattern: Document) -> Document {
    doc! { "index": index, "code": code, "errmsg": format!("words of {code}"), "keyPattern": pattern }
}

#[test]
fn what_is_there_already_is_delivered_and_what_is_refused_is_named_by_its_position() {
    let errors = [
        write_error(0, 11000, doc! { "_id": 1 }),
        write_error(1, 121, doc! {}),
        write_error(2, 11000, doc! { "value": 1 }),
    ];
    let mut expected = Receipt::all();
    expected.reject(1, "words of 121 (code 121)");
    expected.reject(2, "words of 11000 (code 11000)");
    assert_eq!(deliver(doc! { "n": 0, "writeErrors": errors }).unwrap(), expected);
    // What is not MongoDB itself may not name the key.
    let said = "E11000 duplicate key error collection: alumet.samples index: _id_ dup key: { : 1 }";
    let error = doc! { "index": 0, "code": 11000, "errmsg": said };
    assert_eq!(
        deliver(doc! { "n": 2, "writeErrors": [error] }).unwrap(),
        Receipt::all()
    );
}

#[test]
fn what_may_become_better_comes_again_with_the_words_of_the_server() {
    let concern = doc! { "code": 64, "errmsg": "waiting for replication timed out" };
    for (answer, remedy, words) in [
        (
            doc! { "n": 2, "writeErrors": [write_error(1, 91, doc! {})] },
            Remedy::Retry,
            "words of 91",
        ),
        (
            doc! { "n": 3, "writeConcernError": concern },
            Remedy::Retry,
            "waiting for replication timed out",
        ),
        (
            doc! { "ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "not authorized" },
            Remedy::Retry,
            "not authorized; let the user write",
        ),
        (
            doc! { "ok": 0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "not primary" },
            Remedy::Retry,
            "not primary",
        ),
        (
            doc! { "ok": 0, "code": 10334, "codeName": "BSONObjectTooLarge", "errmsg": "too large" },
            Remedy::Split,
            "too large",
        ),
    ] {
        let failure = deliver(answer).unwrap_err();
        assert_eq!(failure.remedy(), remedy, "{failure}");
        assert!(failure.to_string().contains(words), "{failure}");
    }
}

#[test]
fn the_server_is_asked_for_a_safe_write_unless_the_connection_string_says_otherwise() {
    for (options, expected) in [
        ("", doc! { "w": "majority", "j": true }),
        ("/?w=1", doc! { "w": 1 }),
    ] {
        let port = answering(move |command| {
            let is_right = command
                .get_document("writeConcern")
                .is_ok_and(|found| *found == expected);
            match is_right || !command.contains_key("insert") {
                true => Document::new(),
                false => doc! { "ok": 0, "code": 1, "errmsg": format!("{command}") },
            }
        });
        let config = Config {
            uri: Some(Secret(format!("mongodb://127.0.0.1:{port}{options}"))),
            ..Config::default()
        };
        assert_eq!(deliver_to(config).unwrap(), Receipt::all());
    }
}

#[test]
fn a_time_series_is_made_before_samples_come_and_only_if_there_is_none() {
    for is_there in [false, true] {
        let created = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&created);
        let port = answering(move |command| {
            let exists = is_there || count.load(Ordering::Relaxed) > 0;
            let found = exists.then(|| doc! { "name": "samples", "type": "timeseries" });
            let others = doc! { "name": "others", "type": "collection" };
            if command.contains_key("listCollections") {
                let found: Vec<_> = [others].into_iter().chain(found).collect();
                return doc! { "cursor": { "firstBatch": found } };
            }
            if let Ok(time_series) = command.get_document("timeseries") {
                assert_eq!(
                    *time_series,
                    doc! { "timeField": "timestamp", "metaField": "series" }
                );
                count.fetch_add(1, Ordering::Relaxed);
            }
            match command.contains_key("insert") && !exists {
                true => doc! { "ok": 0, "code": 1, "errmsg": "too early" },
                false => Document::new(),
            }
        });
        let config = Config {
            time_series: true,
            ..config(port)
        };
        assert_eq!(deliver_to(config).unwrap(), Receipt::all());
        assert_eq!(created.load(Ordering::Relaxed), usize::from(!is_there));
    }
}

#[test]
fn an_index_is_asked_for_if_it_is_wanted_and_samples_do_not_wait_for_it() {
    for (is_wanted, time_series, key) in [
        (true, false, doc! { "measurement": 1, "timestamp": 1 }),
        (true, true, doc! { "series.measurement": 1, "timestamp": 1 }),
        (false, false, Document::new()),
    ] {
        let (asked, asks) = mpsc::channel();
        let port = answering(move |command| {
            if let Ok(indexes) = command.get_array("indexes") {
                let index = indexes[0].as_document().unwrap();
                asked.send(index.get_document("key").unwrap().clone()).unwrap();
                return doc! { "ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "no index for you" };
            }
            Document::new()
        });
        let config = Config {
            indexes: is_wanted,
            time_series,
            ..config(port)
        };
        let folder = tempfile::tempdir().unwrap();
        let pipeline = run::<MongodbPlugin>(folder.path(), config, 0);
        until("some are there", || delivered(&pipeline) > 100);
        match is_wanted {
            true => assert_eq!(asks.recv_timeout(LONG).unwrap(), key),
            false => drop(pipeline.stop(LONG)),
        }
        assert!(asks.try_recv().is_err(), "it is tried again only after a while");
    }
}

#[test]
fn a_trial_says_what_it_finds_and_changes_nothing() {
    let nobody = free_port();
    let somebody = answering(|command| match command.contains_key("listCollections") {
        true => Document::new(),
        false => panic!("a trial sends {command}"),
    });
    let closed =
        answering(|_| doc! { "ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "who are you?" });
    for (port, verdict, words) in [
        (somebody, Verdict::Works, "alumet.samples will be created"),
        (closed, Verdict::Limited, "who are you?"),
        (nobody, Verdict::Limited, "refused"),
    ] {
        let host = Host::trial(Arc::new(ManualClock::new()), "/");
        let mut context = StartContext::new(&host);
        MongodbPlugin::start(config(port), &mut context).unwrap();
        let found = &context.findings()[0];
        assert_eq!(found.verdict, verdict, "{found:?}");
        let server = format!("127.0.0.1:{port}");
        assert!(
            found.detail.contains(words) && found.subject.contains(&server),
            "{found:?}"
        );
    }
}

#[test]
fn a_file_that_is_missing_ends_the_start_with_its_name() {
    let missing = Some("/nowhere/file".into());
    let mut password = config(1);
    (password.username, password.password_file) = (Some("user".to_owned()), missing.clone());
    let mut ca = config(1);
    ca.tls = Some(TlsConfig {
        ca: missing,
        ..TlsConfig::default()
    });
    for config in [password, ca] {
        let error = Bench::start::<MongodbPlugin>(config, "/").err().unwrap();
        assert!(
            error.to_string().contains("/nowhere/file cannot be read"),
            "{error}"
        );
    }
}
