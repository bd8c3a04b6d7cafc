//! Messages that cannot be stored, and those of other programs.

use std::time::Duration;

use alumet_shared_output_testkit::{Nats, until};
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::message::StreamMessage;
use tokio_stream::StreamExt;

use crate::rig::{Collector, Other, config};

const GOOD: &[u8] = br#"{"gpu_id":"gpu-001","hostname":"h","metrics":{"utilization":85.5,"memory_used":4096},
                         "timestamp":"2025-07-18T20:42:34Z"}"#;

/// The dead letters, when there are so many.
fn dead_letters(other: &Other, count: u64) -> Vec<StreamMessage> {
    let all = || {
        other.runtime.block_on(async {
            let stream = other.context.get_stream("TELEMETRY_DEAD_LETTERS").await.ok()?;
            let last = stream.cached_info().state.last_sequence;
            let mut letters = Vec::new();
            for sequence in 1..=last {
                letters.push(stream.get_raw_message(sequence).await.ok()?);
            }
            Some(letters)
        })
    };
    until("there are dead letters", || {
        all().is_some_and(|letters| letters.len() as u64 >= count)
    });
    all().unwrap()
}

fn header(letter: &StreamMessage, name: &str) -> String {
    letter.headers.get(name).unwrap().to_string()
}

#[test]
fn what_cannot_be_read_is_kept_with_its_reason_and_holds_nothing_up() {
    let Some(server) = Nats::start("") else { return };
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(folder.path(), config(&[&server]));
    let other = Other::connect(&server);
    let is_made = || {
        other
            .runtime
            .block_on(other.context.get_stream("TELEMETRY"))
            .is_ok()
    };
    until("the stream is made", is_made);
    let damaged = [&[1][..], &[7; 40]].concat();
    for (payload, reason) in [
        (&b"garbage\n"[..], "neither a batch nor"),
        (&damaged, "damaged"),
        (
            br#"{"gpu_id":"a","metrics":{"x":"many"},"timestamp":"2025-07-18T20:42:34Z"}"#,
            "`x` is no number",
        ),
        (
            br#"{"gpu_id":"a","metrics":{"x":1},"timestamp":"yesterday"}"#,
            "RFC 3339",
        ),
        (
            br#"{"metrics":{"x":1},"timestamp":"2025-07-18T20:42:34Z"}"#,
            "`gpu_id`",
        ),
    ] {
        let before = collector.counted("nats_dead_letters");
        other.publish("telemetry.gpu.x", payload);
        let all = dead_letters(&other, before + 1);
        let letter = all.iter().find(|letter| *letter.payload == *payload);
        let Some(letter) = letter else {
            until("it is a dead letter", || {
                dead_letters(&other, 1)
                    .iter()
                    .any(|letter| *letter.payload == *payload)
            });
            continue;
        };
        assert!(
            header(letter, "Alumet-Dead-Reason").contains(reason),
            "{letter:?}"
        );
        assert_eq!(header(letter, "Alumet-Dead-Subject"), "telemetry.gpu.x");
    }
    other.publish("telemetry.gpu.gpu-001", GOOD);
    until("it is taken", || collector.samples().len() == 2);
    let samples: Vec<String> = collector.samples().iter().map(ToString::to_string).collect();
    assert_eq!(
        samples,
        [
            "memory_used gpu:gpu-001 local_machine {node=h} = 4096",
            "utilization gpu:gpu-001 local_machine {node=h} = 85.5",
        ]
    );
    let pending = || {
        other.runtime.block_on(async {
            let stream = other.context.get_stream("TELEMETRY").await.unwrap();
            let info = stream.consumer_info("collector").await.unwrap();
            (info.num_pending, info.num_ack_pending)
        })
    };
    until("all are settled", || pending() == (0, 0));
    collector.stop();
}

#[test]
fn what_nobody_acknowledges_is_kept_as_a_dead_letter_when_it_was_delivered_often_enough() {
    let Some(server) = Nats::start("") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = alumet_plugin_nats_input::Config {
        max_deliver: 2,
        ..config(&[&server])
    };
    // Makes stream and consumer.
    let first = Collector::start(folder.path(), config.clone());
    let other = Other::connect(&server);
    let is_made = || {
        other.runtime.block_on(async {
            let stream = other.context.get_stream("TELEMETRY").await.ok()?;
            stream.consumer_info("collector").await.ok()
        })
    };
    until("the consumer is made", || is_made().is_some());
    first.stop();
    // It has the spool.
    drop(first);
    other.publish("telemetry.gpu.x", GOOD);
    other.runtime.block_on(async {
        let stream = other.context.get_stream("TELEMETRY").await.unwrap();
        let consumer: PullConsumer = stream.get_consumer::<PullConfig>("collector").await.unwrap();
        for _ in 0..2 {
            // As a program that ends whenever it works on this message.
            let fetching = consumer.batch().max_messages(1).expires(Duration::from_secs(20));
            let mut messages = fetching.messages().await.unwrap();
            messages.next().await.unwrap().unwrap();
        }
    });
    let collector = Collector::start(folder.path(), config);
    let letters = dead_letters(&other, 1);
    assert_eq!(*letters[0].payload, *GOOD);
    let reason = header(&letters[0], "Alumet-Dead-Reason");
    // Three times, if the server had given it to the first before it noticed that nobody was there any more.
    assert!(
        reason.contains("delivered 2 times") || reason.contains("delivered 3 times"),
        "{reason}"
    );
    assert!(collector.samples().is_empty());
    collector.stop();
}
