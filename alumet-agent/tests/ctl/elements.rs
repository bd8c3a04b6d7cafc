use std::time::Duration;

use crate::agent::{Agent, CONFIG};

const KERNEL: &str = "sources/procfs/kernel";
const LOAD: &str = "sources/procfs/load";

#[test]
fn a_paused_source_writes_nothing_until_it_is_resumed() {
    let agent = Agent::start(CONFIG);
    assert_eq!(agent.done(&["pause", KERNEL]), format!("{KERNEL}\n"));
    assert_eq!(agent.column(KERNEL, "STATE"), "paused");
    let before = agent.written("kernel_");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(agent.written("kernel_"), before);
    assert_eq!(agent.done(&["resume", "src/procfs/kern*"]), format!("{KERNEL}\n"));
    assert_eq!(agent.column(KERNEL, "STATE"), "running");
    // The first poll after a pause only begins the differences.
    agent.done(&["trigger", KERNEL]);
    agent.done(&["trigger", KERNEL]);
    assert!(agent.written("kernel_") > before);
}

#[test]
fn a_trigger_measures_at_once() {
    let agent = Agent::start(CONFIG);
    let before = agent.written("load");
    assert!(before > 0);
    assert_eq!(agent.done(&["trigger", LOAD]), format!("{LOAD}\n"));
    assert_eq!(agent.written("load"), 2 * before);
}

#[test]
fn an_interval_takes_effect() {
    let agent = Agent::start(CONFIG);
    assert_eq!(agent.column(LOAD, "INTERVAL"), "1h");
    let before = agent.written("load");
    assert_eq!(agent.done(&["set-interval", LOAD, "20ms"]), format!("{LOAD}\n"));
    assert_eq!(agent.column(LOAD, "INTERVAL"), "20ms");
    std::thread::sleep(Duration::from_millis(300));
    assert!(agent.written("load") >= 3 * before);
}

#[test]
fn a_stopped_element_is_gone_and_with_the_last_source_the_agent_ends() {
    let mut agent = Agent::start(CONFIG);
    assert_eq!(agent.done(&["stop", LOAD]), format!("{LOAD}\n"));
    assert!(!agent.done(&["list"]).contains(LOAD));
    assert_eq!(agent.done(&["stop", "sources"]), format!("{KERNEL}\n"));
    assert_eq!(agent.ended().code(), Some(0), "{}", agent.log());
    assert!(
        agent.log().contains("the end of the last source"),
        "{}",
        agent.log()
    );
    assert!(!agent.path("alumet-control.sock").exists());
}

#[test]
fn a_shutdown_ends_the_agent_with_everything_written() {
    let mut agent = Agent::start(CONFIG);
    assert!(agent.path("alumet-control.sock").exists());
    assert_eq!(agent.done(&["shutdown"]), "the agent stops\n");
    assert_eq!(agent.ended().code(), Some(0), "{}", agent.log());
    assert!(agent.log().contains("a request to stop"), "{}", agent.log());
    assert!(!agent.path("alumet-control.sock").exists());
}
