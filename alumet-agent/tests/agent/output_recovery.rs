//! The output fails for a while.

use nix::sys::signal::Signal;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::csv::lines_of;
use crate::program::{Accounts, Agent, Folder, load, wait_until};

/// No file of the agent may grow above `bytes`.
fn limit_files(agent: &Agent, bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(agent.pid()).unwrap());
    prlimit(
        pid,
        Resource::Fsize,
        Rlimit {
            current: bytes,
            maximum: None,
        },
    )
    .unwrap();
}

#[test]
fn a_file_that_cannot_grow_for_a_while_loses_nothing_and_readyz_says_why() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    assert_eq!(agent.get("/readyz").status, 200);

    limit_files(&agent, Some(60_000));
    let refused = wait_until("503", || {
        Some(agent.get("/readyz")).filter(|answer| answer.status == 503)
    });
    for phrase in [
        "not ok",
        "outputs/csv/file is failing",
        "out.csv has reached the largest size",
        "ulimit -f",
    ] {
        assert!(refused.body.contains(phrase), "{}", refused.body);
    }
    assert_eq!(
        agent.get("/livez").status,
        200,
        "it lives, although it is not ready"
    );
    let buffered = "alumet_samples_buffered{element=\"outputs/csv/file\"}";
    wait_until("samples that wait", || {
        (crate::metrics::parse(&agent.get("/metrics").body)[buffered] > 1000.0).then_some(())
    });

    limit_files(&agent, None);
    wait_until("200", || (agent.get("/readyz").status == 200).then_some(()));
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0).expect_stderr(&["the element works again"]);
    let lines = lines_of(&folder.path("out.csv")).len() as u64;
    assert_eq!(
        ended.accounts(),
        Accounts {
            produced: lines,
            delivered: lines,
            dropped: 0
        }
    );
}

#[test]
fn a_limit_that_stays_is_told_at_the_end() {
    let folder = Folder::new();
    let config = load().replace(
        "pipeline.self_metrics",
        "pipeline.shutdown_timeout = '300ms'\npipeline.self_metrics",
    );
    folder.write("alumet-config.toml", config);
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    limit_files(&agent, Some(30_000));
    agent.wait_for_log("out.csv has reached the largest size");
    let ended = agent.stop(Signal::SIGTERM);
    ended
        .expect_code(1)
        .expect_stderr(&["error: the end is not clean", "samples were dropped"]);
    let accounts = ended.accounts();
    assert_eq!(
        lines_of(&folder.path("out.csv")).len() as u64,
        accounts.delivered,
        "no line is torn or doubled"
    );
    assert!(accounts.dropped > 0);
}
