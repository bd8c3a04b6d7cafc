//! The program is killed, and its file survives.

use std::fs::OpenOptions;

use nix::sys::signal::Signal;

use crate::csv::lines_of;
use crate::metrics::parse;
use crate::program::{Folder, load, wait_until};

#[test]
fn a_kill_loses_nothing_that_was_delivered_and_a_restart_goes_on_in_the_file() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    let delivered = wait_until("samples", || {
        let metrics = parse(&agent.get("/metrics").body);
        let delivered = metrics.get("alumet_samples_delivered_total{element=\"outputs/csv/file\"}");
        delivered.copied().filter(|delivered| *delivered > 2000.0)
    });
    agent.signal(Signal::SIGKILL);
    assert_eq!(agent.wait().status.code(), None);

    let path = folder.path("out.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    let whole = text.lines().count() - usize::from(!text.ends_with('\n')) - 1;
    assert!(
        whole as f64 >= delivered,
        "{whole} whole lines, {delivered} were delivered"
    );

    // Whether a kill tears a line is chance; here it does.
    let torn = text.trim_end().len() as u64 - 7;
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(torn)
        .unwrap();
    let mut agent = folder.start(&[]);
    wait_until("new lines", || {
        (folder.read("out.csv").lines().count() > whole + 100).then_some(())
    });
    agent.wait_until_measuring();
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0).expect_stderr(&["WARN", "out.csv"]);
    // The line that was torn is gone, all others are whole, and there is one header.
    let lines = lines_of(&path);
    assert_eq!(
        lines.len() as u64,
        text.lines().count() as u64 - 2 + ended.accounts().delivered
    );
    assert!(lines.iter().all(|line| line.metric != "metric"));
}
