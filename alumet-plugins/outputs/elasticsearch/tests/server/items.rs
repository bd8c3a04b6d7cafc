use std::path::Path;

use alumet_core::pipeline::{DropReason, Pipeline};
use alumet_plugin_elasticsearch::{Config, ElasticsearchPlugin};
use alumet_shared_output_testkit::{account, are_all, delivered, finish, has_said, run, until};
use alumet_shared_trust::Secret;

use crate::elastic::{Elastic, Mood, config};

/// Lets a pipeline run until the server errs no more, and looks whether it has everything once then.
fn all_are_there_once(elastic: &Elastic, pipeline: Pipeline) {
    elastic.set(Mood::Fine);
    let before = delivered(&pipeline);
    until("it takes all", || delivered(&pipeline) > before + 300);
    let ledger = finish(&pipeline);
    let account = account(&ledger);
    assert_eq!((account.delivered, account.dropped_total()), (ledger.produced, 0));
    assert!(are_all(&elastic.numbers(), ledger.produced));
}

fn start(elastic: &Elastic, folder: &Path) -> Pipeline {
    run::<ElasticsearchPlugin>(folder, config(elastic.port()), 0)
}

#[test]
fn documents_that_are_refused_take_no_others_with_them() {
    let (elastic, folder) = (Elastic::start(), tempfile::tempdir().unwrap());
    elastic.set(Mood::Refuses);
    let pipeline = start(&elastic, folder.path());
    until("some are there", || elastic.numbers().len() > 100);
    let ledger = finish(&pipeline);
    let account = account(&ledger);
    let refused = ledger.produced.div_ceil(3);
    assert_eq!(account.dropped.get(&DropReason::Rejected), Some(&refused));
    assert_eq!(account.delivered, ledger.produced - refused);
    let rest: Vec<u64> = (0..ledger.produced).filter(|number| number % 3 != 0).collect();
    assert_eq!(elastic.numbers(), rest);
}

#[test]
fn documents_that_are_put_off_come_again_and_no_others() {
    let (elastic, folder) = (Elastic::start(), tempfile::tempdir().unwrap());
    elastic.set(Mood::TakesHalf);
    let pipeline = start(&elastic, folder.path());
    until("some are there", || elastic.numbers().len() > 300);
    all_are_there_once(&elastic, pipeline);
    assert_eq!(elastic.repeats(), 0);
}

#[test]
fn what_people_can_mend_is_said_and_waited_for() {
    for (mood, words) in [
        (Mood::Busy, &["429", "circuit_breaking_exception"][..]),
        (
            Mood::Blocked(403, "cluster_block_exception"),
            &["403", "cluster_block_exception", "blocked"],
        ),
        (
            Mood::Blocked(404, "index_not_found_exception"),
            &["404", "index_not_found_exception"],
        ),
        (
            Mood::Blocked(400, "validation_exception"),
            &["400", "validation_exception"],
        ),
        (
            Mood::Blocked(503, "unavailable_shards_exception"),
            &["503", "unavailable_shards_exception"],
        ),
        (
            Mood::NoTemplate,
            &["403", "manage_index_templates", "ensure_template = false"],
        ),
    ] {
        let (elastic, folder) = (Elastic::start(), tempfile::tempdir().unwrap());
        elastic.set(mood);
        let pipeline = start(&elastic, folder.path());
        until(&words.concat(), || has_said(&pipeline, words));
        assert_eq!(delivered(&pipeline), 0);
        all_are_there_once(&elastic, pipeline);
    }
}

#[test]
fn what_is_too_large_comes_in_parts() {
    let (elastic, folder) = (Elastic::start(), tempfile::tempdir().unwrap());
    elastic.set(Mood::Small(7));
    let pipeline = start(&elastic, folder.path());
    until("some are there", || elastic.numbers().len() > 100);
    all_are_there_once(&elastic, pipeline);
    assert_eq!(elastic.repeats(), 0);
}

#[test]
fn credentials_of_every_kind_let_through_what_has_waited_once_they_are_right() {
    type Change = fn(&mut Config, &Path);
    let cases: [(&str, &str, &str, Change); 4] = [
        ("wrong", "right", "Bearer right", |config, file| {
            config.http.token_file = Some(file.to_owned());
        }),
        ("wrong", "right", "ApiKey right", |config, file| {
            config.http.token_file = Some(file.to_owned());
            config.http.token_scheme = Some("ApiKey".to_owned());
        }),
        // printf alumet:right | base64
        ("wrong", "right", "Basic YWx1bWV0OnJpZ2h0", |config, file| {
            config.http.user = Some("alumet".to_owned());
            config.http.password_file = Some(file.to_owned());
        }),
        (
            "alumet:wrong",
            "alumet:right",
            "Basic YWx1bWV0OnJpZ2h0",
            |config, file| {
                config.http.password_file = Some(file.to_owned());
            },
        ),
    ];
    for (wrong, right, header, change) in cases {
        let (elastic, folder) = (Elastic::start(), tempfile::tempdir().unwrap());
        elastic.set(Mood::Wants(header));
        let secret = folder.path().join("secret");
        std::fs::write(&secret, wrong).unwrap();
        let mut config = config(elastic.port());
        change(&mut config, &secret);
        let pipeline = run::<ElasticsearchPlugin>(folder.path(), config, 0);
        until("it is refused", || {
            has_said(
                &pipeline,
                &["401", "unable to authenticate user", "password_file"],
            )
        });
        std::fs::write(&secret, right).unwrap();
        until("it is let through", || !elastic.numbers().is_empty());
        all_are_there_once(&elastic, pipeline);
    }
}

#[test]
fn an_api_key_is_shown_to_the_server_and_to_nobody_else() {
    let (elastic, folder) = (Elastic::start(), tempfile::tempdir().unwrap());
    elastic.set(Mood::Wants("ApiKey hunter2"));
    let mut config = config(elastic.port());
    config.api_key = Some(Secret("hunter2".to_owned()));
    assert!(!format!("{config:?}").contains("hunter2"));
    let pipeline = run::<ElasticsearchPlugin>(folder.path(), config, 0);
    until("some are there", || elastic.numbers().len() > 100);
    all_are_there_once(&elastic, pipeline);
}
