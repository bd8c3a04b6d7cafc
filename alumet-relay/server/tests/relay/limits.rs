//! What a client may cost, and that it is freed when the client goes.

use std::time::{Duration, Instant};

use alumet_core::metric::Quality;
use alumet_core::series::SeriesKey;
use alumet_core::{Attributes, Catalog, Consumer, Metric, MetricKind, Resource, Timestamp, Unit, ValueType};
use alumet_relay_protocol::v1::client_message::Message;
use alumet_shared_batch_encoding::Encoder;
use tonic::Code;

use crate::client::{Agent, begin, hello, instance, messages_of};
use crate::rig::{PATIENCE, Rig};

fn metric(name: &str, unit: Unit) -> Metric {
    Metric {
        name: name.to_owned().into(),
        kind: MetricKind::Gauge,
        value_type: ValueType::U64,
        unit,
        description: "A number.".into(),
        quality: Quality::Measured,
    }
}

/// A first batch: for each metric so many samples of one series, which has these attributes.
fn first_batch(
    metrics: impl IntoIterator<Item = Metric>,
    attributes: &Attributes,
    samples: u64,
) -> Vec<Message> {
    let catalog = Catalog::new();
    let mut batch = catalog.batch();
    let mut held = Vec::new();
    for metric in metrics {
        let (metric, _) = catalog.admit_metric(metric);
        let series = catalog.register(SeriesKey {
            metric,
            resource: Resource::LocalMachine,
            consumer: Consumer::LocalMachine,
            attributes: attributes.clone(),
        });
        for number in 0..samples {
            batch.push_bits(&series, Timestamp::from_nanos(1), number);
        }
        held.push(series);
    }
    messages_of(1, Encoder::new(1).encode(&batch))
}

/// What the server answers to the first batch of a client.
async fn refused(rig: &Rig, messages: Vec<Message>) -> String {
    let mut session = begin(rig.address, hello("hostile", 1, 1)).await.unwrap();
    session.send_all(messages).await;
    let status = session.refusal().await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert_eq!(rig.spool.sequences(instance(1)), [] as [u64; 0]);
    status.message().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_become_much_more_than_it_is_is_refused_before_it_is_acknowledged() {
    let rig = Rig::with(|config| config.max_samples_per_second = 0);
    let one = || [metric("value", Unit::ONE)];
    let many = refused(&rig, first_batch(one(), &Attributes::EMPTY, 70_000)).await;
    assert!(many.contains("samples of the batch"), "{many}");

    let names = (0..5000).map(|number| metric(&format!("metric_{number}"), Unit::ONE));
    let metrics = refused(&rig, first_batch(names, &Attributes::EMPTY, 1)).await;
    assert!(metrics.contains("metrics: "), "{metrics}");

    // The encoder of an agent would shorten these.
    let mut keys = first_batch(one(), &Attributes::EMPTY, 1);
    let Some(Message::Definitions(definitions)) = keys.first_mut() else {
        panic!("no definitions");
    };
    let metric = [0, 1, b'm', 0, 0, 1, b'1', 0, 0];
    let mut body = [&[1, 0], &metric[..], &[1, 0, 0, 0, 0, 0, 0x80, 1]].concat();
    for key in 0..128_u8 {
        body.extend([1, key, 4]);
    }
    definitions.payload = body.into();
    let keys = refused(&rig, keys).await;
    assert!(keys.contains("attributes of a series"), "{keys}");

    let mut text = first_batch(one(), &Attributes::EMPTY, 1);
    let Some(Message::Definitions(definitions)) = text.first_mut() else {
        panic!("no definitions");
    };
    let mut body = [
        &[1, 0],
        &metric[..],
        &[1, 0, 0, 0, 0, 0, 1, 1, b'k', 5, 0x80, 0x40],
    ]
    .concat();
    body.extend([b'x'; 8192]);
    definitions.payload = body.into();
    let text = refused(&rig, text).await;
    assert!(text.contains("bytes of a series"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_units_of_one_name_take_no_longer_than_thousands_of_names() {
    let rig = Rig::start();
    let units = (0..4000).map(|number| metric("value", Unit::parse(&format!("{{unit{number}}}"))));
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    let begun = Instant::now();
    session.send_all(first_batch(units, &Attributes::EMPTY, 1)).await;
    session.acknowledged(1).await;
    // Each against each other one would be minutes.
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    assert!(rig.recording.wait_for(4000, PATIENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_keeps_its_name_and_unit_whatever_other_nodes_call_by_that_name() {
    for order in [[0, 1], [1, 0]] {
        let rig = Rig::start();
        let units = [Unit::JOULE, Unit::parse("banana")];
        for number in order {
            let node = ["honest", "other"][number];
            let mut session = begin(rig.address, hello(node, number as u8, 1)).await.unwrap();
            let one = [metric("energy", units[number].clone())];
            session.send_all(first_batch(one, &Attributes::EMPTY, 1)).await;
            session.acknowledged(1).await;
        }
        assert!(rig.recording.wait_for(2, PATIENCE));
        let samples = rig.recording.samples();
        for sample in samples
            .iter()
            .filter(|sample| !sample.series.metric.name.starts_with("relay_"))
        {
            let metric = &sample.series.metric;
            let node = sample.series.attributes().get("node").unwrap().to_string();
            let expected = &units[usize::from(node == "other")];
            assert_eq!((&*metric.name, &metric.unit), ("energy", expected), "{node}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_clients_together_have_no_more_series_than_allowed_and_make_room_when_they_go() {
    let rig = Rig::with(|config| {
        config.max_series = 30;
        config.max_series_per_client = 20;
    });
    let many: Vec<_> = (0..19)
        .map(|number| (Attributes::EMPTY.with("number", number as u64), 1))
        .collect();
    let mut first = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    first.send_all(Agent::new().next_of(&many)).await;
    first.acknowledged(1).await;
    let mut second = begin(rig.address, hello("b", 2, 1)).await.unwrap();
    second.send_all(Agent::new().next_of(&many)).await;
    let status = second.refusal().await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("`max_series`"), "{status}");
    first.end().await;
    let mut second = begin(rig.address, hello("b", 3, 1)).await.unwrap();
    second.send_all(Agent::new().next_of(&many)).await;
    second.acknowledged(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_has_defined_is_forgotten_when_it_goes() {
    let rig = Rig::with(|config| config.max_samples_per_second = 0);
    let before = rig.catalog.live_series();
    for round in 1..=3 {
        let names = (0..1000).map(|number| metric(&format!("metric_{round}_{number}"), Unit::ONE));
        let mut session = begin(rig.address, hello("a", round, 1)).await.unwrap();
        let mut messages = first_batch(names, &Attributes::EMPTY, 1);
        // The samples themselves shall not keep the series.
        messages.pop();
        session.send_all(messages).await;
        session.send_all(Agent::new().next(1)).await;
        session.refusal().await;
    }
    let deadline = Instant::now() + PATIENCE;
    while rig.catalog.live_series() > before {
        assert!(Instant::now() < deadline, "{:?}", rig.catalog);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut well = begin(rig.address, hello("well", 9, 1)).await.unwrap();
    well.send_all(Agent::new().next(1)).await;
    well.acknowledged(1).await;
    rig.catalog.forget_unused_metrics();
    assert!(rig.catalog.metrics().len() < 20, "{:?}", rig.catalog);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_slowed_down_to_its_share_of_samples_and_messages() {
    let rig = Rig::with(|config| config.max_samples_per_second = 320);
    let mut agent = Agent::new();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    let begun = Instant::now();
    // 5000 for the session, 32 for each of 151 messages, and 8 for each of two entries; the first half minute is free.
    for value in 0..150 {
        session.send_all(agent.next(value)).await;
    }
    session.acknowledged(150).await;
    assert!(
        begun.elapsed() > Duration::from_millis(450),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_counts_also_in_the_next_session_of_the_node() {
    let rig = Rig::with(|config| config.max_samples_per_second = 4_313);
    let begun = Instant::now();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    // Without the definitions.
    session.send_all(Agent::new().next(1).split_off(1)).await;
    assert_eq!(session.refusal().await.code(), Code::InvalidArgument);
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    session.send_all(Agent::new().next(1)).await;
    session.acknowledged(1).await;
    assert!(
        begun.elapsed() > Duration::from_millis(900),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_session_is_no_way_around_the_limits() {
    let rig = Rig::with(|config| config.max_samples_per_second = 5_000);
    let begun = Instant::now();
    // 5000 for each, and 150 000 are free.
    for _ in 0..32 {
        begin(rig.address, hello("a", 1, 1)).await.unwrap().end().await;
    }
    assert!(
        begun.elapsed() > Duration::from_millis(500),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_with_long_texts_cost_as_much_as_those_that_fill_as_many_lines() {
    let rig = Rig::with(|config| config.max_samples_per_second = 5_000);
    let text = Attributes::EMPTY.with("text", "x".repeat(1800));
    let begun = Instant::now();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    // About 1600 bytes beyond what is free are 50 samples more for each, and 150 000 are free.
    session
        .send_all(first_batch([metric("value", Unit::ONE)], &text, 2_950))
        .await;
    session.acknowledged(1).await;
    session.end().await;
    begin(rig.address, hello("a", 1, 1)).await.unwrap().end().await;
    assert!(
        begun.elapsed() > Duration::from_millis(500),
        "{:?}",
        begun.elapsed()
    );
}
