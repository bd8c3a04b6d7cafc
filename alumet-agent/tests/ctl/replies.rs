use crate::agent::{Agent, CONFIG};

#[test]
fn a_list_is_a_table() {
    let agent = Agent::start(CONFIG);
    let table = agent.done(&["list"]);
    let first: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(first[0], "ELEMENT");
    for element in ["sources/procfs/kernel", "sources/procfs/load", "outputs/csv/file"] {
        assert!(first.contains(&element), "{table}");
    }
    assert!(!table.contains("socket"), "the socket is no element:\n{table}");
    assert!(!agent.done(&["list", "outputs"]).contains("sources/"));
}

#[test]
fn a_status_tells_what_was_measured_and_what_became_of_it() {
    let agent = Agent::start(CONFIG);
    agent.done(&["flush"]);
    let text = agent.done(&["status"]);
    for part in [
        "running for ",
        " produced, ",
        "OUTPUT",
        "outputs/csv/file",
        "THREAD",
        "LATE P50",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let ledger = &agent.json(&["status"])["status"]["ledger"];
    assert!(
        ledger["outputs"]["outputs/csv/file"]["delivered"]
            .as_u64()
            .unwrap()
            > 0,
        "{ledger}"
    );
}

#[test]
fn the_status_of_an_agent_that_does_not_measure_says_why_also_by_its_exit_code() {
    let agent = Agent::start(CONFIG);
    assert!(agent.done(&["status"]).starts_with("ready\nrunning for "));
    agent.done(&["pause", "sources"]);
    let ended = agent.ctl(&["status"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let told = "every source is paused, so nothing is measured";
    assert!(
        ended
            .stdout
            .starts_with(&format!("not ready\n- {told}\nrunning for ")),
        "{ended:?}"
    );
    let ended = agent.ctl(&["--json", "status"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["status"]["obstacles"][0], told);
    agent.done(&["resume", "sources"]);
    assert!(agent.done(&["status"]).starts_with("ready\n"));
}

#[test]
fn replies_can_be_json() {
    let agent = Agent::start(CONFIG);
    assert_eq!(agent.json(&["ping"])["message"], "pong");
    assert_eq!(
        agent.json(&["pause", "src/*/load"])["selected"][0],
        "sources/procfs/load"
    );
    let list = agent.json(&["list", "sources/*/load"]);
    assert_eq!(list["elements"][0]["state"], "paused");
    assert_eq!(list["elements"][0]["schedule"]["interval_seconds"], 3600.0);
    let refused = agent.ctl(&["pause", "sources/nobody", "--json"]);
    assert_eq!(refused.code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&refused.stdout).unwrap();
    assert!(json["ok"] == false && json["error"].as_str().unwrap().contains("selects no element"));
}

#[test]
fn what_is_refused_ends_with_one_and_what_is_wrong_with_two() {
    let agent = Agent::start(CONFIG);
    let refused = agent.ctl(&["trigger", "outputs"]);
    assert_eq!((refused.code, &*refused.stdout), (Some(1), ""));
    assert_eq!(
        refused.stderr,
        "error: outputs/csv/file cannot be triggered: it is no source\n"
    );
    for (arguments, expected) in [
        (&["pause", "x/y"] as &[&str], "is no pattern"),
        (&["pause"], "PATTERN"),
        (&["set-interval", "src", "soon"], "soon"),
        (&["dance"], "dance"),
        (&[], "Usage"),
    ] {
        let wrong = agent.ctl(arguments);
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
        assert!(wrong.stderr.contains(expected), "{wrong:?}");
    }
}

#[test]
fn the_socket_comes_from_the_flag_the_configuration_or_the_default() {
    let agent = Agent::start(&CONFIG.replace(
        "[plugins.socket-control]",
        "[plugins.socket-control]\nsocket_path = 's'",
    ));
    assert_eq!(agent.done(&["ping"]), "pong\n");
    assert_eq!(agent.done(&["--socket", "s", "ping"]), "pong\n");
    assert_eq!(agent.done(&["ping", "--socket", "s"]), "pong\n");
    assert_eq!(
        agent.done(&[
            "ping",
            "--config-override",
            "plugins.socket-control.socket_path='s'"
        ]),
        "pong\n"
    );
    std::fs::write(agent.path("alumet-config.toml"), "broken").unwrap();
    let lost = agent.ctl(&["ping"]);
    assert_eq!(lost.code, Some(1));
    assert!(
        lost.stderr
            .contains("alumet-control.sock, the default one, because the configuration"),
        "{lost:?}"
    );
}

#[test]
fn a_reload_says_what_has_changed_or_what_is_wrong() {
    let agent = Agent::start(CONFIG);
    let same = agent.ctl(&["reload"]);
    assert_eq!(same.code, Some(0), "{same:?}");
    std::fs::write(
        agent.path("alumet-config.toml"),
        "[plugins.csv]\noutput_pat = 'x'\n",
    )
    .unwrap();
    let wrong = agent.ctl(&["reload"]);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("output_pat"), "{wrong:?}");
    assert_eq!(agent.done(&["ping"]), "pong\n");
}
