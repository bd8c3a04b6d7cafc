//! Whoever asks whether the agent works is told when it does not: the service manager, and who reads exit codes.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::program::{Folder, load, procfs_with, wait_until};

/// The kernel's counters once, to a disk that is full, and an end that waits for an hour.
fn full_disk() -> String {
    let config = "pipeline.shutdown_timeout = '1h'\npipeline.self_metrics = '0s'\n[plugins.csv]\noutput_path = '/dev/full'\n";
    config.to_owned() + &procfs_with("kernel.poll_interval = '50ms'")
}

#[test]
fn a_full_disk_does_not_keep_whoever_waits_for_a_program_and_what_is_lost_is_told() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", full_disk());
    let ended = folder.run(&["exec", "--only", "program,machine,others", "true"]);
    ended.expect_code(125).expect_stderr(&[
        "error: the end is not clean",
        "error: outputs/csv/file has written 0 samples and lost",
        "no space left for /dev/full",
    ]);
    assert!(ended.accounts().dropped > 0);
    // The code of a program that fails says more.
    folder.run(&["exec", "sh", "-c", "exit 7"]).expect_code(7);
}

#[test]
fn a_full_disk_of_the_spool_does_not_keep_whoever_waits_for_a_program() {
    let folder = Folder::new();
    // Nobody listens at port 1.
    let config = full_disk()
        .replace(
            "[plugins.csv]\noutput_path = '/dev/full'",
            "[plugins.relay-client]\nrelay_server = '127.0.0.1:1'",
        )
        .replace("pipeline.self", "spool.path = 'spool.db'\npipeline.self");
    folder.write("alumet-config.toml", config);
    // No file may grow, as on a full disk.
    let mut shell = std::process::Command::new("sh");
    shell.args([
        "-c",
        "ulimit -f 0; exec \"$0\" exec true",
        env!("CARGO_BIN_EXE_alumet-agent"),
    ]);
    let ended = shell.current_dir(folder.path("")).output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(125), "{stderr}");
    assert!(
        stderr.contains("the spool cannot be written: samples were dropped"),
        "{stderr}"
    );
}

#[test]
fn an_output_that_ends_by_itself_is_a_failure_of_the_agent_with_its_reason() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load().replace("'out.csv'", "'-'"));
    let mut command = folder.command(&["exec", "sleep", "1"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = command.stdout(writer).output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(125), "{stderr}");
    assert!(
        stderr.contains("error: outputs/csv/file has written 0 samples and lost"),
        "{stderr}"
    );
}

#[test]
fn a_service_manager_is_told_of_the_start_the_state_the_life_and_the_end() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let manager = UnixDatagram::bind(folder.path("notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let next = || {
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let until = |phrase: &str| wait_until(phrase, || next().contains(phrase).then_some(()));
    let mut command = folder.command(&[]);
    command
        .env("NOTIFY_SOCKET", folder.path("notify"))
        .env("WATCHDOG_USEC", "400000");
    let agent = folder.start_command(command);
    assert_eq!(next(), "READY=1\nSTATUS=ready");
    until("WATCHDOG=1");
    folder.write(
        "alumet-config.toml",
        load().replace("[plugins.csv]", "[plugins.csv]\nenabled = false"),
    );
    agent.signal(Signal::SIGHUP);
    until("STATUS=not ready: there is no output, so nothing is written");
    folder.write("alumet-config.toml", load());
    agent.signal(Signal::SIGHUP);
    until("STATUS=ready");
    agent.signal(Signal::SIGTERM);
    until("STOPPING=1");
    // What was measured without an output is lost.
    agent.wait().expect_code(1);
}
