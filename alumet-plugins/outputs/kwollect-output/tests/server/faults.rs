use alumet_core::pipeline::DropReason;
use alumet_plugin_kwollect_output::KwollectOutputPlugin;
use alumet_shared_output_testkit::{
    Mood, Network, account, are_all, break_in_every_way, finish, has_said, run, until,
};

use crate::kwollect::{Kwollect, config};

#[test]
fn whatever_breaks_on_the_way_all_numbers_are_there_in_the_end() {
    let kwollect = Kwollect::start(|_| false);
    let folder = tempfile::tempdir().unwrap();
    let network = Network::to(kwollect.port());
    network.set(Mood::Away);
    let pipeline = run::<KwollectOutputPlugin>(folder.path(), config(network.port()), 0);
    break_in_every_way(&network, &pipeline);
    let ledger = finish(&pipeline);
    let account = account(&ledger);
    assert_eq!((account.delivered, account.dropped_total()), (ledger.produced, 0));
    let mut numbers = kwollect.numbers();
    numbers.dedup();
    assert!(are_all(&numbers, ledger.produced));
}

#[test]
fn a_value_that_is_refused_takes_no_other_with_it() {
    let kwollect = Kwollect::start(|value| value.as_u64().unwrap() % 100 == 7);
    let folder = tempfile::tempdir().unwrap();
    let pipeline = run::<KwollectOutputPlugin>(folder.path(), config(kwollect.port()), 0);
    until("some are there", || kwollect.numbers().len() > 300);
    let ledger = finish(&pipeline);
    let account = account(&ledger);
    let is_refused = |number: &u64| number % 100 == 7;
    let refused = (0..ledger.produced).filter(is_refused).count() as u64;
    assert_eq!(account.dropped.get(&DropReason::Rejected), Some(&refused));
    let rest: Vec<u64> = (0..ledger.produced)
        .filter(|number| !is_refused(number))
        .collect();
    assert_eq!(kwollect.numbers(), rest);
}

#[test]
fn a_password_that_becomes_right_lets_everything_through_that_has_waited() {
    let kwollect = Kwollect::start(|_| false);
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "wrong").unwrap();
    let mut config = config(kwollect.port());
    config.http.user = Some("alumet".to_owned());
    config.http.password_file = Some(password.clone());
    let pipeline = run::<KwollectOutputPlugin>(folder.path(), config, 0);
    until("it is refused", || has_said(&pipeline, &["401", "who are you?"]));
    std::fs::write(&password, "right").unwrap();
    until("it is let through", || !kwollect.numbers().is_empty());
    let ledger = finish(&pipeline);
    assert_eq!(account(&ledger).delivered, ledger.produced);
    assert!(are_all(&kwollect.numbers(), ledger.produced));
}
