//! An instance has one session: the newest.

use tonic::Code;

use crate::client::{Agent, begin, hello, instance};
use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_session_of_the_same_run_takes_over() {
    let rig = Rig::start();
    let mut agent = Agent::new();
    let mut old = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    let first = agent.next(1);
    old.send_all(first.clone()).await;
    old.acknowledged(1).await;
    let mut new = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    assert_eq!(old.refusal().await.code(), Code::Aborted);
    assert_eq!(new.welcome.last_sequence, 1);
    new.send(first[0].clone()).await;
    new.send_all(agent.next(2)).await;
    new.acknowledged(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_comes_back_after_another_one_shows_a_copied_spool() {
    let rig = Rig::start();
    let mut first = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    let mut copy = begin(rig.address, hello("a", 1, 2)).await.unwrap();
    assert_eq!(first.refusal().await.code(), Code::Aborted);
    copy.send_all(Agent::new().next(1)).await;
    copy.acknowledged(1).await;
    let Err(status) = begin(rig.address, hello("a", 1, 1)).await else {
        panic!("not refused")
    };
    assert_eq!(status.code(), Code::AlreadyExists);
    let message = status.message();
    assert!(
        message.contains("127.0.0.1") && message.contains("delete the spool file"),
        "{message}"
    );
    // Another node is told at once.
    let Err(status) = begin(rig.address, hello("b", 1, 3)).await else {
        panic!("not refused")
    };
    assert!(
        status.message().contains("`a`") && status.message().contains("`b`"),
        "{status}"
    );
    copy.end().await;
    let report = rig.stop();
    assert!(
        report
            .iter()
            .any(|line| line.contains("reason=copied") && line.ends_with("= 2")),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_word_of_a_killed_run_that_comes_late_does_no_harm_to_the_next_run() {
    let rig = Rig::start();
    let mut agent = Agent::new();
    let mut killed = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    killed.send_all(agent.next(1)).await;
    killed.acknowledged(1).await;
    agent.restart(2);
    let mut next = begin(rig.address, hello("a", 1, 2)).await.unwrap();
    let late = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    assert_eq!(next.refusal().await.code(), Code::Aborted);
    drop(late);
    let mut next = begin(rig.address, hello("a", 1, 2)).await.unwrap();
    next.send_all(agent.next(2)).await;
    next.acknowledged(2).await;
    assert_eq!(rig.spool.sequences(instance(1)), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_agent_goes_on_with_a_new_dictionary() {
    let rig = Rig::start();
    let mut agent = Agent::new();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    session.send_all(agent.next(1)).await;
    session.acknowledged(1).await;
    agent.restart(2);
    let mut session = begin(rig.address, hello("a", 1, 2)).await.unwrap();
    session.send_all(agent.next(2)).await;
    session.acknowledged(2).await;
    assert_eq!(rig.spool.sequences(instance(1)), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_has_no_more_sessions_than_allowed() {
    let rig = Rig::with(|config| config.max_connections_per_node = 2);
    let _one = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    let _two = begin(rig.address, hello("a", 2, 1)).await.unwrap();
    let Err(status) = begin(rig.address, hello("a", 3, 1)).await else {
        panic!("not refused")
    };
    assert_eq!(status.code(), Code::ResourceExhausted);
    begin(rig.address, hello("b", 4, 1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_says_so() {
    let rig = Rig::start();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    let stopping = tokio::task::spawn_blocking(move || rig.stop());
    assert_eq!(session.refusal().await.code(), Code::Unavailable);
    stopping.await.unwrap();
}
