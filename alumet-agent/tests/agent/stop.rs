//! Signals end the program, and everything that was measured is written.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::csv::{lines_of, lines_per_tick};
use crate::program::{Accounts, Folder, load, procfs_with, wait_until};

fn every_tick_is_written_before_the_end(signal: Signal) {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    wait_until("some ticks", || {
        (folder.read("out.csv").lines().count() > 3000).then_some(())
    });
    let ended = agent.stop(signal);
    ended
        .expect_code(0)
        .expect_stderr(&[&format!("cause=\"{signal}\"")]);
    let lines = lines_of(&folder.path("out.csv"));
    let Accounts {
        produced,
        delivered,
        dropped,
    } = ended.accounts();
    assert_eq!((lines.len() as u64, dropped), (produced, 0));
    assert_eq!(produced, delivered);
    let ticks = lines_per_tick(&lines, "kernel_");
    let whole = *ticks.values().max().unwrap();
    // The first tick has no deltas, and one last poll comes at the end.
    assert!(
        ticks.len() > 20 && ticks.values().skip(1).all(|&lines| lines == whole),
        "{ticks:?}"
    );
}

#[test]
fn sigterm_under_load_loses_no_tick() {
    every_tick_is_written_before_the_end(Signal::SIGTERM);
}

#[test]
fn sigint_under_load_loses_no_tick() {
    every_tick_is_written_before_the_end(Signal::SIGINT);
}

#[test]
fn samples_that_wait_for_their_flush_interval_are_written_at_the_end() {
    let folder = Folder::new();
    let processes = format!(
        "[[plugins.procfs.processes.groups]]\npid = {}\npoll_interval = '20ms'\nflush_interval = '1h'",
        std::process::id()
    );
    let config = format!(
        "health.address = '127.0.0.1:0'\npipeline.self_metrics = '0s'\n[plugins.csv]\noutput_path = 'out.csv'\n{}",
        procfs_with(&processes)
    );
    folder.write("alumet-config.toml", config);
    let mut agent = folder.start(&[]);
    wait_until("samples", || {
        let metrics = crate::metrics::parse(&agent.get("/metrics").body);
        (metrics["alumet_samples_produced_total"] > 50.0).then_some(())
    });
    assert_eq!(
        folder.read("out.csv"),
        "",
        "nothing may be written before the flush interval is over"
    );
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0);
    let written = lines_of(&folder.path("out.csv")).len() as u64;
    assert_eq!(
        ended.accounts(),
        Accounts {
            produced: written,
            delivered: written,
            dropped: 0
        }
    );
    assert!(written > 50);
}

#[test]
fn a_second_signal_ends_a_stop_that_hangs_and_the_loss_is_told() {
    let folder = Folder::new();
    mkfifo(&folder.path("out.csv"), Mode::S_IRWXU).unwrap();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    agent.wait_for_log("nobody reads out.csv; start its reader");
    agent.signal(Signal::SIGTERM);
    agent.wait_for_log("stopping: what is not written yet is written");
    // It hangs now: nobody will read.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!agent.has_ended(), "it must wait for the reader: {}", agent.log());
    let second = Instant::now();
    while !agent.has_ended() {
        agent.signal(Signal::SIGTERM);
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    let ended = agent.wait();
    assert!(
        second.elapsed().as_secs() < 10,
        "the second signal must not wait for the deadline of 20 s"
    );
    ended
        .expect_code(1)
        .expect_stderr(&["the second signal: what is not written yet is dropped"]);
    let accounts = ended.accounts();
    assert!(accounts.dropped > 0 && accounts.delivered == 0, "{accounts:?}");
    ended.expect_stderr(&[&format!(
        "error: the end is not clean: {} samples were dropped",
        accounts.dropped
    )]);
}

#[test]
fn a_stop_that_hangs_ends_at_its_deadline() {
    let folder = Folder::new();
    mkfifo(&folder.path("out.csv"), Mode::S_IRWXU).unwrap();
    let config = load().replace(
        "pipeline.self_metrics",
        "pipeline.shutdown_timeout = '500ms'\npipeline.self_metrics",
    );
    folder.write("alumet-config.toml", config);
    let mut agent = folder.start(&[]);
    agent.wait_for_log("nobody reads out.csv");
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(1).expect_stderr(&["samples were dropped"]);
    assert!(ended.accounts().dropped > 0);
}

#[test]
fn a_stop_without_any_time_tells_exactly_what_is_lost() {
    let folder = Folder::new();
    let config = load().replace(
        "pipeline.self_metrics",
        "pipeline.shutdown_timeout = '0s'\npipeline.self_metrics",
    );
    folder.write("alumet-config.toml", config);
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    wait_until("some ticks", || {
        (folder.read("out.csv").lines().count() > 300).then_some(())
    });
    let ended = agent.stop(Signal::SIGTERM);
    let accounts = ended.accounts();
    // Whether something is in time is chance, but it must be told.
    let complaint = format!(
        "error: the end is not clean: {} samples were dropped",
        accounts.dropped
    );
    assert_eq!(
        ended.stderr.contains(&complaint),
        ended.code() == 1,
        "{}",
        ended.stderr
    );
    assert!(accounts.dropped == 0 || ended.code() == 1, "{}", ended.stderr);
}

#[test]
fn when_nobody_reads_the_only_output_any_more_the_agent_ends_and_says_so() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut command = folder.command(&["--output-file", "-"]);
    let stderr = folder.path("stderr");
    command
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&stderr).unwrap());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("metric;"));
    drop(lines);
    let status = wait_until("the end of the agent", || child.try_wait().unwrap());
    let said = std::fs::read_to_string(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("cause=\"the end of the last output\""), "{said}");
    assert!(said.contains("error: no output is left"), "{said}");
}

#[test]
fn all_rotated_files_of_a_run_have_the_same_columns_and_no_attribute_is_late() {
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        "[plugins.procfs]\n[plugins.procfs.kernel]\npoll_interval = '50ms'\n\
         [plugins.procfs.memory]\npoll_interval = '20ms'\n[plugins.procfs.processes]\nrefresh_interval = '1s'\n\
         [plugins.energy-estimation-tdp]\npoll_interval = '70ms'\n[plugins.energy-attribution]\n\
         [plugins.csv]\noutput_path = 'out.csv'\nrotate_size = '100 kB'\n",
    );
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    let files = || {
        let files = std::fs::read_dir(folder.path("")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("out.")).collect::<Vec<_>>()
    };
    wait_until("some rotations", || (files().len() > 6).then_some(()));
    agent.stop(Signal::SIGTERM).expect_code(0);
    let texts: Vec<String> = files().iter().map(|name| folder.read(name)).collect();
    for text in &texts {
        assert_eq!(text.lines().next(), texts[0].lines().next());
        for line in text.lines().skip(1) {
            assert!(line.ends_with(';'), "an attribute is late: {line}");
        }
    }
}
