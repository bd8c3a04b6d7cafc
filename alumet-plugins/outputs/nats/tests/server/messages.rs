//! What messages look like.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use alumet_core::catalog::Catalog;
use alumet_plugin_nats::{Config, Format, NatsPlugin};
use alumet_shared_batch_encoding::{Amendment, Decoder, Limits};
use alumet_shared_nats::BatchMessage;
use alumet_shared_output_testkit::{Mood, Nats, Network, account, are_all, delivered, finish, run, until};
use alumet_shared_telemetry_record::TelemetryRecord;
use async_nats::ConnectOptions;
use async_nats::jetstream::message::StreamMessage;

use crate::rig::{config, messages};

/// The numbers in the messages, in their order.
fn numbers(messages: &[StreamMessage]) -> Vec<u64> {
    let mut numbers = Vec::new();
    for message in messages {
        let message = BatchMessage::read(&message.payload).unwrap();
        let catalog = Catalog::new();
        let (mut decoder, mut batch) = (Decoder::new(Limits::default()), catalog.batch());
        decoder
            .define(&message.definitions(0), &catalog, &Amendment::default())
            .unwrap();
        decoder.decode(0, message.payload, &mut batch).unwrap();
        numbers.extend_from_slice(batch.bits());
    }
    numbers.sort_unstable();
    numbers
}

fn header(message: &StreamMessage, name: &str) -> String {
    message.headers.get(name).unwrap().to_string()
}

#[test]
fn each_message_can_be_read_alone_and_says_who_sent_it() {
    let Some(server) = Nats::start("") else { return };
    let folder = tempfile::tempdir().unwrap();
    let pipeline = run::<NatsPlugin>(folder.path(), config(&server), 0);
    until("some are delivered", || delivered(&pipeline) > 100);
    let ledger = finish(&pipeline);
    let messages = messages(&server, ConnectOptions::new());
    assert!(are_all(&numbers(&messages), ledger.produced));
    let ids: BTreeSet<String> = messages
        .iter()
        .map(|message| header(message, "Nats-Msg-Id"))
        .collect();
    assert_eq!(ids.len(), messages.len());
    for message in &messages {
        assert_eq!(&*message.subject, "telemetry.node.a%2Eb");
        assert_eq!(header(message, "Alumet-Node"), "a.b");
    }
}

#[test]
fn a_record_in_json_has_what_was_measured_of_one_thing_at_one_instant() {
    let Some(server) = Nats::start("") else { return };
    let folder = tempfile::tempdir().unwrap();
    let json = Config {
        format: Format::Json,
        ..config(&server)
    };
    let pipeline = run::<NatsPlugin>(folder.path(), json, 0);
    until("some are delivered", || delivered(&pipeline) > 100);
    let ledger = finish(&pipeline);
    let messages = messages(&server, ConnectOptions::new());
    assert_eq!(
        messages.len() as u64,
        ledger.produced,
        "each sample is of a process of its own"
    );
    let record: TelemetryRecord = serde_json::from_slice(&messages[0].payload).unwrap();
    assert_eq!(record.hostname.as_deref(), Some("a.b"));
    assert_eq!(
        (record.consumer_kind.as_deref(), record.consumer_id.as_deref()),
        (Some("process"), Some("1"))
    );
    assert_eq!(record.metrics["number"].as_f64(), Some(0.0));
    assert!(record.time().is_ok());
}

#[test]
fn what_was_stored_before_the_answer_was_lost_is_not_stored_again_however_late_it_comes() {
    let Some(server) = Nats::start("") else { return };
    let network = Network::to(server.port());
    let mut config = config(&server);
    config.connection.servers = vec![format!("nats://127.0.0.1:{}", network.port())];
    // After this time, the server does not recognise what comes again.
    config.stream.duplicate_window = "1s".parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pipeline = run::<NatsPlugin>(folder.path(), config, 0);
    for _ in 0..3 {
        let before = delivered(&pipeline);
        until("more is delivered", || delivered(&pipeline) > before + 20);
        let connections = network.connections();
        network.set(Mood::BreaksOff);
        until("the answer was lost", || network.connections() > connections);
        network.set(Mood::Away);
        sleep(Duration::from_millis(1500));
        network.set(Mood::Fine);
    }
    let ledger = finish(&pipeline);
    assert_eq!(account(&ledger).dropped_total(), 0);
    assert!(are_all(
        &numbers(&messages(&server, ConnectOptions::new())),
        ledger.produced
    ));
}
