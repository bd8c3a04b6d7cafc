//! Command lines that nobody would write.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use proptest::prelude::*;
use proptest::sample::select;

use crate::program::Folder;

/// Words that mean something somewhere, and some that do not. None of them writes outside the folder.
const WORDS: &[&str] = &[
    "run",
    "exec",
    "watch",
    "top",
    "config",
    "plugins",
    "completions",
    "man",
    "default",
    "check",
    "show",
    "reference",
    "regen",
    "list",
    "info",
    "csv",
    "procfs",
    "nvml",
    "bash",
    "true",
    "false",
    "nosuchprogram",
    "1",
    "4194305",
    "0",
    "-1",
    "--config",
    "alumet-config.toml",
    "missing.toml",
    ".",
    "--no-default-config",
    "--config-override",
    "a.b='c'",
    "plugins.csv.output_path='o.csv'",
    "log.level=1",
    "[",
    "--plugins",
    "csv,procfs",
    "csv,,",
    "--output-file",
    "o.csv",
    "--normal-worker-threads",
    "2",
    "--priority-worker-threads",
    "--max-update-interval",
    "1s",
    "--source-channel-size",
    "99999999999999999999",
    "--log-format",
    "json",
    "--status",
    "--json",
    "--origins",
    "--markdown",
    "--ignore-exit-code",
    "--",
    "-",
    "",
    "--help",
    "-V",
    "--nonsense",
    "é",
    "\u{1b}[31m",
    "${HOME}",
    "%s",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_command_line_makes_the_program_panic(arguments in prop::collection::vec(select(WORDS), 0..6)) {
        let folder = Folder::new();
        let mut agent = folder.start(&arguments);
        let started = Instant::now();
        while !agent.has_ended() && started.elapsed() < Duration::from_millis(400) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // It measures; that is what some of these ask for.
        while !agent.has_ended() {
            agent.signal(Signal::SIGTERM);
            std::thread::sleep(Duration::from_millis(200));
        }
        let ended = agent.wait();
        let passed_on = arguments.contains(&"exec");
        let expected = |code: i32| (0..=2).contains(&code) || (passed_on && [125, 126, 127, 143].contains(&code));
        // A signal before the program listens ends it, as with every program.
        let early = ended.status.code().is_none();
        prop_assert!(early || expected(ended.code()), "{arguments:?}: {ended:?}");
        prop_assert!(!ended.stderr.contains("panicked"), "{arguments:?}: {ended:?}");
        prop_assert!(ended.status.code() != Some(2) || !ended.stderr.is_empty(), "{arguments:?}: no message");
    }
}
