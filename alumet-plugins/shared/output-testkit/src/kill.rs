//! A program that is killed again and again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use alumet_core::pipeline::Pipeline;

use crate::counting::{LONG, account, until};
use crate::network::Network;

/// Says to the test below that it is the program that is killed: a port, a folder and the number of the run.
const INNER: &str = "ALUMET_TEST_KILLED";
/// How often it is killed.
const KILLS: u64 = 50;
/// Where the numbers of a run begin.
const RUN: u64 = 1_000_000;

/// A server with what it was sent of a pipeline that counts.
pub trait Destination {
    /// How often it was asked something.
    fn requests(&self) -> usize;

    /// The numbers that it has, as often as it has them.
    fn numbers(&self) -> Vec<u64>;

    /// Ends whatever it does wrong on purpose.
    fn mend(&self) {}
}

/// A server behind a network, and what it has. Whoever connects asks something.
impl<N: Fn() -> Vec<u64>> Destination for (Network, N) {
    fn requests(&self) -> usize {
        self.0.connections()
    }

    fn numbers(&self) -> Vec<u64> {
        self.1()
    }
}

/// Runs the pipeline that `start` makes of a folder, the port of a server and the first number, kills it with everything
/// around it, and that fifty times. Then lets it end in good order, and looks at the numbers that the server has.
///
/// `test` is the name of the calling test, which is also the program that is killed; so `server` starts the server and gives its
/// port, and the test does nothing else.
pub fn lose_and_double_nothing<D: Destination>(
    test: &str,
    start: impl Fn(&Path, u16, u64) -> Pipeline,
    server: impl FnOnce() -> (D, u16),
) {
    if let Ok(arguments) = std::env::var(INNER) {
        let mut words = arguments.splitn(3, ' ');
        let port = words.next().unwrap().parse().unwrap();
        let run: u64 = words.next().unwrap().parse().unwrap();
        let pipeline = start(Path::new(words.next().unwrap()), port, run * RUN);
        std::thread::sleep(LONG);
        drop(pipeline);
        return;
    }
    let (server, port) = server();
    let folder = tempfile::tempdir().unwrap();
    for run in 0..KILLS {
        let before = server.requests();
        let mut program = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env(INNER, format!("{port} {run} {}", folder.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Somewhere between its first requests and those that follow.
        until("it sends", || server.requests() > before);
        std::thread::sleep(Duration::from_millis(run * 37 % 200));
        program.kill().unwrap();
        program.wait().unwrap();
    }
    server.mend();
    let pipeline = start(folder.path(), port, KILLS * RUN);
    until("the rest is sent", || {
        server.numbers().iter().any(|number| *number > KILLS * RUN)
    });
    let report = pipeline.stop(LONG);
    let account = account(&report.ledger);
    assert_eq!((account.spooled, account.dropped_total()), (0, 0));

    // Nothing is there twice, and each run has left its numbers without a hole: what is missing is only what no disk had yet
    // when it was killed.
    let mut by_run = BTreeMap::<u64, Vec<u64>>::new();
    let mut all = server.numbers();
    all.sort_unstable();
    for number in all {
        by_run.entry(number / RUN).or_default().push(number % RUN);
    }
    for (run, numbers) in &by_run {
        assert_eq!(
            *numbers,
            (0..numbers.len() as u64).collect::<Vec<_>>(),
            "run {run}"
        );
    }
    assert!(by_run.len() as u64 > KILLS * 9 / 10, "{} runs", by_run.len());
}
