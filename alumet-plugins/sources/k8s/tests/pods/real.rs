//! Control groups of this machine, made as a kubelet makes them.

use std::time::Duration;

use alumet_reader_cgroupfs::testkit::OwnGroup;
use alumet_shared_cgroup_source::testkit::{be_busy_in, cpu_time_of, wait_until_billed};

use crate::agent::{Agent, pod, uid};
use crate::server::Server;

#[test]
fn pods_that_live_300_ms_are_in_the_output_with_their_names_and_their_whole_cpu_time() {
    let Some(node) = OwnGroup::make("node") else {
        return;
    };
    let kubepods = node.child("kubepods");
    let server = Server::start();
    server.has(
        (0..20)
            .map(|number| pod(number, &format!("short-{number}")))
            .collect(),
    );
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "t").unwrap();
    let config = format!(
        "hierarchy = 'v2'\npoll_interval = '5s'\ntoken_retrieval.file = '{}'\npath = '{}'",
        token.display(),
        kubepods.path()
    );
    let agent = Agent::on_this_machine(&server.url(), &config);
    agent.wait("a watch", || server.watches() == 1);
    agent.poll();
    for number in 0..20 {
        let name = format!("pod{}", uid(number));
        let pod = kubepods.child(&name);
        let container = pod.child(&"c".repeat(64));
        be_busy_in(container.folder(), Duration::from_millis(300));
        drop(container);
        // A kubelet looks at its pods once a second, and then removes the groups of those that have ended.
        std::thread::sleep(Duration::from_millis(250));
        let (path, used) = (pod.path().to_string(), cpu_time_of(pod.folder()));
        drop(pod);
        wait_until_billed(&path, used, || agent.total("cpu_time_delta", &path, true));
        assert!(agent.is_named(&uid(number), &format!("short-{number}")));
        assert_eq!(
            agent.total("cpu_time_delta", &path, false),
            0,
            "it had its name at once"
        );
    }
    assert_eq!(agent.values("name", &[]).len(), 20);
    assert_eq!(server.counts(), (1, 1));
}
