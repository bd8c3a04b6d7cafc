//! What the plugin notes about a machine while it starts.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

use std::path::Path;
use std::sync::Arc;

use alumet_core::plugin::{Finding, Host, Plugin, StartContext, Verdict};
use alumet_core::testkit::{FakeRoot, ManualClock};
use alumet_plugin_procfs::{Config, ProcfsPlugin};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/server");

fn notes(config: &str, root: &Path) -> Vec<Finding> {
    let host = Host::trial(Arc::new(ManualClock::new()), root);
    let mut context = StartContext::new(&host);
    // Whether it starts is another question.
    let _ = ProcfsPlugin::start(toml::from_str::<Config>(config).unwrap(), &mut context);
    context.findings().to_vec()
}

fn verdict(notes: &[Finding], subject: &str) -> Verdict {
    let mut of_subject = notes.iter().filter(|note| note.subject == subject);
    let verdict = of_subject.next().map(|note| note.verdict);
    assert!(of_subject.next().is_none(), "{subject} is said twice: {notes:?}");
    verdict.unwrap_or_else(|| panic!("no {subject} in {notes:?}"))
}

#[test]
fn a_server_offers_everything() {
    let notes = notes("processes.enabled = false", Path::new(SERVER));
    for subject in [
        "CPU time",
        "memory",
        "network",
        "disks",
        "load",
        "pressure (PSI)",
        "CPU frequency",
        "temperatures",
    ] {
        assert_eq!(verdict(&notes, subject), Verdict::Works, "{subject}: {notes:?}");
    }
    let network = notes.iter().find(|note| note.subject == "network").unwrap();
    assert_eq!(
        network.detail,
        "4 interfaces: lo, enp65s0f0np0, eth0:1, br-5f1c0de"
    );
}

#[test]
fn an_empty_root_tells_what_is_broken_from_what_a_machine_can_be_without() {
    let notes = notes("", FakeRoot::new().path());
    for (subject, expected) in [
        ("CPU time", Verdict::Broken),
        ("memory", Verdict::Broken),
        ("load", Verdict::Broken),
        ("process list", Verdict::Broken),
        ("network", Verdict::Absent),
        ("disks", Verdict::Absent),
        ("pressure (PSI)", Verdict::Absent),
        ("CPU frequency", Verdict::Absent),
        ("temperatures", Verdict::Absent),
    ] {
        assert_eq!(verdict(&notes, subject), expected, "{subject}: {notes:?}");
    }
    let pressure = notes
        .iter()
        .find(|note| note.subject == "pressure (PSI)")
        .unwrap();
    assert!(pressure.remedy.as_ref().unwrap().contains("psi=1"));
}

#[test]
fn a_table_that_is_switched_off_is_not_looked_at() {
    let off = [
        "kernel",
        "memory",
        "network",
        "disks",
        "pressure",
        "cpu_frequency",
        "temperatures",
        "processes",
    ]
    .map(|table| format!("{table}.enabled = false\n"));
    let notes = notes(&off.concat(), Path::new(SERVER));
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(notes[0].subject, "load");
}

#[test]
fn entries_that_the_kernel_lacks_are_named() {
    let notes = notes("memory.metrics = ['MemTotal', 'NoSuchEntry']", Path::new(SERVER));
    let memory = notes.iter().find(|note| note.subject == "memory").unwrap();
    assert_eq!(memory.verdict, Verdict::Limited);
    assert_eq!(memory.detail, "1 of 2 entries; this kernel has no NoSuchEntry");
}
