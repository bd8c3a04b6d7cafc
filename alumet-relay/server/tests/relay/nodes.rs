//! Nodes never mix.

use alumet_core::Attributes;
use tonic::Code;

use crate::client::{Agent, begin, hello};
use crate::rig::{PATIENCE, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_process_id_on_two_nodes_is_two_series() {
    let rig = Rig::with(|config| config.node_attribute = "relay_client".to_owned());
    for (number, node) in [(1, "a"), (2, "b")] {
        let mut session = begin(rig.address, hello(node, number, 1)).await.unwrap();
        session.send_all(Agent::new().next(u64::from(number))).await;
        session.acknowledged(1).await;
    }
    assert!(rig.recording.wait_for(2, PATIENCE));
    let mut lines = rig.lines();
    lines.sort();
    assert!(
        lines[0].contains("relay_client=a") && lines[0].ends_with("= 1"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("relay_client=b") && lines[1].ends_with("= 2"),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_relay_may_send_series_of_other_nodes() {
    let rig = Rig::with(|config| config.relays = vec!["relay".to_owned()]);
    let foreign = [(Attributes::EMPTY.with("node", "victim"), 1)];
    let mut session = begin(rig.address, hello("thief", 1, 1)).await.unwrap();
    session.send_all(Agent::new().next_of(&foreign)).await;
    let status = session.refusal().await;
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("node=victim"), "{status}");

    let mut session = begin(rig.address, hello("relay", 2, 1)).await.unwrap();
    session.send_all(Agent::new().next_of(&foreign)).await;
    session.acknowledged(1).await;
    assert!(rig.recording.wait_for(1, PATIENCE));
    let lines = rig.lines();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("node=victim"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_no_more_series_than_allowed() {
    let rig = Rig::with(|config| config.max_series_per_client = 10);
    let many: Vec<_> = (0..10)
        .map(|number| (Attributes::EMPTY.with("number", number as u64), 1))
        .collect();
    // The metric is an entry as well.
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    session.send_all(Agent::new().next_of(&many)).await;
    let status = session.refusal().await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    session.send_all(Agent::new().next_of(&many[..9])).await;
    session.acknowledged(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_a_client_may_be_far_from_that_of_the_server() {
    let rig = Rig::start();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    let mut agent = Agent::new();
    // Its batches are of the first nanoseconds of 1970.
    session.send_all([agent.next(7), agent.next(8)].concat()).await;
    session.acknowledged(2).await;
    assert!(rig.recording.wait_for(2, PATIENCE));
    let samples = rig.recording.samples();
    let times: Vec<i64> = samples.iter().map(|sample| sample.timestamp.as_nanos()).collect();
    assert_eq!(times, [0, 1]);
}
