use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, NullOutput, Output, QueuePolicy, RecordingOutput};
use alumet_core::pipeline::{AddError, BuildError, EventSink, Pipeline, PipelineBuilder};
use alumet_core::plugin::{Plugin, StartContext, StartError};
use alumet_core::source::EventSource;
use alumet_core::spool::SpoolSlot;
use alumet_core::{Consumer, Resource};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::elements::{COUNT, Counting, PATIENCE, assert_balanced, values, wait_until};
use crate::spool::MemorySpool;

/// Sends one sample at a time, as fast as it is taken, and fails now and then.
struct Stream {
    next: u64,
    last: u64,
    panics_at: u64,
}

#[async_trait]
impl EventSource for Stream {
    async fn run(&mut self, out: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        let metric = out.catalog().metric(&COUNT)?;
        let series = out
            .catalog()
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        while self.next <= self.last && !stop.is_cancelled() {
            let mut batch = out.batch();
            batch.push(&series, out.now().wall, self.next);
            self.next += 1;
            out.send(batch).await?;
            if self.next == self.panics_at {
                panic!("the peer sent nonsense");
            }
        }
        Ok(())
    }
}

/// Fails twice, then records.
#[derive(Default)]
struct Remote {
    inner: RecordingOutput,
    attempts: u32,
    resets: Arc<Mutex<u32>>,
}

impl Output for Remote {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        self.attempts += 1;
        match self.attempts {
            1 => Ok(Delivering::under_way(async {
                tokio::task::yield_now().await;
                Err(Failure::retry("connection refused"))
            })),
            2 => Ok(Delivering::under_way(async { panic!("an output panics") })),
            _ => self.inner.deliver(delivery),
        }
    }

    fn reset(&mut self) {
        *self.resets.lock() += 1;
    }
}

async fn stop(pipeline: Pipeline) -> alumet_core::pipeline::StopReport {
    tokio::task::spawn_blocking(move || pipeline.stop(PATIENCE))
        .await
        .unwrap()
}

#[tokio::test]
async fn an_event_source_that_panics_is_run_again_and_nothing_is_lost() {
    let mut builder = PipelineBuilder::new();
    builder.event_source(
        "stream",
        Stream {
            next: 1,
            last: 200,
            panics_at: 50,
        },
    );
    let output = Remote::default();
    let (recording, resets) = (output.inner.recording(), Arc::clone(&output.resets));
    builder.output("remote", output).in_flight(1);
    let pipeline = builder.start().unwrap();
    tokio::time::timeout(PATIENCE, pipeline.sources_ended().cancelled())
        .await
        .unwrap();
    let report = stop(pipeline).await;
    assert!(report.is_complete(), "{report:?}");
    assert_balanced(&report.ledger);
    let expected: Vec<_> = (1..=200).map(|value: u64| value.to_string()).collect();
    assert_eq!(values(&recording), expected);
    assert_eq!(*resets.lock(), 1);
}

#[tokio::test]
async fn an_event_source_ends_when_the_pipeline_stops() {
    struct Endless;
    #[async_trait]
    impl EventSource for Endless {
        async fn run(&mut self, _: EventSink, stop: CancellationToken) -> Result<(), Failure> {
            stop.cancelled().await;
            Ok(())
        }
    }
    let mut builder = PipelineBuilder::new();
    builder.event_source("endless", Endless);
    let pipeline = builder.start().unwrap();
    let error = pipeline
        .control()
        .pause(&"src".parse().unwrap())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "sources/embedded/endless cannot pause: it is driven by events; stop it instead"
    );
    assert_eq!(stop(pipeline).await.stuck, Vec::<String>::new());
}

/// Adds an output that needs the spool, after everything that the test has added.
struct Late;

impl Plugin for Late {
    const ID: &'static str = "late";
    const SUMMARY: &'static str = "Opens the spool.";
    type Config = std::collections::BTreeMap<String, String>;

    fn start(_: Self::Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        alumet.output("out", NullOutput).queue(QueuePolicy {
            durable: Some(true),
            ..QueuePolicy::default()
        });
        Ok(Self)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_source_that_sends_and_ends_at_once_reaches_outputs_added_after_it_and_is_not_the_last() {
    let spool = MemorySpool::default().slot();
    let slow = SpoolSlot::new(move |catalog| {
        std::thread::sleep(Duration::from_millis(50));
        Arc::clone(spool.get_or_open(catalog).unwrap())
    });
    let mut builder = PipelineBuilder::new().spool(slow);
    let stream = Stream {
        next: 1,
        last: 3,
        panics_at: 0,
    };
    builder.event_source("stream", stream);
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    builder.plugin::<Late>(Default::default()).unwrap();
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("later", output);
    let pipeline = builder.start().unwrap();
    let sent = || values(&recording).len();
    wait_until("the stream has ended", || sent() >= 3);
    assert!(!pipeline.sources_ended().is_cancelled());
    let report = stop(pipeline).await;
    assert_balanced(&report.ledger);
    assert_eq!(report.ledger.dropped_total(), 0);
}

#[test]
fn asynchronous_elements_get_a_runtime_when_the_program_has_none() {
    let mut builder = PipelineBuilder::new();
    let stream = Stream {
        next: 1,
        last: 3,
        panics_at: 0,
    };
    builder.event_source("stream", stream);
    let output = Remote::default();
    let recording = output.inner.recording();
    builder.output("remote", output).in_flight(1);
    let pipeline = builder.start().unwrap();
    assert!(recording.wait_for(3, PATIENCE));
    assert!(pipeline.stop(PATIENCE).is_complete());
    assert_eq!(values(&recording), ["1", "2", "3"]);
}

#[test]
fn a_runtime_without_a_timer_is_refused_before_anything_runs_in_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut builder = PipelineBuilder::new().runtime(runtime.handle().clone());
    builder.output("remote", Remote::default()).in_flight(1);
    let error = builder.start().unwrap_err();
    assert!(matches!(error, BuildError::Add(AddError::NoTimer(_))), "{error}");
    assert!(error.to_string().contains("enable_time"), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_program_with_one_thread_can_wait_for_the_stop_and_loses_nothing() {
    let mut builder = PipelineBuilder::new();
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    let output = Remote::default();
    let recording = output.inner.recording();
    builder.output("remote", output).in_flight(1);
    let pipeline = builder.start().unwrap();
    // Fails twice before it takes the first sample, and needs this thread for that.
    let report = pipeline.stop_async(PATIENCE).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(recording.len() as u64, report.ledger.produced);
}

#[tokio::test]
async fn a_subscriber_hears_of_consumers() {
    let builder = PipelineBuilder::new();
    let mut subscription = builder.events().subscribe();
    let pipeline = builder.start().unwrap();
    let event = alumet_core::events::ConsumerEvent::Started([Consumer::Process { pid: 7 }].into());
    pipeline.events().publish(event.clone());
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(1), subscription.next())
            .await
            .unwrap(),
        Ok(Some(event))
    );
}
