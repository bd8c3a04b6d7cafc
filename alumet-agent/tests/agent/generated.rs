//! Completions, the manual page and the help.

use std::process::Command;

use crate::program::{Folder, is_installed};

#[test]
fn completions_know_every_command() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = folder.run(&["completions", shell]);
        ended.expect_code(0);
        for word in ["watch", "exec", "config-override", "output-file"] {
            assert!(ended.stdout.contains(word), "{word} is missing for {shell}");
        }
    }
    folder.run(&["completions", "cmd.exe"]).expect_code(2);
}

#[test]
fn shells_can_read_their_completions() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"]
        .into_iter()
        .filter(|shell| is_installed(shell))
    {
        let script = folder.write(shell, &folder.run(&["completions", shell]).stdout);
        let checked = Command::new(shell).arg("-n").arg(script).output().unwrap();
        assert!(
            checked.status.success(),
            "{shell}: {}",
            String::from_utf8_lossy(&checked.stderr)
        );
    }
}

#[test]
fn the_manual_page_is_troff_and_has_the_usual_sections() {
    let ended = Folder::new().run(&["man"]);
    ended.expect_code(0);
    assert!(
        ended.stdout.contains(".TH alumet-agent 1"),
        "{}",
        &ended.stdout[..200]
    );
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS"] {
        assert!(ended.stdout.contains(&format!(".SH {section}")), "{section}");
    }
    // Everything is on this page: there is no other that it could point to.
    for phrase in [
        ".SS alumet\\-agent exec\n",
        ".SS alumet\\-agent ctl set\\-interval\n",
        "\\-\\-ignore\\-exit\\-code",
        "Kept for old command lines",
        "Verdicts: works",
    ] {
        assert!(ended.stdout.contains(phrase), "{phrase}");
    }
    assert!(!ended.stdout.contains("exec(1)"));
}

#[test]
fn the_help_of_a_command_tells_its_own_options_and_where_those_of_every_command_are_told() {
    let folder = Folder::new();
    for command in [&["exec", "--help"][..], &["config", "show", "--help"]] {
        let ended = folder.run(command);
        assert!(
            ended.stdout.contains("tells the options of every command"),
            "{}",
            ended.stdout
        );
        assert!(!ended.stdout.contains("--output-file"), "{}", ended.stdout);
    }
    assert!(
        folder
            .run(&["exec", "--help"])
            .stdout
            .contains("--ignore-exit-code")
    );
    let whole = folder.run(&["--help"]).stdout;
    assert!(
        whole.contains("--config <PATH>") && whole.contains("--output-file <FILE>"),
        "{whole}"
    );
}

#[test]
fn the_default_configuration_is_short_and_explains_each_shared_key_once() {
    let text = Folder::new().run(&["config", "default"]).stdout;
    assert_eq!(
        text.matches("# What happens when the plugin cannot start.")
            .count(),
        1,
        "{text}"
    );
    assert!(
        text.contains("[plugins.relay-client]\nenabled = false\n"),
        "{text}"
    );
    assert!(!text.contains("ack_timeout"), "{text}");
}

#[test]
fn the_reference_names_the_words_that_a_key_takes_and_the_keys_of_tables_without_a_default() {
    let text = Folder::new().run(&["config", "reference"]).stdout;
    for phrase in [
        "#   - \"drop_oldest\"",
        "#   - \"retry\": The agent goes on",
        "# [plugins.relay-client.tls]",
    ] {
        assert!(text.contains(phrase), "{phrase}");
    }
}

#[test]
fn every_command_explains_itself() {
    let folder = Folder::new();
    for command in [
        "",
        "run",
        "exec",
        "watch",
        "top",
        "config",
        "ctl",
        "ctl list",
        "ctl set-interval",
        "config default",
        "config check",
        "config show",
        "config reference",
        "config regen",
        "plugins",
        "plugins list",
        "plugins info",
        "completions",
        "man",
    ] {
        for flag in ["-h", "--help"] {
            let arguments: Vec<&str> = command.split_whitespace().chain([flag]).collect();
            let ended = folder.run(&arguments);
            ended.expect_code(0);
            assert!(
                ended.stdout.contains("Usage: alumet-agent"),
                "{command}: {}",
                ended.stdout
            );
            assert_eq!(ended.stderr, "", "{command}");
        }
    }
    assert_eq!(
        std::fs::read_dir(folder.path(""))
            .unwrap()
            .flatten()
            .filter(visible)
            .count(),
        0,
        "no file is written"
    );
}

fn visible(entry: &std::fs::DirEntry) -> bool {
    !entry.file_name().to_string_lossy().starts_with('.')
}

#[test]
fn the_short_help_is_as_agreed() {
    let ended = Folder::new().run(&["-h"]);
    let commands: Vec<&str> = ended
        .stdout
        .lines()
        .skip_while(|line| *line != "Commands:")
        .collect();
    let words = |line: &&str| line.split_whitespace().next().map(str::to_owned);
    let names: Vec<_> = commands.iter().skip(1).map_while(words).collect();
    assert_eq!(
        names,
        [
            "run",
            "exec",
            "watch",
            "top",
            "ctl",
            "config",
            "plugins",
            "doctor",
            "completions",
            "man"
        ]
    );
    let flags = ended
        .stdout
        .lines()
        .filter_map(|line| line.trim().split("--").nth(1)?.split_whitespace().next());
    let flags: Vec<_> = flags.filter(|_| ended.stdout.contains("Options:")).collect();
    for flag in [
        "config",
        "no-default-config",
        "config-override",
        "plugins",
        "normal-worker-threads",
        "priority-worker-threads",
        "log-format",
        "output-file",
        "relay-out",
        "relay-in",
        "help",
        "version",
    ] {
        assert!(flags.contains(&flag), "--{flag} is missing: {flags:?}");
    }
    assert!(
        ended
            .stdout
            .contains("Exit codes: 0 done, 1 failed while running, 2 wrong command line or configuration")
    );
}

#[test]
fn the_version_is_that_of_the_package() {
    let ended = Folder::new().run(&["--version"]);
    assert_eq!(
        ended.stdout,
        format!("alumet-agent {}\n", env!("CARGO_PKG_VERSION"))
    );
}
