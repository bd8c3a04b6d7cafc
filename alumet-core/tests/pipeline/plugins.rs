//! What a plugin may add and learn while it starts, and what is known of it as data.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::Batch;
use alumet_core::failure::Failure;
use alumet_core::output::NullOutput;
use alumet_core::pipeline::{EventSink, PipelineBuilder};
use alumet_core::plugin::{Faults, Plugin, PluginDescriptor, StartContext, StartError};
use alumet_core::source::{EventSource, NoopSource, Schedule};
use alumet_core::testkit::ManualClock;
use alumet_core::transform::{Transform, TransformContext};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::elements::PATIENCE;
use crate::spool::MemorySpool;

/// Does nothing, as whatever is wanted.
struct Idle;

#[async_trait]
impl EventSource for Idle {
    async fn run(&mut self, _: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        stop.cancelled().await;
        Ok(())
    }
}

impl Transform for Idle {
    fn apply(&mut self, _: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
struct Config {
    poll_interval_ms: u64,
}

/// Adds an element of every kind.
struct Everything;

impl Plugin for Everything {
    const ID: &'static str = "everything";
    const SUMMARY: &'static str = "Adds an element of every kind.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        let mut faults = Faults::default();
        faults.refuse_polls(
            "source.poll_interval_ms",
            Duration::from_millis(config.poll_interval_ms),
        );
        faults.or_ok()
    }

    fn start(_: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        alumet.source("polled", NoopSource);
        alumet.event_source("events", Idle);
        alumet.transform("transform", Idle);
        alumet.output("thread", NullOutput);
        alumet.output("task", NullOutput).in_flight(2);
        if alumet.spool().is_some() {
            alumet.output("records", NullOutput).encoded();
        }
        Ok(Self)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_may_add_elements_of_every_kind() {
    for has_spool in [false, true] {
        let mut builder = PipelineBuilder::with_clock(Arc::new(ManualClock::new()));
        if has_spool {
            builder = builder.spool(MemorySpool::default().slot());
        }
        builder
            .plugin::<Everything>(Config { poll_interval_ms: 1 })
            .unwrap();
        let pipeline = builder.start().unwrap();
        let elements = pipeline.control().status().unwrap().elements;
        let mut names: Vec<_> = elements.iter().map(|element| element.key.to_string()).collect();
        names.sort();
        let mut expected = vec![
            "outputs/everything/records",
            "outputs/everything/task",
            "outputs/everything/thread",
            "sources/everything/events",
            "sources/everything/polled",
            "transforms/everything/transform",
        ];
        if !has_spool {
            expected.remove(0);
        }
        assert_eq!(names, expected);
        tokio::task::spawn_blocking(move || assert!(pipeline.stop(PATIENCE).is_complete()))
            .await
            .unwrap();
    }
}

#[test]
fn a_plugin_that_is_known_as_data_checks_its_configuration() {
    let descriptor = PluginDescriptor::of::<Everything>();
    for (poll_interval_ms, is_right) in [(0_i64, false), (1, true)] {
        let table = toml::Table::from_iter([("poll_interval_ms".to_owned(), poll_interval_ms.into())]);
        let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(table);
        let config = descriptor.parse(&mut deserializer).unwrap();
        let result = descriptor.check(&config);
        assert_eq!(result.is_ok(), is_right);
        if let Err(faults) = result {
            assert_eq!(faults.keys(), ["source.poll_interval_ms"]);
            assert!(faults.to_string().contains("longer than zero"), "{faults}");
        }
    }
}

#[test]
fn an_interval_that_no_source_may_have_is_refused_with_its_key() {
    let mut faults = Faults::default();
    for nanos in [0, 1, 999_999] {
        faults.refuse_polls("a.b", Duration::from_nanos(nanos));
    }
    faults.refuse_polls("c", Schedule::SHORTEST);
    assert_eq!(faults.keys(), ["a.b"; 3]);
    let told = faults.to_string();
    let rate =
        "every 1ns would be 1000000000 times a second, and even one series would write 5700000 MB a minute";
    assert!(
        told.contains(rate) && told.contains("write at least \"1ms\""),
        "{told}"
    );
}

#[test]
fn what_is_done_now_and_then_has_a_floor_of_its_own_and_is_told_the_rate() {
    let (mut faults, second) = (Faults::default(), Duration::from_secs(1));
    faults.refuse_often("seldom", Duration::from_millis(250), second);
    faults.refuse_often("enough", second, second);
    let told = "`seldom`: every 250ms would be 4 times a second; write at least \"1s\"";
    assert_eq!(faults.to_string(), told);
}
