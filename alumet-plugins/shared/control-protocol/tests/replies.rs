//! Replies: their lines and their JSON.

use std::time::Duration;

use alumet_shared_control_protocol::{
    ElementReport, LedgerReport, NotAReply, OutputReport, Reply, SpoolReport, StatusReport, ThreadReport,
    Trigger,
};
use proptest::prelude::*;

fn element(trigger: Trigger, last_error: Option<&str>) -> ElementReport {
    ElementReport {
        element: "sources/procfs/kernel".to_owned(),
        state: "running".to_owned(),
        trigger,
        calls: 12,
        samples: 345,
        failures: 2,
        failures_in_a_row: 1,
        restarts: 1,
        missed_ticks: 3,
        overruns: 1,
        longest: Duration::from_secs(1),
        busy: Duration::from_millis(1500),
        last_error: last_error.map(str::to_owned),
    }
}

fn status() -> StatusReport {
    let dropped = |samples: u64| [("queue_full".to_owned(), samples), ("rejected".to_owned(), 1)].into();
    StatusReport {
        uptime: Duration::from_millis(90_500),
        live_series: 17,
        elements: [("running".to_owned(), 3), ("failing".to_owned(), 1)].into(),
        ledger: LedgerReport {
            produced: 1000,
            pending: 1,
            queued: 2,
            added: 3,
            removed: 4,
            routed: 996,
            dropped: Default::default(),
            outputs: vec![OutputReport {
                output: "outputs/csv/file".to_owned(),
                offered: 996,
                recovered: 0,
                delivered: 900,
                buffered: 90,
                spooled: 40,
                dropped: dropped(5),
            }],
            balanced: true,
        },
        spool: Some(SpoolReport {
            path: Some("/var/lib/alumet/spool.db".to_owned()),
            bytes: 4096,
            samples: 40,
            uncommitted_samples: 0,
            fault: Some("the disk is full; make room".to_owned()),
        }),
        threads: vec![ThreadReport {
            thread: "alumet-poll".to_owned(),
            ticks: 90,
            missed_ticks: 1,
            p50: Duration::from_micros(60),
            p99: Duration::from_micros(1250),
            max: Duration::from_secs(2),
        }],
        holds_up: vec!["sources/nvml/gpu has been in a poll for 12.0 s".to_owned()],
    }
}

fn replies() -> Vec<Reply> {
    vec![
        Reply::Message("two\nlines".to_owned()),
        Reply::Message(String::new()),
        Reply::Selected(vec!["sources/a/b".to_owned()]),
        Reply::Elements(vec![
            element(Trigger::Interval(Duration::from_millis(100)), None),
            element(Trigger::Request, Some("a\nb")),
            element(Trigger::Arrival, None),
        ]),
        Reply::Status(Box::new(status())),
        Reply::Refused("no:\n  because".to_owned()),
        Reply::Misunderstood("what?".to_owned()),
    ]
}

#[test]
fn a_reply_survives_its_json() {
    for reply in replies() {
        let json = reply.to_json();
        assert_eq!(json.find('\n'), Some(json.len() - 1), "one line: {json}");
        assert_eq!(Reply::parse(&json).unwrap(), reply);
    }
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
        assert_eq!(last == "ok", reply.error().is_none(), "{text}");
        assert_eq!(last.starts_with("error: "), reply.error().is_some(), "{text}");
        assert!(body.iter().all(|line| line.starts_with("  ")), "{text}");
    }
    assert_eq!(
        Reply::Refused("no:\n  because".to_owned()).to_text(),
        "error: no:; because\n"
    );
    let misunderstood = Reply::Misunderstood("what?".to_owned());
    assert!(
        misunderstood.to_text().contains("  pause PATTERN"),
        "{}",
        misunderstood.to_text()
    );
    assert!(misunderstood.to_json().contains("\"commands\":[\"list [PATTERN]"));
}

#[test]
fn json_has_numbers_in_seconds() {
    let json: serde_json::Value = serde_json::from_str(&replies()[3].to_json()).unwrap();
    assert_eq!(json["ok"], true);
    assert_eq!(json["elements"][0]["trigger"]["interval_seconds"], 0.1);
    assert_eq!(json["elements"][1]["trigger"], "request");
    assert_eq!(json["elements"][2]["trigger"], "arrival");
    assert_eq!(json["elements"][0]["busy_seconds"], 1.5);
    assert!(json["elements"][0].get("last_error").is_none());
}

#[test]
fn no_time_is_too_long() {
    let longest = Reply::Elements(vec![element(Trigger::Interval(Duration::MAX), None)]);
    assert_eq!(Reply::parse(&longest.to_json()).unwrap(), longest);
    let json: serde_json::Value = serde_json::from_str(&longest.to_json()).unwrap();
    for seconds in [
        serde_json::json!(-1.0),
        serde_json::json!(null),
        serde_json::json!("1"),
    ] {
        let mut json = json.clone();
        json["elements"][0]["busy_seconds"] = seconds;
        assert!(Reply::parse(&json.to_string()).is_err(), "{json}");
    }
}

#[test]
fn elements_stand_in_a_table() {
    let table = replies()[3].body();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "ELEMENT                STATE    INTERVAL  CALLS  SAMPLES  FAILURES  MISSED  LAST ERROR",
            "sources/procfs/kernel  running     100ms     12      345         2       3  -",
            "sources/procfs/kernel  running   request     12      345         2       3  a; b",
        ]
    );
}

#[test]
fn a_status_tells_where_samples_are_and_how_late_threads_were() {
    let text = Reply::Status(Box::new(status())).body();
    for part in [
        "running for 1m 30s; elements: 1 failing, 3 running; live series: 17",
        "samples: 1000 produced, 1 pending, 2 queued, 3 added and 4 removed by transforms, 996 routed, 0 dropped",
        "spool: 40 samples in 4096 bytes, 0 not on disk yet, /var/lib/alumet/spool.db",
        "the spool works in memory only: the disk is full; make room",
        "\nsources/nvml/gpu has been in a poll for 12.0 s\n",
        "outputs/csv/file      996        900        90       40  6 dropped (5 queue_full, 1 rejected)",
        "alumet-poll     90       1   60.0 µs  1.25 ms  2.00 s",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!text.contains("do not balance"), "{text}");
    let mut odd = status();
    odd.ledger.balanced = false;
    assert!(Reply::Status(Box::new(odd)).body().contains("do not balance"));
}

#[test]
fn an_error_in_text_is_understood_and_nonsense_is_not() {
    let full = Reply::parse("error: there are too many\n").unwrap();
    assert_eq!(full, Reply::Refused("there are too many".to_owned()));
    assert!(matches!(Reply::parse("hello"), Err(NotAReply::Json(_))));
    assert!(matches!(Reply::parse("{\"ok\":true}"), Err(NotAReply::Nothing)));
    assert_eq!(
        Reply::parse("{\"ok\":false}").unwrap(),
        Reply::Refused("the agent does not say why".to_owned())
    );
}

proptest! {
    #[test]
    fn parsing_never_panics_and_texts_survive(text: String) {
        let _ = Reply::parse(&text);
        for reply in [Reply::Message(text.clone()), Reply::Selected(vec![text.clone()]), Reply::Refused(text.clone())] {
            prop_assert_eq!(Reply::parse(&reply.to_json()).unwrap(), reply.clone());
            let lines = reply.to_text();
            let (body, last) = lines.trim_end_matches('\n').rsplit_once('\n').unwrap_or(("", lines.trim_end_matches('\n')));
            prop_assert!(last == "ok" || last.starts_with("error: "), "{lines:?}");
            prop_assert!(body.lines().all(|line| line.starts_with("  ")), "{lines:?}");
        }
    }
}
