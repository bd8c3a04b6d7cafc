use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::rig::{LONG, account, start, until};
use crate::server::{Mood, Server};

/// Says to the test below that it is the program that is killed: a server, a folder and the number of the run.
const INNER: &str = "ALUMET_TEST_BULK";
/// How often it is killed.
const KILLS: u64 = 50;
/// Where the numbers of a run begin.
const RUN: u64 = 1_000_000;

fn inner(arguments: &str) {
    let mut words = arguments.split(' ');
    let server = words.next().unwrap().parse().unwrap();
    let run: u64 = words.next().unwrap().parse().unwrap();
    let folder = words.next().unwrap();
    let pipeline = start(folder.as_ref(), server, run * RUN);
    std::thread::sleep(LONG);
    drop(pipeline);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_fifty_times_before_a_server_that_errs_it_loses_and_doubles_nothing() {
    if let Ok(arguments) = std::env::var(INNER) {
        return inner(&arguments);
    }
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::start(Mood::Fickle).await);
    for run in 0..KILLS {
        let requests = server.requests();
        let mut program = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "kill::killed_fifty_times_before_a_server_that_errs_it_loses_and_doubles_nothing",
            ])
            .env(
                INNER,
                format!("{} {run} {}", server.address, folder.path().display()),
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Somewhere between its first requests and those that follow.
        until("it sends", || server.requests() > requests);
        std::thread::sleep(Duration::from_millis(run * 37 % 200));
        program.kill().unwrap();
        program.wait().unwrap();
    }
    server.set(Mood::Fine);
    let pipeline = start(folder.path(), server.address, KILLS * RUN);
    until("the rest is sent", || {
        let values = server.values();
        values.last().is_some_and(|last| *last > KILLS * RUN)
    });
    let report = pipeline.stop(LONG);
    let account = account(&report.ledger);
    assert_eq!((account.spooled, account.dropped_total()), (0, 0));

    // A key has one value, so nothing is there twice; and each run has left its numbers without a hole: what is missing is
    // only what no disk had yet when it was killed.
    let mut by_run = BTreeMap::<u64, Vec<u64>>::new();
    for value in server.values() {
        by_run.entry(value / RUN).or_default().push(value % RUN);
    }
    for (run, values) in &by_run {
        assert_eq!(*values, (0..values.len() as u64).collect::<Vec<_>>(), "run {run}");
    }
    assert!(by_run.len() as u64 > KILLS * 9 / 10, "{} runs", by_run.len());
    assert!(server.repeats() > 0, "answers that broke off make repeats");
}
