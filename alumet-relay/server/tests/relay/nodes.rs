//! Nodes never mix.

use alumet_core::progress::{Progress, StreamId};
use alumet_core::time::{Moment, Monotonic};
use alumet_core::{Attributes, Timestamp};
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

#[tokio::test(flavor = "multi_thread")]
async fn what_two_clients_send_is_two_streams_that_outlive_their_sessions() {
    let rig = Rig::start();
    let until = |monotonic| Moment {
        wall: Timestamp::from_nanos(1_000),
        monotonic: Monotonic::from_nanos(monotonic),
    };
    // Each program numbers its streams from 0, so that those of two may have the same number.
    let stream = StreamId::new();
    let mut agents = [Agent::new(), Agent::new()];
    for (run, agent, moment) in [(1, 0, 70), (1, 1, 7), (2, 0, 71), (2, 1, 8)] {
        let until = until(moment);
        agents[agent].progress = Some(Progress { stream, until });
        agents[agent].restart(u32::from(run));
        let number = agent as u8;
        let mut session = begin(rig.address, hello(["a", "b"][agent], number, run))
            .await
            .unwrap();
        session.send_all(agents[agent].next(0)).await;
        session.acknowledged(u64::from(run)).await;
    }
    let seen: Vec<Progress> = rig.progress.lock().iter().copied().flatten().collect();
    assert_eq!(
        seen.iter().map(|progress| progress.until).collect::<Vec<_>>(),
        [70, 7, 71, 8].map(until)
    );
    assert!(seen[0].stream == seen[2].stream && seen[1].stream == seen[3].stream);
    assert_ne!(seen[0].stream, seen[1].stream);
}
