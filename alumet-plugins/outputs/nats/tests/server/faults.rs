//! Servers that take nothing.

use alumet_plugin_nats::NatsPlugin;
use alumet_shared_output_testkit::{Nats, account, are_all, delivered, finish, has_said, run, until};

use crate::rig::config;

#[test]
fn samples_wait_for_a_server_that_is_away() {
    let Some(mut server) = Nats::start("") else { return };
    let config = config(&server);
    server.kill();
    let folder = tempfile::tempdir().unwrap();
    let pipeline = run::<NatsPlugin>(folder.path(), config, 0);
    until("it says so", || {
        has_said(&pipeline, &[&server.url(), "check that it runs there"])
    });
    server.restart();
    until("they are delivered", || delivered(&pipeline) > 100);
    let ledger = finish(&pipeline);
    let account = account(&ledger);
    assert_eq!((account.dropped_total(), account.delivered), (0, ledger.produced));
    assert!(are_all(
        &(0..ledger.produced).collect::<Vec<_>>(),
        account.delivered
    ));
}

#[test]
fn a_subject_that_no_stream_takes_is_named() {
    let Some(server) = Nats::start("") else { return };
    let mut config = config(&server);
    config.subject_prefix = "other".to_owned();
    let folder = tempfile::tempdir().unwrap();
    let pipeline = run::<NatsPlugin>(folder.path(), config, 0);
    until("it says so", || {
        has_said(
            &pipeline,
            &["no stream takes the subject other.node.a%2Eb", "`subject_prefix`"],
        )
    });
}

#[test]
fn a_stream_whose_subjects_another_one_has_is_refused_with_a_remedy() {
    let Some(server) = Nats::start("") else { return };
    let folder = tempfile::tempdir().unwrap();
    let first = run::<NatsPlugin>(folder.path(), config(&server), 0);
    until("the first works", || delivered(&first) > 0);
    let mut config = config(&server);
    config.stream.name = "OTHER".to_owned();
    let folder = tempfile::tempdir().unwrap();
    let pipeline = run::<NatsPlugin>(folder.path(), config, 0);
    until("it says so", || {
        has_said(
            &pipeline,
            &["refuses the stream OTHER", "choose other `stream.subjects`"],
        )
    });
}
