//! What `doctor` is told.

use std::sync::Arc;

use alumet_core::plugin::{Finding, Host, Plugin, StartContext, Verdict};
use alumet_core::testkit::{FakeRoot, ManualClock};
use alumet_plugin_k8s::K8sPlugin;

use crate::agent::pod;
use crate::server::Server;

fn finding(server: &Server, names_from: &str) -> Finding {
    let root = FakeRoot::new();
    root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    let host = Host::trial(Arc::new(ManualClock::new()), root.path());
    let mut context = StartContext::new(&host);
    let (_folder, token) = crate::token("t");
    let url = server.url();
    let text = format!(
        "{token}names_from = '{names_from}'\nk8s_node = 'n1'\nk8s_api_url = '{url}'\nkubelet_url = '{url}'"
    );
    K8sPlugin::start(toml::from_str(&text).unwrap(), &mut context).unwrap();
    let subject = format!("names of pods from {url}");
    let mut findings = context.findings().iter();
    findings
        .find(|finding| finding.subject == subject)
        .cloned()
        .unwrap()
}

#[test]
fn a_trial_says_whether_names_are_told_and_how_to_mend_it() {
    for names_from in ["api_server", "kubelet"] {
        let server = Server::start();
        let nobody = finding(&server, names_from);
        assert!(nobody.detail.contains("set `k8s_node`"), "{}", nobody.detail);
        server.has(vec![pod(1, "web")]);
        let works = finding(&server, names_from);
        assert_eq!(works.verdict, Verdict::Works);
        assert_eq!(works.detail, "pods that it knows on the node n1: 1");
        server.refuses(
            "403 Forbidden",
            "{\"code\": 403, \"message\": \"pods is forbidden\"}",
        );
        let refused = finding(&server, names_from);
        assert_eq!(refused.verdict, Verdict::Limited);
        assert!(
            refused
                .detail
                .contains("pods is forbidden; give its service account"),
            "{}",
            refused.detail
        );
    }
}
