//! Control groups of this machine, made as a kubelet makes them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use alumet_reader_cgroupfs::testkit::OwnGroup;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::agent::{Agent, pod, uid};
use crate::server::Server;

fn cpu_of_children() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let nanos = |time: TimeVal| (time.tv_sec() * 1_000_000_000 + time.tv_usec() * 1000) as u64;
    nanos(usage.user_time()) + nanos(usage.system_time())
}

/// Keeps a CPU busy in a control group for about 300 ms, longer on a machine that has other things to do.
fn work_in(folder: &Path) {
    let script = "echo $$ > \"$0/cgroup.procs\" && i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done";
    let status = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(folder)
        .status()
        .unwrap();
    assert!(status.success());
}

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
        let before = cpu_of_children();
        work_in(container.folder());
        let used = cpu_of_children() - before;
        drop(container);
        // A kubelet looks at its pods once a second, and then removes the groups of those that have ended.
        std::thread::sleep(Duration::from_millis(250));
        let path = pod.path().to_string();
        drop(pod);
        let billed = || agent.total("cpu_time_delta", &path, true);
        // The shell starts outside of the group: some microseconds of it are not in there.
        agent.wait(&format!("{used} ns of {path}, not {}", billed()), || {
            billed().abs_diff(used) * 100 <= used
        });
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
