//! SIGHUP reads the configuration again.

use nix::sys::signal::Signal;

use crate::csv::{lines_of, lines_per_tick};
use crate::program::{Folder, load, procfs_with, wait_until};

#[test]
fn a_reload_moves_the_output_and_every_sample_is_accounted_for() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    wait_until("lines", || {
        (folder.read("out.csv").lines().count() > 300).then_some(())
    });

    folder.write("alumet-config.toml", load().replace("out.csv", "new.csv"));
    agent.signal(Signal::SIGHUP);
    wait_until("lines in the new file", || {
        (folder.read("new.csv").lines().count() > 300).then_some(())
    });
    let ended = agent.stop(Signal::SIGTERM);
    let accounts = ended.accounts();
    let lines = lines_of(&folder.path("out.csv")).len() + lines_of(&folder.path("new.csv")).len();
    assert_eq!(lines as u64, accounts.delivered, "{}", ended.stderr);
    ended.expect_code(0);
    assert_eq!(accounts.dropped, 0, "{}", ended.stderr);
}

#[test]
fn an_agent_with_one_source_goes_on_when_that_changes() {
    let folder = Folder::new();
    let configuration = |interval: &str| {
        let procfs = procfs_with(&format!("kernel.poll_interval = '{interval}'"));
        format!("pipeline.self_metrics = '0s'\n[plugins.csv]\noutput_path = 'out.csv'\n{procfs}")
    };
    folder.write("alumet-config.toml", configuration("100ms"));
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    for interval in ["90ms", "80ms", "70ms"] {
        folder.write("alumet-config.toml", configuration(interval));
        agent.signal(Signal::SIGHUP);
        let before = folder.read("out.csv").lines().count();
        wait_until("more lines", || {
            (folder.read("out.csv").lines().count() > before + 100).then_some(())
        });
    }
    let ended = agent.stop(Signal::SIGTERM);
    assert_eq!(ended.accounts().dropped, 0, "{}", ended.stderr);
    ended.expect_code(0);
}

#[test]
fn an_output_that_is_stuck_gives_its_place_to_another_one() {
    let folder = Folder::new();
    // Nobody reads it.
    nix::unistd::mkfifo(&folder.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let with_pipe = load().replace("out.csv", "pipe");
    assert!(with_pipe.contains("pipe"));
    folder.write("alumet-config.toml", with_pipe);
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    folder.write("alumet-config.toml", load());
    agent.signal(Signal::SIGHUP);
    wait_until("lines", || {
        (folder.read("out.csv").lines().count() > 300).then_some(())
    });
    assert!(!agent.log().contains("two elements"), "{}", agent.log());
    agent.stop(Signal::SIGTERM);
}

#[test]
fn a_wrong_configuration_is_told_and_the_old_one_goes_on() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    folder.write("alumet-config.toml", load().replace("output_path", "output_pth"));
    agent.signal(Signal::SIGHUP);
    agent.wait_for_log("did you mean `output_path`?");
    assert!(agent.log().contains("unknown key `plugins.csv.output_pth`"));
    let before = folder.read("out.csv").lines().count();
    wait_until("more lines", || {
        (folder.read("out.csv").lines().count() > before + 100).then_some(())
    });
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0);
    assert_eq!(ended.accounts().dropped, 0);
}

#[test]
fn a_reload_costs_the_sources_that_it_does_not_concern_no_tick() {
    const RELOADS: usize = 6;
    const INTERVAL: i64 = 100_000_000;
    let folder = Folder::new();
    let configuration = |file: usize| {
        let procfs = procfs_with("kernel.poll_interval = '100ms'");
        format!("health.address = '127.0.0.1:0'\n[plugins.csv]\noutput_path = '{file}.csv'\n{procfs}")
    };
    folder.write("alumet-config.toml", configuration(0));
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    for file in 1..=RELOADS {
        let broken = configuration(file).replace("output_path", "output_pth");
        folder.write("alumet-config.toml", broken);
        agent.signal(Signal::SIGHUP);
        agent.wait_for_log("did you mean `output_path`?");
        folder.write("alumet-config.toml", configuration(file));
        agent.signal(Signal::SIGHUP);
        wait_until("lines in the new file", || {
            let path = folder.path(&format!("{file}.csv"));
            let lines = std::fs::read_to_string(path).ok()?;
            (lines.lines().count() > 50).then_some(())
        });
    }
    agent.stop(Signal::SIGTERM).expect_code(0);
    let lines: Vec<_> = (0..=RELOADS)
        .flat_map(|file| lines_of(&folder.path(&format!("{file}.csv"))))
        .collect();
    let ticks: Vec<i64> = lines_per_tick(&lines, "kernel_")
        .into_keys()
        .map(|tick| tick.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64)
        .collect();
    assert!(ticks.len() > RELOADS, "{ticks:?}");
    let missed: i64 = ticks
        .windows(2)
        .map(|pair| (pair[1] - pair[0] + INTERVAL / 2) / INTERVAL - 1)
        .map(|missed| missed.max(0))
        .sum();
    // A busy machine may cost a tick here and there; what every reload costs is more than that.
    assert!(missed < RELOADS as i64, "{missed} ticks were missed: {ticks:?}");
}
