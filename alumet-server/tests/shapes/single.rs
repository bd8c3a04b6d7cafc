//! One process that measures, stores and answers, and one that does so for agents.

use alumet_shared_output_testkit::free_port;
use serde_json::Value;

use crate::shape::{Api, Program};

fn has_any(list: &Value) -> bool {
    list.as_array().is_some_and(|list| !list.is_empty())
}

#[test]
fn a_laptop_shows_its_own_name_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let laptop = Api::start(folder.path(), "laptop.log", "laptop.toml", &[]);
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    laptop.wait_for("the machine is a node", "/api/v1/nodes", |answer| {
        answer["nodes"][0]["node"] == name.trim()
    });
    laptop.wait_for(
        "it has values",
        "/api/v1/query?metric=kernel_cpu_time",
        |answer| has_any(&answer["rows"][0]["points"]),
    );
    laptop.wait_until_ready();
    laptop.process.end();
}

#[test]
fn what_an_agent_sends_to_one_server_is_there_under_the_name_of_its_node() {
    let folder = tempfile::tempdir().unwrap();
    let relay = format!("127.0.0.1:{}", free_port());
    let address = format!("plugins.relay-server.address = '{relay}'");
    let server = Api::start(folder.path(), "server.log", "one-server.toml", &[&address]);
    let config = "[plugins.procfs]\n[plugins.relay-client]\nclient_name = 'n1'\n";
    std::fs::write(folder.path().join("agent.toml"), config).unwrap();
    let agent = crate::process::Process::start(
        &Program::Agent.path(),
        folder.path(),
        "agent.log",
        &["--config", "agent.toml", "--relay-out", &relay],
    );
    server.wait_for(
        "samples of the agent are stored",
        "/api/v1/series?node=n1&metric=kernel_cpu_time",
        |answer| has_any(&answer["series"]),
    );
    server.wait_until_ready();
    agent.end();
    server.process.end();
}
