use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alumet_core::pipeline::{ElementState, ElementStatus};
use serde_json::Value;

use crate::agent::{Agent, PATIENCE};

fn element(agent: &Agent, name: &str) -> ElementStatus {
    let elements = agent.pipeline.control().status().unwrap().elements;
    elements
        .into_iter()
        .find(|element| element.key.name == name)
        .unwrap()
}

fn json(agent: &Agent, command: &str) -> Value {
    let mut client = agent.connect();
    client.send(format!("json {command}\n"));
    serde_json::from_str(&client.line()).unwrap()
}

#[test]
fn a_list_has_a_line_per_element_and_the_socket_is_none() {
    let agent = Agent::start();
    let reply = agent.ask("list");
    let names: Vec<&str> = reply
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        names,
        [
            "ELEMENT",
            "outputs/embedded/memory",
            "sources/embedded/a",
            "sources/embedded/b",
            "ok"
        ],
        "{reply}"
    );
    assert!(!agent.ask("list out").contains("sources/"));
    let list = json(&agent, "list \"sources/*/b c\"");
    assert_eq!(list["elements"][0]["element"], "sources/embedded/b c");
    assert_eq!(list["elements"][0]["schedule"]["interval_seconds"], 3600.0);
    assert_eq!(list["elements"].as_array().unwrap().len(), 1);
}

#[test]
fn elements_are_paused_and_resumed_by_new_and_old_commands() {
    let agent = Agent::start();
    for (pause, resume) in [
        ("pause src/*/a", "resume src/*/a"),
        (
            "control sources/embedded/a pause",
            "control sources/embedded/a resume",
        ),
        ("control src/*/a disable", "control src/*/a enable"),
    ] {
        assert_eq!(agent.ask(pause), "  sources/embedded/a\nok\n");
        assert_eq!(element(&agent, "a").state, ElementState::Paused);
        assert_eq!(element(&agent, "b c").state, ElementState::Running);
        assert_eq!(agent.ask(resume), "  sources/embedded/a\nok\n");
        assert_eq!(element(&agent, "a").state, ElementState::Running);
    }
}

#[test]
fn a_trigger_polls_before_it_is_answered() {
    let agent = Agent::start();
    agent.ask("flush");
    let before = element(&agent, "a").calls;
    assert_eq!(agent.ask("trigger src/*/a"), "  sources/embedded/a\nok\n");
    assert_eq!(
        agent.ask("control src/*/a trigger-now"),
        "  sources/embedded/a\nok\n"
    );
    assert_eq!(element(&agent, "a").calls, before + 2);
}

#[test]
fn an_interval_is_changed_by_new_and_old_commands() {
    let agent = Agent::start();
    for (command, interval) in [
        ("set-interval src/*/a 20ms", Duration::from_millis(20)),
        ("control src/*/a set-period 1m 30s", Duration::from_secs(90)),
        ("control src/*/a set-poll-interval 2s", Duration::from_secs(2)),
    ] {
        assert_eq!(agent.ask(command), "  sources/embedded/a\nok\n");
        assert_eq!(element(&agent, "a").schedule.unwrap().interval, Some(interval));
    }
    let zero = agent.ask("set-interval src 0s");
    assert!(
        zero.starts_with("error: ") && zero.contains("shorter than 1 ms"),
        "{zero}"
    );
}

#[test]
fn a_flush_is_answered_when_everything_is_written() {
    let agent = Agent::start();
    for _ in 0..5 {
        agent.ask("trigger src");
    }
    assert_eq!(agent.ask("flush"), "  everything measured is written\nok\n");
    let produced = agent.pipeline.control().status().unwrap().ledger.produced;
    assert!(produced >= 10, "{produced}");
    assert_eq!(agent.recording.len() as u64, produced);
}

#[test]
fn a_status_tells_of_every_sample() {
    let agent = Agent::start();
    agent.ask("trigger src");
    agent.ask("flush");
    let status = &json(&agent, "status")["status"];
    let ledger = &status["ledger"];
    let delivered = &ledger["outputs"]["outputs/embedded/memory"]["delivered"];
    assert_eq!(*delivered, ledger["produced"]);
    assert_eq!(status["elements"].as_array().unwrap().len(), 3);
    assert_eq!(status["live_series"], 2);
    assert!(!status["punctuality"].as_array().unwrap().is_empty());
    let text = agent.ask("status");
    assert!(
        text.contains("  outputs/embedded/memory") && text.ends_with("\nok\n"),
        "{text}"
    );
}

#[test]
fn all_elements_can_be_stopped_and_the_socket_still_answers() {
    let agent = Agent::start();
    assert_eq!(agent.ask("stop src/*/a"), "  sources/embedded/a\nok\n");
    assert!(!agent.pipeline.sources_ended().is_cancelled());
    assert_eq!(
        agent.ask("control \"src/*/b c\" stop"),
        "  sources/embedded/b c\nok\n"
    );
    // Nothing is left to measure, although the socket is there.
    assert!(agent.pipeline.sources_ended().is_cancelled());
    assert_eq!(agent.ask("stop *"), "  outputs/embedded/memory\nok\n");
    assert_eq!(agent.ask("list").lines().count(), 2);
    assert_eq!(agent.ask("ping"), "  pong\nok\n");
    assert!(
        agent
            .ask("pause *")
            .starts_with("error: `*/*/*` selects no element")
    );
}

#[test]
fn the_end_of_the_last_source_is_answered_although_the_pipeline_ends_with_it() {
    for _ in 0..30 {
        let agent = Agent::start();
        let mut client = agent.connect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !agent.pipeline.sources_ended().is_cancelled() {
                    std::hint::spin_loop();
                }
                agent.pipeline.stop(PATIENCE);
            });
            assert_eq!(
                client.ask("stop src"),
                "  sources/embedded/a\n  sources/embedded/b c\nok\n"
            );
        });
    }
}

#[test]
fn a_request_to_stop_is_answered_and_passed_on() {
    for command in ["shutdown", "stop"] {
        let agent = Agent::start();
        assert!(!agent.pipeline.shutdown_requested().is_cancelled());
        assert_eq!(agent.ask(command), "  the agent stops\nok\n");
        assert!(agent.pipeline.shutdown_requested().is_cancelled());
    }
}

#[test]
fn a_reload_says_what_it_did_or_why_not() {
    let agent = Agent::start();
    assert!(
        agent
            .ask("reload")
            .starts_with("error: this program has no configuration")
    );
    let is_first = AtomicBool::new(true);
    let reload = move || match is_first.swap(false, Ordering::Relaxed) {
        true => Ok("a: new\nb: gone".to_owned()),
        false => Err("line 3:\n  no".to_owned()),
    };
    agent.pipeline.control().on_reload(Box::new(reload));
    assert_eq!(agent.ask("reload"), "  a: new\n  b: gone\nok\n");
    assert_eq!(
        agent.ask("reload"),
        "  line 3:\n    no\nerror: the configuration is refused and the old one stays:\n"
    );
}

#[test]
fn a_reload_that_ends_the_socket_is_answered() {
    let agent = Agent::start();
    let pipeline = Arc::downgrade(&agent.pipeline);
    let reload = move || {
        let pipeline = pipeline.upgrade().unwrap();
        pipeline
            .stop_plugin("socket-control")
            .map_err(|error| error.to_string())?;
        Ok("the socket is gone".to_owned())
    };
    agent.pipeline.control().on_reload(Box::new(reload));
    let mut client = agent.connect();
    assert_eq!(client.ask("reload"), "  the socket is gone\nok\n");
    assert_eq!(client.rest(), "");
    assert!(!agent.path.exists());
}

#[test]
fn a_command_that_panics_is_answered_and_the_connection_goes_on() {
    let agent = Agent::start();
    agent
        .pipeline
        .control()
        .on_reload(Box::new(|| panic!("a program that cannot reload")));
    let mut client = agent.connect();
    assert!(
        client
            .ask("reload")
            .starts_with("error: the command failed unexpectedly")
    );
    assert_eq!(client.ask("ping"), "  pong\nok\n");
}

#[test]
fn what_is_wrong_is_answered_with_all_commands_and_the_connection_goes_on() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for (line, expected) in [
        ("", "error: the line is empty"),
        ("   ", "error: the line is empty"),
        ("pauze src", "error: `pauze` is no command"),
        ("control", "error: `control` lacks a pattern"),
        ("control x/y pause", "error: `x/y` is no pattern"),
        ("set-interval src soon", "error: `soon` is no duration"),
    ] {
        let reply = client.ask(line);
        assert!(
            reply.contains("\n  pause PATTERN ") && reply.contains(expected),
            "{line}: {reply}"
        );
    }
    let help = client.ask("help");
    assert!(
        help.contains("  pause PATTERN ") && help.ends_with("\nok\n"),
        "{help}"
    );
    client.send(b"\xff\xfe\n");
    assert!(client.reply().ends_with("error: the line is no UTF-8\n"));
    let reply = client.ask("pause sources/nobody");
    assert!(
        reply.starts_with(
            "error: `sources/nobody/*` selects no element; there are: outputs/embedded/memory, "
        ),
        "{reply}"
    );
    let reply = client.ask("trigger out");
    assert_eq!(
        reply,
        "error: outputs/embedded/memory cannot be triggered: it is no source\n"
    );
    assert_eq!(client.ask("ping"), "  pong\nok\n");
}

#[test]
fn json_is_for_one_command_or_for_all_that_follow() {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.send("json ping\njson pauze\nping\nformat json\nping\npauze\nformat text\nping\n");
    assert_eq!(client.line(), "{\"ok\":true,\"message\":\"pong\"}\n");
    let wrong: Value = serde_json::from_str(&client.line()).unwrap();
    assert_eq!(wrong["ok"], false);
    assert!(wrong["error"].as_str().unwrap().contains("pauze") && wrong["commands"].is_array());
    assert_eq!(client.reply(), "  pong\nok\n");
    assert_eq!(client.line(), "{\"ok\":true,\"message\":\"\"}\n");
    assert_eq!(client.line(), "{\"ok\":true,\"message\":\"pong\"}\n");
    assert!(client.line().starts_with("{\"ok\":false,"));
    assert_eq!(client.reply(), "ok\n");
    assert_eq!(client.reply(), "  pong\nok\n");
}

#[test]
fn the_stopped_pipeline_is_told_apart_from_a_running_one() {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.ask("ping");
    let report = agent.pipeline.stop(PATIENCE);
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(client.rest(), "");
    assert!(!agent.path.exists());
}
