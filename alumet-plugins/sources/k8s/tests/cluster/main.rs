//! A real API server with RBAC, tokens and TLS. There is no kubelet: the test makes the pods and their groups.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

#[path = "../pods/agent.rs"]
#[expect(dead_code, reason = "other tests need the rest of it")]
mod agent;

use std::fs;
use std::path::Path;

use alumet_shared_output_testkit::Cluster;

use agent::{Agent, group};

fn agent(cluster: &Cluster, token: &Path) -> Agent {
    let config = format!(
        "token_retrieval.file = '{}'\ntls.ca = '{}'",
        token.display(),
        cluster.ca().display()
    );
    Agent::start(&cluster.url(), &config)
}

fn delete(cluster: &Cluster, pod: &str) {
    cluster.kubectl(&["delete", "pod", pod, "--grace-period=0", "--force"], "");
}

#[test]
fn a_real_api_server_names_pods_to_whom_has_the_right_and_after_it_was_away() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    let rights =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../alumet-user.yaml")).unwrap();
    // It needs its namespace, which comes first.
    cluster.kubectl(&["apply", "-f", "-"], &rights);
    cluster.kubectl(&["create", "serviceaccount", "stranger", "-n", "alumet"], "");
    let reader = cluster.token("alumet", "alumet-reader");
    let first = cluster.pod("web");
    let measuring = agent(&cluster, &reader);
    measuring.make(&group(&first), 0);
    measuring.wait_for_name(&first, "web");
    // One that is made while the watch stands, and one of the same name.
    delete(&cluster, "web");
    let second = cluster.pod("web");
    assert_ne!(first, second);
    measuring.make(&group(&second), 0);
    measuring.wait_for_name(&second, "web");
    // Whoever has no right is told so, and measures.
    let stranger = agent(&cluster, &cluster.token("alumet", "stranger"));
    stranger.make(&group(&second), 0);
    stranger.wait_for_group(&group(&second));
    stranger.wait("a reason", || {
        stranger.poll();
        stranger.reasons() == ["the token gives no right to list pods"]
    });
    // The service account is another one, and so is its token.
    cluster.kubectl(&["delete", "serviceaccount", "alumet-reader", "-n", "alumet"], "");
    cluster.kubectl(&["create", "serviceaccount", "alumet-reader", "-n", "alumet"], "");
    cluster.token("alumet", "alumet-reader");
    cluster.stop();
    std::thread::sleep(std::time::Duration::from_secs(3));
    cluster.serve();
    let third = cluster.pod("after");
    measuring.make(&group(&third), 0);
    measuring.wait_for_name(&third, "after");
}
