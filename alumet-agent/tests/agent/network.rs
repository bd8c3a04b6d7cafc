//! What goes through network namespaces that are not those of the machine.

use std::process::Command;

use alumet_reader_cgroupfs::testkit::OwnGroup;

use crate::csv::lines_of;
use crate::program::{Ended, Folder};
use crate::run_group::summary;
use crate::watch::in_namespaces;

/// Makes a link to a namespace whose process writes its number into the file `pid`.
const LINK: &str = "ip link add outer type veth peer name inner && ip addr add 10.77.0.1/24 dev outer && ip link set outer up
    (until [ -s pid ]; do sleep 0.02; done; ip link set inner netns $(cat pid)) &\n";

/// What that process does first.
const INSIDE: &str = "echo $$ > pid
    until ip link set inner up 2> /dev/null; do sleep 0.02; done
    ip addr add 10.77.0.2/24 dev inner";

/// A datagram that nobody takes, of 1042 bytes on the link.
const SEND: &str = "head -c 1000 /dev/zero > /dev/udp/10.77.0.1/9";

/// Runs `script` in a network of its own.
fn in_network(folder: &Folder, script: &str) -> Option<Ended> {
    let has_links = "ip link add outer type veth peer name inner";
    let links = Command::new("unshare")
        .args(["--net", "sh", "-c", has_links])
        .status();
    links.is_ok_and(|status| status.success()).then_some(())?;
    in_namespaces(folder, &["--net"], &format!("{LINK}{script}"))
}

fn bytes(folder: &Folder) -> [f64; 2] {
    let usage = &summary(folder)["usage"];
    ["network_received_bytes", "network_sent_bytes"].map(|field| usage[field].as_f64().unwrap())
}

#[test]
fn what_a_program_sends_through_a_network_of_its_own_is_measured_and_that_of_the_machine_is_not() {
    let folder = Folder::measuring("processes.strategy = 'event'");
    // A mark measures everything, and so finds the namespace.
    let script = format!(
        "\"$0\" exec --summary - --summary-json summary.json unshare --net bash -c '{INSIDE}
            sleep 0.2; \"$0\" mark found
            for n in $(seq 100); do {SEND}; done' \"$0\" &&
         \"$0\" --output-file other.csv exec --summary-json other.json true"
    );
    let Some(ended) = in_network(&folder, &script) else {
        return;
    };
    ended.expect_code(0).expect_stderr(&["in its own namespace"]);
    let [received, sent] = bytes(&folder);
    assert!((104_200.0..150_000.0).contains(&sent), "{sent}");
    assert!(received > 0.0 && received < sent, "{received}");
    let lines = lines_of(&folder.path("out.csv"));
    let rows = lines
        .iter()
        .filter(|line| line.metric.starts_with("process_tree_network_bytes"));
    let values: Vec<f64> = rows.map(|line| line.value).collect();
    assert_eq!(values.iter().sum::<f64>(), received + sent);
    assert_eq!(values[..2], [0.0, 0.0]);
    assert!(!folder.read("other.json").contains("network"));
    assert!(!folder.read("other.csv").contains("network_bytes"));
}

#[test]
fn what_a_control_group_sends_through_a_network_of_its_own_is_measured() {
    let Some(group) = OwnGroup::make("network") else {
        return;
    };
    let below = group.child("below");
    let folder = Folder::measuring("processes.strategy = 'event'");
    let script = format!(
        "(echo 0 > {}/cgroup.procs; exec unshare --net bash -c '{INSIDE}
            while {SEND}; do sleep 0.02; done') &
         \"$0\" watch --cgroup {} --interval 50ms --for 3s --summary - --summary-json summary.json
         kill $!
         until grep -q 'populated 0' {0}/cgroup.events; do sleep 0.02; done",
        below.folder().display(),
        group.path(),
    );
    let Some(ended) = in_network(&folder, &script) else {
        return;
    };
    ended.expect_code(0).expect_stderr(&["in its own namespace"]);
    let [_, sent] = bytes(&folder);
    assert!(sent > 1000.0, "{sent}");
}
