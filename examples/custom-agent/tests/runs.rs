//! The example as a user runs it.

#![expect(
    clippy::expect_used,
    reason = "a test ends with a panic when something is missing"
)]

use std::path::Path;
use std::process::{Command, Output};

fn agent(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-custom-agent"));
    command
        .current_dir(folder)
        .args(arguments)
        .env_remove("ALUMET_CONFIG")
        .output()
        .expect("the example")
}

#[test]
fn the_home_made_source_is_written_to_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = agent(folder.path(), &["exec", "sleep", "0.1"]);
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(folder.path().join("custom-agent-output.csv")).expect("the CSV file");
    let uptimes: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with("uptime_s;"))
        .map(|line| {
            line.split(';')
                .nth(2)
                .and_then(|value| value.parse().ok())
                .expect("a number")
        })
        .collect();
    assert!(
        uptimes.len() >= 2 && uptimes.is_sorted() && uptimes[0] > 0.0,
        "{text}"
    );
}

#[test]
fn the_files_of_a_standard_agent_in_the_same_folder_are_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let of_standard_agent = [
        ("alumet-config.toml", "[plugins.procfs]\n"),
        ("alumet-output.csv", "its measurements\n"),
    ];
    for (name, text) in of_standard_agent {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let output = agent(folder.path(), &["exec", "true"]);
    assert!(output.status.success(), "{output:?}");
    // To measure a program, nothing is configured that was not before.
    assert!(!folder.path().join("custom-agent-config.toml").exists());
    for (name, text) in of_standard_agent {
        let after = std::fs::read_to_string(folder.path().join(name)).expect("the file");
        assert_eq!(after, text, "{name}");
    }
}

#[test]
fn the_home_made_plugin_has_what_all_plugins_have() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = agent(folder.path(), &["plugins", "info", "uptime"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        text.contains("Time since the machine has started.") && text.contains("poll_interval = \"1s\""),
        "{text}"
    );

    let zero = agent(
        folder.path(),
        &[
            "--config-override",
            "plugins.uptime.poll_interval = '0s'",
            "config",
            "show",
        ],
    );
    let error = String::from_utf8(zero.stderr).expect("UTF-8");
    assert_eq!(zero.status.code(), Some(2));
    assert!(error.contains("an interval must be longer than zero"), "{error}");
}
