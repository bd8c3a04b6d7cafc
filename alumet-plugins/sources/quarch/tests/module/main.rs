//! What the source makes of a module.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use alumet_core::failure::Remedy;
use alumet_core::plugin::Verdict;
use alumet_core::testkit::{self, Bench, Contract, assert_lines};
use alumet_plugin_quarch::{Config, QuarchPlugin};

mod server;

use server::{Mood, Server};

const POWER: [&str; 1] = ["disk_power local_machine local_machine {} = 14"];

#[test]
fn the_contract_is_kept_while_a_module_answers() {
    let server = Server::start(Mood::Fine);
    Contract::<QuarchPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(server.config())
        .check();
}

#[test]
fn a_module_is_set_up_once_asked_again_and_again_and_stopped_at_the_end() {
    let server = Server::start(Mood::Fine);
    let mut bench = Bench::start::<QuarchPlugin>(server.config(), "/").unwrap();
    assert_lines(bench.poll("quarch").unwrap(), POWER);
    server.set(Mood::Slow);
    assert_lines(bench.poll("quarch").unwrap(), POWER);
    server.set(Mood::Fine);
    drop(bench);
    let expected = [
        "RECord:STOP",
        "RECord:TRIGger:MODE MANUAL",
        "RECord:AVEraging 32K",
        "RECord:RUN",
        "MEASure:OUTputs?",
        "MEASure:OUTputs?",
        "RECord:STOP",
    ];
    assert_eq!(server.commands(), expected);
}

#[test]
fn a_module_that_does_not_answer_rightly_is_connected_anew() {
    let server = Server::start(Mood::Fine);
    let mut bench = Bench::start::<QuarchPlugin>(server.config(), "/").unwrap();
    for (mood, words) in [
        (Mood::BreaksOff, "connection is made anew"),
        (Mood::Silent, "does not answer `"),
        (Mood::Endless, "does not end"),
        (Mood::Nonsense, "no rail has both voltage and current"),
        (Mood::Refuses, "refuses `RECord:TRIGger:MODE MANUAL`: FAIL: 0x21"),
    ] {
        server.set(mood);
        let failure = bench.poll("quarch").unwrap_err();
        assert_eq!(failure.remedy(), Remedy::Restart, "{mood:?}");
        assert!(failure.to_string().contains(words), "{failure}");
        if mood != Mood::Nonsense {
            server.set(Mood::Fine);
            bench.advance(Duration::from_secs(1));
            assert_lines(bench.poll("quarch").unwrap(), POWER);
        }
    }
}

#[test]
fn a_trial_says_what_the_module_shows_or_why_it_does_not() {
    let finding = |config| testkit::findings::<QuarchPlugin>(config, "/")[0].clone();
    assert_eq!(finding(Config::default()).verdict, Verdict::Absent);
    let server = Server::start(Mood::Fine);
    assert_eq!(finding(server.config()).detail, "14 W");
    let mut away = server.config();
    // Nothing listens at the discard port of this machine.
    away.quarch_port = 9;
    let found = finding(away);
    assert_eq!(found.verdict, Verdict::Broken);
    assert!(found.detail.contains("check `quarch_ip`"), "{found:?}");
}
