//! Replies: their lines and their JSON.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use alumet_core::pipeline::{
    CertificateStatus, DropReason, ElementKey, ElementKind, ElementState, ElementStatus, Lateness, Ledger,
    OutputAccount, PipelineStatus, Punctuality,
};
use alumet_core::source::Schedule;
use alumet_core::spool::SpoolStatus;
use alumet_core::time::Timestamp;
use alumet_shared_control_protocol::{GRAMMAR, Reply};
use proptest::prelude::*;

fn key(kind: ElementKind, plugin: &str, name: &str) -> ElementKey {
    ElementKey {
        kind,
        plugin: plugin.to_owned(),
        name: name.to_owned(),
    }
}

fn element(schedule: Option<Schedule>, last_error: Option<&str>) -> ElementStatus {
    ElementStatus {
        key: key(ElementKind::Source, "procfs", "kernel"),
        state: ElementState::Running,
        schedule,
        destination: None,
        calls: 12,
        samples: 345,
        failures: 2,
        failures_in_a_row: 1,
        restarts: 1,
        missed_ticks: 3,
        overruns: 1,
        longest: Duration::from_secs(1),
        polling: Some(Duration::from_secs(12)),
        in_vain: None,
        stalled: Some(Duration::from_secs(61)),
        busy: Duration::from_millis(1500),
        last_error: last_error.map(str::to_owned),
    }
}

fn status() -> PipelineStatus {
    let mut lateness = Lateness::default();
    lateness.record(Duration::from_micros(60));
    lateness.record(Duration::from_micros(60));
    lateness.record(Duration::from_secs(2));
    let account = OutputAccount {
        offered: 996,
        recovered: 0,
        delivered: 900,
        buffered: 90,
        spooled: 40,
        dropped: [(DropReason::QueueFull, 5), (DropReason::Rejected, 1)].into(),
    };
    PipelineStatus {
        elements: vec![element(None, None)],
        uptime: Duration::from_millis(90_500),
        live_series: 17,
        ledger: Ledger {
            produced: 1000,
            pending: 1,
            queued: 2,
            added: 3,
            removed: 4,
            routed: 996,
            dropped: Default::default(),
            outputs: [(key(ElementKind::Output, "csv", "file"), account)].into(),
        },
        spool: Some(SpoolStatus {
            path: Some("/var/lib/alumet/spool.db".into()),
            bytes: 4096,
            samples: 40,
            oldest: Some(Timestamp::from_nanos(0)),
            fault: Some("the disk is full; make room".to_owned()),
            lost: Some("records are gone: check the disk".to_owned()),
            ..SpoolStatus::default()
        }),
        punctuality: vec![Punctuality {
            thread: "alumet-poll".to_owned(),
            lateness,
            missed_ticks: 1,
        }],
        shows_others: false,
        obstacles: vec!["a has taken nothing".to_owned(), "b is failing".to_owned()],
        notes: vec!["one pod has no name".to_owned()],
        certificates: vec![CertificateStatus {
            path: "/etc/node.pem".into(),
            not_after: Timestamp::from_nanos(0),
        }],
    }
}

fn replies() -> Vec<Reply> {
    let every = Schedule::every(Duration::from_millis(100));
    let on_request = Schedule {
        interval: None,
        ..every
    };
    vec![
        Reply::Message("two\nlines".to_owned()),
        Reply::Message(String::new()),
        Reply::Selected(vec![key(ElementKind::Source, "a", "b")]),
        Reply::Elements(vec![
            element(Some(every), None),
            element(Some(on_request), Some("a\nb")),
            element(None, None),
        ]),
        Reply::Status(Box::new(status())),
        Reply::Refused("no:\n  because".to_owned()),
        Reply::Misunderstood("what?".to_owned()),
    ]
}

fn json(reply: &Reply) -> serde_json::Value {
    let line = reply.to_json();
    assert_eq!(line.find('\n'), Some(line.len() - 1), "one line: {line}");
    serde_json::from_str(&line).unwrap()
}

#[test]
fn json_says_whether_all_went_well_and_names_what_follows() {
    let expected = [
        "message", "message", "selected", "elements", "status", "error", "error",
    ];
    for (reply, field) in replies().iter().zip(expected) {
        let json = json(reply);
        assert_eq!(json["ok"], field != "error", "{json}");
        assert!(json.get(field).is_some(), "{json}");
    }
    let misunderstood = json(&replies()[6]);
    assert_eq!(misunderstood["commands"][0], GRAMMAR.lines().next().unwrap());
    assert_eq!(json(&replies()[5]).get("commands"), None);
}

#[test]
fn the_last_line_and_only_it_says_whether_all_went_well() {
    for reply in replies() {
        let text = reply.to_text();
        let (last, body) = text
            .lines()
            .collect::<Vec<_>>()
            .split_last()
            .map(|(l, b)| (*l, b.to_vec()))
            .unwrap();
        let went_well = json(&reply)["ok"] == true;
        assert_eq!(last == "ok", went_well, "{text}");
        assert_eq!(last.starts_with("error: "), !went_well, "{text}");
        assert!(body.iter().all(|line| line.starts_with("  ")), "{text}");
    }
    assert_eq!(replies()[0].to_text(), "  two\n  lines\nok\n");
    assert_eq!(replies()[1].to_text(), "ok\n");
    assert_eq!(replies()[2].to_text(), "  sources/a/b\nok\n");
    assert_eq!(replies()[5].to_text(), "    because\nerror: no:\n");
    let misunderstood = replies()[6].to_text();
    assert!(
        misunderstood.contains("  pause PATTERN") && misunderstood.ends_with("\nerror: what?\n"),
        "{misunderstood}"
    );
}

#[test]
fn json_has_names_as_texts_and_numbers_in_seconds() {
    let elements = &json(&replies()[3])["elements"];
    assert_eq!(elements[0]["element"], "sources/procfs/kernel");
    assert_eq!(elements[0]["state"], "running");
    assert_eq!(elements[0]["schedule"]["interval_seconds"], 0.1);
    assert_eq!(
        elements[1]["schedule"]["interval_seconds"],
        serde_json::Value::Null
    );
    assert_eq!(elements[2].get("schedule"), None);
    assert_eq!(elements[0]["busy_seconds"], 1.5);
    assert_eq!(elements[0].get("last_error"), None);
    assert_eq!(elements[1]["last_error"], "a\nb");
    let status = &json(&replies()[4])["status"];
    assert_eq!(status["uptime_seconds"], 90.5);
    let output = &status["ledger"]["outputs"]["outputs/csv/file"];
    assert_eq!(
        (&output["delivered"], &output["dropped"]["queue_full"]),
        (&900.into(), &5.into())
    );
    assert_eq!(status["obstacles"][1], "b is failing");
    assert_eq!(
        status["certificates"][0],
        serde_json::json!({"path": "/etc/node.pem", "not_after": "1970-01-01T00:00:00.000000000Z"})
    );
    assert_eq!(status["spool"]["oldest"], "1970-01-01T00:00:00.000000000Z");
    let lateness = &status["punctuality"][0]["lateness"];
    assert_eq!(
        (&lateness["count"], &lateness["max_seconds"]),
        (&3.into(), &2.0.into())
    );
}

#[test]
fn elements_stand_in_a_table() {
    let table = replies()[3].to_text();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines,
        [
            "  ELEMENT                STATE    INTERVAL  CALLS  SAMPLES  FAILURES  MISSED  LAST ERROR",
            "  sources/procfs/kernel  running     100ms     12      345         2       3  -",
            "  sources/procfs/kernel  running   request     12      345         2       3  a; b",
            "  sources/procfs/kernel  running         -     12      345         2       3  -",
            "ok",
        ]
    );
}

#[test]
fn a_status_tells_where_samples_are_and_how_late_threads_were() {
    let text = Reply::Status(Box::new(status())).to_text();
    for part in [
        "running for 1m 30s; elements: 1 running; live series: 17",
        "samples: 1000 produced, 1 pending, 2 queued, 3 added and 4 removed by transforms, 996 routed, 0 dropped",
        "spool: 40 samples in 4096 bytes, 0 not on disk yet, /var/lib/alumet/spool.db",
        "  not ready\n  - a has taken nothing\n  - b is failing\n  note: one pod has no name\n  running",
        "\n  sources/procfs/kernel has been in a poll for 12.0 s",
        "outputs/csv/file      996        900        90       40  6 dropped (5 queue_full, 1 rejected)",
        "alumet-poll      3       1   61.4 µs  2.00 s  2.00 s",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!text.contains("do not balance"), "{text}");
    let mut well = status();
    well.obstacles.clear();
    assert!(
        Reply::Status(Box::new(well))
            .to_text()
            .starts_with("  ready\n  note: one pod has no name\n  running")
    );
    let mut odd = status();
    odd.ledger.produced += 1;
    assert!(Reply::Status(Box::new(odd)).to_text().contains("do not balance"));
}

proptest! {
    #[test]
    fn whatever_is_said_the_form_is_kept(text: String) {
        for reply in [Reply::Message(text.clone()), Reply::Misunderstood(text.clone()), Reply::Refused(text.clone())] {
            json(&reply);
            let lines = reply.to_text();
            let (body, last) = lines.trim_end_matches('\n').rsplit_once('\n').unwrap_or(("", lines.trim_end_matches('\n')));
            prop_assert!(last == "ok" || last.starts_with("error: "), "{lines:?}");
            prop_assert!(body.lines().all(|line| line.starts_with("  ")), "{lines:?}");
        }
    }
}
