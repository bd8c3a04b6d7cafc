use std::time::Instant;

use alumet_core::pipeline::{DropReason, Pipeline};

use alumet_shared_output_testkit::{LONG, account, until};

use crate::rig::start;
use crate::server::{Mood, Server};

fn delivered(pipeline: &Pipeline) -> u64 {
    account(&pipeline.control().status().unwrap().ledger).delivered
}

/// All numbers from 0 to below `count`, but for those that a predicate takes out.
fn numbers(count: u64, is_missing: impl Fn(u64) -> bool) -> Vec<u64> {
    (0..count).filter(|number| !is_missing(*number)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_gets_everything_once_it_answers_and_nothing_is_delivered_before() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::start(Mood::Hangs).await);
    let pipeline = start(folder.path(), server.address, 0);
    until("it has tried again", || server.requests() >= 5);
    assert_eq!(delivered(&pipeline), 0);
    let status = pipeline.control().status().unwrap();
    let error = status
        .elements
        .iter()
        .find_map(|element| element.last_error.clone())
        .unwrap();
    assert!(error.contains("has not answered within 300ms"), "{error}");
    server.set(Mood::Fine);
    until("it works again", || delivered(&pipeline) > 100);
    let report = pipeline.stop(LONG);
    let account = account(&report.ledger);
    assert_eq!(
        (account.delivered, account.dropped_total()),
        (report.ledger.produced, 0)
    );
    assert_eq!(server.values(), numbers(report.ledger.produced, |_| false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_at_the_end_costs_seconds_and_gets_the_rest_in_the_next_run() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::start(Mood::Fine).await);
    let pipeline = start(folder.path(), server.address, 0);
    until("some are there", || server.values().len() > 100);
    server.set(Mood::Hangs);
    let hung = server.requests();
    until("it hangs", || server.requests() > hung);
    let began = Instant::now();
    let first = pipeline.stop(LONG).ledger;
    drop(pipeline);
    assert!(began.elapsed() < LONG / 4, "{:?}", began.elapsed());
    let left = account(&first);
    assert!(left.spooled > 0);
    assert_eq!(
        (left.delivered + left.spooled, left.dropped_total()),
        (first.produced, 0)
    );
    let requests = server.requests();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(server.requests(), requests, "what was given up is not sent");

    server.set(Mood::Fine);
    let pipeline = start(folder.path(), server.address, first.produced);
    until("all are there", || server.values().len() as u64 > first.produced);
    let second = pipeline.stop(LONG).ledger;
    let account = account(&second);
    assert_eq!(account.recovered, left.spooled);
    assert_eq!(account.delivered, left.spooled + second.produced);
    assert_eq!(
        server.values(),
        numbers(first.produced + second.produced, |_| false)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_inside_a_200_are_rejected_one_by_one_and_not_delivered() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::start(Mood::Refuses).await);
    let pipeline = start(folder.path(), server.address, 0);
    until("some are there", || server.values().len() > 100);
    let ledger = pipeline.stop(LONG).ledger;
    let account = account(&ledger);
    let refused = ledger.produced.div_ceil(3);
    assert_eq!(account.dropped.get(&DropReason::Rejected), Some(&refused));
    assert_eq!(account.delivered, ledger.produced - refused);
    assert_eq!(
        server.values(),
        numbers(ledger.produced, |number| number.is_multiple_of(3))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_every_second_sample_has_all_in_the_end_and_none_twice() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::start(Mood::TakesHalf).await);
    let pipeline = start(folder.path(), server.address, 0);
    until("some are there", || server.values().len() > 300);
    server.set(Mood::Fine);
    let before = delivered(&pipeline);
    until("it takes all", || delivered(&pipeline) > before + 300);
    let ledger = pipeline.stop(LONG).ledger;
    let account = account(&ledger);
    assert_eq!((account.delivered, account.dropped_total()), (ledger.produced, 0));
    assert_eq!(server.values(), numbers(ledger.produced, |_| false));
    assert_eq!(server.repeats(), 0, "only what was put off comes again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_comes_in_parts() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::start(Mood::Small(7)).await);
    let pipeline = start(folder.path(), server.address, 0);
    until("some are there", || server.values().len() > 100);
    let ledger = pipeline.stop(LONG).ledger;
    assert_eq!(account(&ledger).delivered, ledger.produced);
    assert_eq!(server.values(), numbers(ledger.produced, |_| false));
    assert_eq!(server.repeats(), 0);
}
