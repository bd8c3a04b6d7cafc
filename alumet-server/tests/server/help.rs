//! Help, completions and the manual page: those of every application, with what this one adds and leaves out.

use crate::program::Folder;

#[test]
fn the_help_has_certs_and_no_command_that_measures_a_process() {
    let folder = Folder::new();
    let ended = folder.run(&["-h"]);
    ended.expect_code(0);
    let commands = ended.stdout.lines().skip_while(|line| *line != "Commands:");
    let word = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let names: Vec<_> = commands.skip(1).map_while(word).collect();
    assert_eq!(
        names,
        [
            "run",
            "ctl",
            "config",
            "plugins",
            "doctor",
            "wide",
            "certs",
            "demo",
            "store",
            "completions",
            "man"
        ]
    );
    for flag in ["--relay-in", "--output-file"] {
        assert!(ended.stdout.contains(flag), "{}", ended.stdout);
    }
    for command in ["exec", "watch", "top", "mark"] {
        let ended = folder.run(&[command, "1"]);
        ended.expect_code(2);
        assert!(ended.stderr.contains("unrecognized subcommand"), "{ended:?}");
    }
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn completions_and_manual_know_certs_like_the_other_commands() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = folder.run(&["completions", shell]).stdout;
        for word in ["certs", "issue", "force", "relay-in", "doctor"] {
            assert!(script.contains(word), "{word} is missing for {shell}");
        }
        assert!(!script.contains("ignore-exit-code"), "exec is known to {shell}");
    }
    let page = folder.run(&["man"]).stdout;
    assert!(page.contains(".TH alumet-server 1"), "{page}");
    assert!(page.contains(".SS alumet\\-server certs init\n"), "{page}");
    assert!(!page.contains("server exec"), "{page}");
}

#[test]
fn every_part_of_certs_explains_itself() {
    let folder = Folder::new();
    for (arguments, words) in [
        (&["certs", "--help"][..], &["init", "issue"][..]),
        (&["certs", "init", "--help"], &["DIR", "--name", "--force"]),
        (&["certs", "issue", "--help"], &["DIR", "NODE", "--force"]),
    ] {
        let ended = folder.run(arguments);
        ended.expect_code(0);
        for word in words {
            assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
        }
    }
    folder.run(&["certs"]).expect_code(2);
    folder.run(&["certs", "init"]).expect_code(2);
    folder.run(&["certs", "issue", "pki"]).expect_code(2);
}

#[test]
fn the_doctor_speaks_of_the_server_and_of_no_hardware() {
    let ended = Folder::new().run(&["doctor"]);
    assert!(ended.stdout.starts_with("server\n"), "{}", ended.stdout);
    for subject in ["configuration", "open files", "relay-server"] {
        assert!(ended.stdout.contains(subject), "{subject}: {}", ended.stdout);
    }
    for subject in ["powercap", "perf events", "control groups", "kernel"] {
        assert!(!ended.stdout.contains(subject), "{subject}: {}", ended.stdout);
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let ended = Folder::new().run(&["--version"]);
    let version = format!("alumet-server {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(ended.stdout, version);
}
