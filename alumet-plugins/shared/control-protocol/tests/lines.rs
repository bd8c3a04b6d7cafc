//! Lines: what is a command, and what is said about the rest.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use alumet_core::Consumer;
use alumet_core::pipeline::Pattern;
use alumet_shared_control_protocol::{Format, GRAMMAR, Line, Request};
use proptest::prelude::*;

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

fn request(text: &str) -> Request {
    Line::parse(text).request.unwrap()
}

#[test]
fn the_old_commands_mean_what_they_meant() {
    let kernel = pattern("sources/procfs/kernel");
    for (line, expected) in [
        ("shutdown", Request::Shutdown),
        ("stop", Request::Shutdown),
        (
            "control sources/procfs/kernel pause",
            Request::Pause(kernel.clone()),
        ),
        (
            "control src/procfs/kernel disable",
            Request::Pause(kernel.clone()),
        ),
        (
            "control source/procfs/kernel resume",
            Request::Resume(kernel.clone()),
        ),
        (
            "control sources/procfs/kernel enable",
            Request::Resume(kernel.clone()),
        ),
        (
            "control sources/procfs/kernel stop",
            Request::Stop(kernel.clone()),
        ),
        (
            "control sources/procfs/kernel trigger-now",
            Request::Trigger(kernel.clone()),
        ),
        (
            "control sources/procfs/kernel set-period 10ms",
            Request::SetInterval(kernel.clone(), Duration::from_millis(10)),
        ),
        (
            "control sources/procfs/kernel set-poll-interval 1m 30s",
            Request::SetInterval(kernel, Duration::from_secs(90)),
        ),
    ] {
        assert_eq!(request(line), expected, "{line}");
    }
}

#[test]
fn the_new_commands_are_short() {
    for (line, expected) in [
        ("list", Request::List(Pattern::all())),
        (" list  out ", Request::List(pattern("outputs"))),
        ("status", Request::Status),
        ("pause *", Request::Pause(Pattern::all())),
        (
            "resume \"sources/a b/c d\"",
            Request::Resume(pattern("sources/a b/c d")),
        ),
        ("stop sources", Request::Stop(pattern("sources"))),
        (
            "set-interval src 1s",
            Request::SetInterval(pattern("src"), Duration::from_secs(1)),
        ),
        ("trigger src", Request::Trigger(pattern("src"))),
        ("explain", Request::Explain(Consumer::LocalMachine)),
        (
            "explain process 4711",
            Request::Explain(Consumer::Process { pid: 4711 }),
        ),
        ("mark \"second part\"", Request::Mark("second part".to_owned())),
        ("flush", Request::Flush),
        ("reload", Request::Reload),
        ("ping", Request::Ping),
        ("help", Request::Help),
    ] {
        assert_eq!(request(line), expected, "{line}");
    }
}

#[test]
fn every_command_is_in_the_grammar() {
    for name in [
        "list",
        "status",
        "pause",
        "resume",
        "stop",
        "set-interval",
        "trigger",
        "explain",
        "mark",
        "flush",
        "reload",
        "ping",
        "shutdown",
        "help",
        "format",
        "control",
    ] {
        assert!(
            GRAMMAR.lines().any(|line| line.split(' ').next() == Some(name)),
            "{name}"
        );
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (line, expected) in [
        ("", "the line is empty"),
        ("  \t ", "the line is empty"),
        ("json", "the line is empty"),
        ("pauze src", "`pauze` is no command"),
        ("LIST", "`LIST` is no command"),
        ("json json list", "`json` is no command"),
        ("pause", "`pause` lacks a pattern"),
        ("control", "`control` lacks a pattern"),
        ("control src", "`control` lacks what to do"),
        ("control src jump", "`jump` is nothing that `control` can do"),
        ("control src set-period", "`set-period` lacks a duration"),
        (
            "control src pause now",
            "nothing more can follow `pause`; leave `now` out",
        ),
        ("mark", "`mark` lacks the name of the phase"),
        ("flush all", "nothing more can follow `flush`"),
        ("pause src out", "leave `out` out"),
        ("pause x/y", "`x/y` is no pattern"),
        ("set-interval src soon", "`soon` is no duration"),
        ("set-interval src", "`set-interval` lacks a duration"),
        ("format", "`format` lacks `text` or `json`"),
        ("format xml", "`xml` is no format"),
        ("format json please", "leave `please` out"),
        ("pause \"src", "a double quote is not closed"),
    ] {
        let error = Line::parse(line).request.unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
    let long = Line::parse(&"x".repeat(60_000)).request.unwrap_err().to_string();
    assert!(long.len() < 200, "{long}");
}

#[test]
fn the_format_of_the_reply_is_known_even_if_the_command_is_wrong() {
    for line in ["json list", "json pauze", "json", " json pause \"src"] {
        assert_eq!(Line::parse(line).format, Some(Format::Json), "{line}");
    }
    for line in ["list", "jsonlist", "pause \"src", "format json"] {
        assert_eq!(Line::parse(line).format, None, "{line}");
    }
    assert_eq!(
        Line::parse("format json").request,
        Ok(Request::Format(Format::Json))
    );
    assert_eq!(
        Line::parse("json format text").request,
        Ok(Request::Format(Format::Text))
    );
}

fn any_pattern() -> impl Strategy<Value = Pattern> {
    let part = "[^*/]{1,8}";
    let glob = prop_oneof![part, Just("*".to_owned()), part.prop_map(|text| text + "*")];
    (
        prop_oneof!["sources", "transforms", "outputs", "\\*"],
        glob.clone(),
        glob,
    )
        .prop_map(|(kind, plugin, name)| format!("{kind}/{plugin}/{name}").parse().unwrap())
}

fn any_request() -> impl Strategy<Value = Request> {
    prop_oneof![
        any_pattern().prop_map(Request::List),
        any_pattern().prop_map(Request::Pause),
        any_pattern().prop_map(Request::Resume),
        any_pattern().prop_map(Request::Stop),
        any_pattern().prop_map(Request::Trigger),
        (any_pattern(), any::<Duration>())
            .prop_map(|(pattern, interval)| Request::SetInterval(pattern, interval)),
        (
            "[a-z_]{1,8}|process|cgroup|local_machine",
            ".{0,8}|[0-9]{1,6}|/a b"
        )
            .prop_map(|(kind, id)| Request::Explain(Consumer::new(&kind, &id))),
        any::<String>().prop_map(Request::Mark),
        Just(Request::Status),
        Just(Request::Flush),
        Just(Request::Reload),
        Just(Request::Ping),
        Just(Request::Help),
        Just(Request::Shutdown),
        Just(Request::Format(Format::Text)),
        Just(Request::Format(Format::Json)),
    ]
}

proptest! {
    #[test]
    fn a_request_survives_its_line(request in any_request()) {
        let line = request.to_string();
        prop_assert!(!line.contains(['\n', '\r']), "{line:?}");
        prop_assert_eq!(Line::parse(&line), Line { format: None, request: Ok(request) });
    }

    #[test]
    fn no_line_panics_and_what_is_understood_survives(line in "(json |format |control |pause |explain |set-interval |stop )*.{0,24}") {
        if let Ok(request) = Line::parse(&line).request {
            prop_assert_eq!(Line::parse(&request.to_string()).request, Ok(request));
        }
    }
}
