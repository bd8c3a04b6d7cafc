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
fn the_help_of_a_command_is_short_and_all_of_it_has_the_options_of_every_command() {
    let folder = Folder::new();
    for command in [&["exec"][..], &["config", "show"], &["ctl", "list"]] {
        let help = |flag| folder.run(&[command, &[flag]].concat()).stdout;
        for flag in ["-h", "--help"] {
            assert!(help(flag).contains("--help-all"), "{}", help(flag));
            assert!(!help(flag).contains("--output-file"), "{}", help(flag));
            assert!(help(flag).lines().count() <= 30, "{}", help(flag));
        }
        for phrase in [
            "--output-file <FILE>",
            "ALUMET_NORMAL_THREADS",
            "Exit codes: 0",
            "RUST_LOG",
        ] {
            assert!(
                help("--help-all").contains(phrase),
                "{phrase}: {}",
                help("--help-all")
            );
        }
    }
    assert!(
        folder
            .run(&["exec", "--help"])
            .stdout
            .contains("--ignore-exit-code")
    );
}

#[test]
fn the_long_default_configuration_explains_each_shared_key_once() {
    let text = Folder::new().run(&["config", "default", "--full"]).stdout;
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
        for flag in ["-h", "--help", "--help-all"] {
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
            "mark",
            "ctl",
            "config",
            "plugins",
            "doctor",
            "wide",
            "completions",
            "man"
        ]
    );
    assert!(ended.stdout.lines().count() <= 40, "{}", ended.stdout);
    assert_eq!(ended.stdout, Folder::new().run(&["--help"]).stdout);
    let all = Folder::new().run(&["--help-all"]).stdout;
    for (flag, is_short) in [
        ("--config <PATH>", true),
        ("--plugins <ID,…>", true),
        ("--output-file <FILE>", true),
        ("--relay-out <ADDRESS>", true),
        ("--relay-in <ADDRESS>", true),
        ("--quiet", true),
        ("--help-all", true),
        ("--version", true),
        ("--no-default-config", false),
        ("--config-override <TOML>", false),
        ("--normal-worker-threads <N>", false),
        ("--priority-worker-threads <N>", false),
        ("--log-format <FORMAT>", false),
        ("--source-channel-size <SAMPLES>", false),
        (
            "Exit codes: 0 done, 1 failed while running, 2 wrong command line or configuration",
            false,
        ),
        ("`exec` gives the", false),
        ("RUST_LOG", false),
    ] {
        assert!(all.contains(flag), "{flag}: {all}");
        assert_eq!(ended.stdout.contains(flag), is_short, "{flag}: {}", ended.stdout);
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let ended = Folder::new().run(&["--version"]);
    assert_eq!(
        ended.stdout,
        format!("alumet-agent {}\n", env!("CARGO_PKG_VERSION"))
    );
}
