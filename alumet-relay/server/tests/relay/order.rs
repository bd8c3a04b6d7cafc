//! Batches come once and in their order.

use std::time::Duration;

use alumet_relay_protocol::v1::Range;
use alumet_relay_protocol::v1::client_message::Message;
use tokio::time::timeout;
use tonic::Code;

use crate::client::{Agent, begin, change, hello, instance};
use crate::rig::Rig;
use crate::spool::GatedSpool;

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_acknowledged_when_they_are_stored_and_not_before() {
    let rig = Rig::start();
    let mut agent = Agent::new();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    assert_eq!((session.welcome.protocol, session.welcome.last_sequence), (2, 0));
    session.send_all(agent.next(10)).await;
    session.acknowledged(1).await;
    rig.spool.hold();
    session.send_all(agent.next(11)).await;
    rig.spool.wait_for(instance(1), 2);
    let early = timeout(Duration::from_millis(200), session.from.message()).await;
    assert!(early.is_err(), "{early:?}");
    session.send_all(agent.next(12)).await;
    rig.spool.wait_for(instance(1), 3);
    rig.spool.release();
    session.acknowledged(3).await;
    session.end().await;
    assert!(rig.recording.wait_for(3, crate::rig::PATIENCE));
    let values: Vec<String> = rig.lines();
    assert_eq!(values.len(), 3);
    assert!(
        values[2].ends_with("= 12") && values[2].contains("node=a"),
        "{values:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_told_with_its_checksum_and_not_taken_again() {
    let spool = GatedSpool::default();
    let rig = Rig::on(spool.clone(), |_| {});
    let mut agent = Agent::new();
    let batches: Vec<_> = (0..3).map(|value| agent.next(value)).collect();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    session.send_all(batches.concat()).await;
    session.acknowledged(3).await;
    drop(session);
    drop(rig);

    // Another run of the server, the same run of the client, which did not get the acknowledgement.
    let rig = Rig::on(spool.clone(), |_| {});
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    assert_eq!(session.welcome.last_sequence, 3);
    let Some(Message::Batch(last)) = batches[2].last() else {
        panic!("no batch")
    };
    assert_eq!(session.welcome.last_checksum, last.checksum);
    session.send_all(batches.concat()).await;
    session.send_all(agent.next(3)).await;
    session.acknowledged(4).await;
    assert_eq!(spool.sequences(instance(1)), [1, 2, 3, 4]);
    session.end().await;
    let report = rig.stop();
    assert!(
        report
            .iter()
            .any(|line| line.contains("relay_duplicates") && line.ends_with("= 3")),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_received_but_is_not_stored_yet_is_not_taken_twice() {
    let rig = Rig::start();
    rig.spool.hold();
    let mut agent = Agent::new();
    let batches: Vec<_> = (0..3).map(|value| agent.next(value)).collect();
    let session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    session.send_all(batches.concat()).await;
    rig.spool.wait_for(instance(1), 3);
    drop(session);
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    assert_eq!(session.welcome.last_sequence, 0);
    session.send_all(batches.concat()).await;
    session.send_all(agent.next(3)).await;
    rig.spool.wait_for(instance(1), 4);
    rig.spool.release();
    session.acknowledged(4).await;
    assert_eq!(rig.spool.sequences(instance(1)), [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_after_one_that_has_not_come_is_refused() {
    let rig = Rig::start();
    let mut agent = Agent::new();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    session.send_all(agent.next(1)).await;
    agent.next(2);
    session.send_all(agent.next(3)).await;
    let status = session.refusal().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status
            .message()
            .contains("3 came, which follows 2, but 1 is the last"),
        "{status}"
    );
    rig.spool.wait_for(instance(1), 1);
    assert_eq!(rig.spool.sequences(instance(1)), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_a_client_has_never_used_are_no_loss() {
    let rig = Rig::start();
    let mut agent = Agent::new();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    session.send_all(agent.next(1)).await;
    // After a crash, a spool goes on with a number that it certainly has not used before.
    let later = change(agent.next(2), |batch| batch.sequence = 1_000_000);
    session.send_all(later).await;
    session.acknowledged(1_000_000).await;
    assert_eq!(rig.spool.sequences(instance(1)), [1, 1_000_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_from_another_server_begins_where_it_is() {
    let rig = Rig::start();
    let mut agent = Agent::new();
    let messages = (0..5).map(|value| agent.next(value)).collect::<Vec<_>>().concat();
    let offered = alumet_relay_protocol::v1::Hello {
        next_sequence: 4,
        ..hello("a", 1, 1)
    };
    let mut session = begin(rig.address, offered).await.unwrap();
    session.send(messages[0].clone()).await;
    session.send_all(messages[messages.len() - 2..].to_vec()).await;
    session.acknowledged(5).await;
    assert_eq!(rig.spool.sequences(instance(1)), [4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_batches_are_counted_once_and_acknowledged() {
    let rig = Rig::start();
    let mut agent = Agent::new();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    session.send_all(agent.next(1)).await;
    let gap = agent.lose(5, 4711);
    session.send(gap.clone()).await;
    session.acknowledged(6).await;
    drop(session);
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    assert_eq!(
        (session.welcome.last_sequence, session.welcome.last_checksum),
        (6, 0)
    );
    session.send(gap).await;
    session.send_all(agent.next(2)).await;
    // The dictionary of this session is empty, so that the batch could not be read: it is sent with it after all.
    let status = session.refusal().await;
    assert!(status.message().contains("batch 7"), "{status}");
    agent.restart(2);
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    let next = change(agent.next(2), |batch| (batch.previous, batch.sequence) = (6, 7));
    session.send_all(next).await;
    session.acknowledged(7).await;
    session.end().await;
    let report = rig.stop();
    let gaps: Vec<_> = report
        .iter()
        .filter(|line| line.contains("relay_gap_samples"))
        .collect();
    assert!(
        gaps.iter().all(|line| line.contains("node=a, reason=full")),
        "{gaps:?}"
    );
    let values: Vec<_> = gaps
        .iter()
        .map(|line| line.rsplit_once("= ").unwrap().1)
        .collect();
    assert_eq!(values, ["0", "4711"], "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_not_what_it_says_is_refused() {
    let rig = Rig::with(|config| config.max_samples_per_second = 0);
    for (number, what, phrase) in [
        (1, Wrong::Checksum, "a message was damaged"),
        (2, Wrong::Samples, "batch 1 has 1 samples although it says 2"),
        (3, Wrong::NoDefinitions, "batch 1 cannot be read: series"),
        (4, Wrong::Payload, "batch 1 cannot be read"),
    ] {
        let mut session = begin(rig.address, hello("a", number, 1)).await.unwrap();
        let messages = change(Agent::new().next(1), |batch| match what {
            Wrong::Checksum => {}
            Wrong::Samples => batch.samples = 2,
            Wrong::NoDefinitions => {}
            Wrong::Payload => {
                batch.payload = vec![0; 9].into();
                batch.checksum = crc32fast::hash(&batch.payload);
            }
        });
        match what {
            Wrong::Checksum => session.send_damaged(messages).await,
            Wrong::NoDefinitions => session.send_all(messages[1..].to_vec()).await,
            _ => session.send_all(messages).await,
        }
        let status = session.refusal().await;
        let code = match what {
            Wrong::Checksum => Code::DataLoss,
            _ => Code::InvalidArgument,
        };
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(phrase), "{status}");
        assert_eq!(rig.spool.sequences(instance(number)), [] as [u64; 0]);
    }
    let report = rig.stop();
    assert!(
        report.iter().any(|line| line.contains("relay_refused")
            && line.contains("reason=message")
            && line.ends_with("= 3")),
        "{report:?}"
    );
}

#[derive(Clone, Copy)]
enum Wrong {
    Checksum,
    Samples,
    NoDefinitions,
    Payload,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_newer_kind_is_passed_over() {
    let rig = Rig::start();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    let unknown = alumet_relay_protocol::v1::ClientMessage::default();
    session.to.send(unknown).await.unwrap();
    session.send_all(Agent::new().next(1)).await;
    session.acknowledged(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_said_everything_hears_that_all_of_it_is_stored() {
    let rig = Rig::start();
    for number in 1..=100 {
        let session = begin(rig.address, hello("a", number, 1)).await.unwrap();
        session.send_all(Agent::new().next(1)).await;
        assert_eq!(session.end().await, Some(1), "of session {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_taken_again_once_and_acknowledged_when_it_is_stored() {
    let rig = Rig::start();
    let mut agent = Agent::new();
    let batches: Vec<_> = (1..=3).map(|value| agent.next(value)).collect();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    session.send_all(batches.concat()).await;
    session.acknowledged(3).await;

    rig.spool.damage(instance(1), 2);
    let refusal = session.refusal().await;
    assert_eq!(refusal.code(), Code::Unavailable);
    assert!(refusal.message().contains("wanted again"), "{refusal}");
    let other = begin(rig.address, hello("b", 2, 1)).await.unwrap();
    assert!(other.welcome.wants_others && other.welcome.wanted.is_empty());

    // Both have all; the second comes before the first has brought it to the disk.
    rig.spool.hold();
    let begin = || begin(rig.address, hello("a", 1, 1));
    let first = begin().await.unwrap();
    assert_eq!(first.welcome.last_sequence, 3);
    first.send_all(batches.concat()).await;
    rig.spool.wait_for(instance(1), 4);
    let mut second = begin().await.unwrap();
    assert_eq!(second.welcome.wanted, [Range { first: 2, last: 2 }]);
    second.send_all(batches.concat()).await;
    let early = timeout(Duration::from_millis(50), second.from.message()).await;
    assert!(early.is_err(), "it is not stored yet: {early:?}");
    rig.spool.release();
    second.acknowledged(2).await;
    second.send_all(agent.next(4)).await;
    second.acknowledged(4).await;
    assert_eq!(rig.spool.sequences(instance(1)), [1, 2, 3, 2, 4]);
}
