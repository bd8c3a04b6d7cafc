//! A plugin that cannot start.

use std::fs;

use nix::sys::signal::Signal;

use crate::program::{Folder, load, wait_until};

/// The load, but with an output in a place where nothing can be written.
fn with_output(path: &str, on_error: &str) -> String {
    load().replace(
        "output_path = 'out.csv'",
        &format!("output_path = '{path}'\n{on_error}"),
    )
}

#[test]
fn fail_ends_the_agent_with_the_plugin_the_place_and_a_remedy() {
    for on_error in ["", "on_error = 'fail'"] {
        let folder = Folder::new();
        folder.write("alumet-config.toml", with_output("/proc/x/y.csv", on_error));
        let ended = folder.run(&[]);
        ended.expect_code(1).expect_stderr(&[
            "`csv` cannot start",
            "/proc/x",
            "help:",
            "on_error",
            "output_path",
        ]);
    }
}

#[test]
fn disable_goes_on_without_the_plugin_and_health_says_so() {
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        with_output("/proc/x/y.csv", "on_error = 'disable'"),
    );
    let mut agent = folder.start(&[]);
    let ready = agent.get("/readyz");
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert!(
        ready.body.contains("note: the plugin csv cannot start: "),
        "{}",
        ready.body
    );
    let log = agent.log();
    assert!(
        log.contains("the rest goes on without it") && log.contains("no output is enabled"),
        "{log}"
    );
    // What is measured has nowhere to go, and nobody may believe otherwise.
    agent
        .stop(Signal::SIGTERM)
        .expect_code(1)
        .expect_stderr(&["samples were dropped"]);
}

#[test]
fn a_plugin_that_is_tried_again_in_vain_is_no_success() {
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        with_output("/proc/x/y.csv", "on_error = 'retry'"),
    );
    let told = [
        "error: the plugin `csv` could not be started until the end",
        "/proc/x",
        "help: ",
    ];
    folder
        .run(&["exec", "true"])
        .expect_code(125)
        .expect_stderr(&told);
    folder
        .run(&["exec", "--ignore-exit-code", "sh", "-c", "exit 7"])
        .expect_code(125)
        .expect_stderr(&told);
    // The program's own failure comes first; the other is told all the same.
    folder
        .run(&["exec", "sh", "-c", "exit 7"])
        .expect_code(7)
        .expect_stderr(&told);
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    agent.stop(Signal::SIGTERM).expect_code(1).expect_stderr(&told);
}

#[test]
fn a_program_that_is_measured_without_any_output_is_told_so() {
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        with_output("/proc/x/y.csv", "on_error = 'disable'"),
    );
    folder
        .run(&["exec", "true"])
        .expect_code(0)
        .expect_stderr(&["no output is enabled: only the summary"]);
}

#[test]
fn retry_is_not_ready_until_the_obstacle_is_gone() {
    let folder = Folder::new();
    let obstacle = folder.write("results", "a file where a folder should be");
    folder.write(
        "alumet-config.toml",
        with_output("results/out.csv", "on_error = 'retry'"),
    );
    let mut agent = folder.start(&[]);
    let waiting = agent.get("/readyz");
    assert_eq!(waiting.status, 503);
    assert!(
        waiting.body.contains("the plugin csv cannot start: "),
        "{}",
        waiting.body
    );
    assert!(waiting.body.contains("results"), "{}", waiting.body);

    fs::remove_file(obstacle).unwrap();
    wait_until("200", || (agent.get("/readyz").status == 200).then_some(()));
    assert!(agent.log().contains("it will be tried again"));
    wait_until("lines", || {
        (folder.read("results/out.csv").lines().count() > 100).then_some(())
    });
    agent.stop(Signal::SIGTERM);
}
