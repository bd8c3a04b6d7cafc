//! What arrives of what was sent.

use alumet_core::catalog::Catalog;
use alumet_core::failure::Failure;
use alumet_core::output::RecordedSample;
use alumet_core::pipeline::{EventSink, PipelineBuilder};
use alumet_core::source::EventSource;
use alumet_core::testkit::ManualClock;
use alumet_plugin_nats::{Format, NatsPlugin, Subjects};
use alumet_shared_output_testkit::{LONG, Nats, samples_of_every_sort, until};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::rig::{Collector, Other, config, sending, spool};

/// Sends samples of every sort, once.
struct EverySort;

#[async_trait]
impl EventSource for EverySort {
    async fn run(&mut self, out: EventSink, _: CancellationToken) -> Result<(), Failure> {
        out.send(samples_of_every_sort(out.catalog(), ManualClock::START))
            .await?;
        Ok(())
    }
}

/// Sends them through a server in this way; gives what was sent and what arrived, each in order of time.
fn through(server: &Nats, format: Format, subjects: Subjects) -> (Vec<RecordedSample>, Vec<RecordedSample>) {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
    std::fs::create_dir(&here).unwrap();
    std::fs::create_dir(&there).unwrap();
    let collector = Collector::start(&there, config(&[server]));
    let mut builder = PipelineBuilder::new().spool(spool(&here));
    builder.event_source("sorts", EverySort);
    let sending = alumet_plugin_nats::Config {
        format,
        subjects,
        ..sending(&[server])
    };
    builder.plugin::<NatsPlugin>(sending).unwrap();
    let pipeline = builder.start().unwrap();
    let sent = RecordedSample::of_batch(&samples_of_every_sort(&Catalog::new(), ManualClock::START));
    until("all have arrived", || collector.samples().len() >= sent.len());
    pipeline.stop(LONG);
    collector.stop();
    let mut arrived = collector.samples();
    arrived.sort_by_key(|sample| sample.timestamp);
    (sent, arrived)
}

#[test]
fn every_sort_of_sample_arrives_as_it_was_with_the_name_of_its_node() {
    for subjects in [Subjects::Node, Subjects::Gpu] {
        // Of its own: what a collector that has just gone has asked for may still be given to it.
        let Some(server) = Nats::start("") else { return };
        let (sent, arrived) = through(&server, Format::Batch, subjects);
        assert_eq!(arrived.len(), sent.len());
        let mut shortened = 0;
        for (mut one, other) in sent.into_iter().zip(arrived) {
            if other.series.attributes().get("shortened").is_some() {
                shortened += 1;
                continue;
            }
            let mut series = (*one.series).clone();
            series.key.attributes = series.key.attributes.with("node", "sender");
            one.series = series.into();
            assert_eq!(format!("{one:?}"), format!("{other:?}"));
            assert!(one.series.metric.is_compatible_with(&other.series.metric));
        }
        assert_eq!(shortened, 1, "only the one with a text of ten thousand bytes");
        let other = Other::connect(&server);
        other
            .runtime
            .block_on(other.context.delete_stream("TELEMETRY"))
            .unwrap();
    }
}

#[test]
fn json_keeps_values_times_and_names() {
    let Some(server) = Nats::start("") else { return };
    let (sent, arrived) = through(&server, Format::Json, Subjects::Gpu);
    assert_eq!(arrived.len(), sent.len());
    for (one, other) in sent.iter().zip(&arrived) {
        assert_eq!(
            (one.timestamp, &one.series.metric.name),
            (other.timestamp, &other.series.metric.name)
        );
        assert_eq!(one.value.as_f64().to_string(), other.value.as_f64().to_string());
        assert_eq!(one.series.resource(), other.series.resource());
        assert_eq!(one.series.consumer(), other.series.consumer());
        let node = other.series.attributes().get("node").map(ToString::to_string);
        assert_eq!(node.as_deref(), Some("sender"));
    }
}
