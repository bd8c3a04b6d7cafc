//! Outputs that take their batches from a spool.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alumet_core::failure::{Failure, OrFail};
use alumet_core::output::{Delivering, Delivery, OnFull, Output, QueuePolicy, Recording, RecordingOutput};
use alumet_core::pipeline::{
    AddError, BuildError, DropReason, EventSink, OutputAccount, Pipeline, PipelineBuilder,
};
use alumet_core::source::EventSource;
use alumet_core::spool::{InstanceId, Origin, Record, Spool, Spooled};
use alumet_core::testkit::ManualClock;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Batch, Consumer, Resource, Timestamp};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::elements::{
    COUNT, Counting, PATIENCE, SECOND, Unreliable, assert_balanced, pass, values, wait_until,
};
use crate::spool::MemorySpool;

const DURABLE: QueuePolicy = QueuePolicy {
    capacity: 1000,
    on_full: OnFull::DropOldest,
    durable: Some(true),
};

fn builder(spool: &MemorySpool) -> (PipelineBuilder, ManualClock) {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone())).spool(spool.slot());
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    (builder, clock)
}

fn start(builder: PipelineBuilder) -> Pipeline {
    let pipeline = builder.start().unwrap();
    let _ = pipeline.control().resume(&"sources/*/*".parse().unwrap());
    pipeline
}

/// A pipeline with a durable output.
fn recorded(spool: &MemorySpool) -> (Pipeline, ManualClock, Recording) {
    let (mut builder, clock) = builder(spool);
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("out", output).queue(DURABLE);
    (start(builder), clock, recording)
}

/// A pipeline with an output that fails as long as there is a reason.
fn unreliable(
    spool: &MemorySpool,
    queue: QueuePolicy,
) -> (Pipeline, ManualClock, Recording, Arc<Mutex<Option<&'static str>>>) {
    let (mut builder, clock) = builder(spool);
    let output = Unreliable::default();
    let (recording, always) = (output.recording(), Arc::clone(&output.always));
    builder.output("out", output).queue(queue);
    (start(builder), clock, recording, always)
}

#[test]
fn a_durable_output_gets_everything_through_the_spool_which_is_empty_afterwards() {
    let spool = MemorySpool::default();
    let (pipeline, clock, recording) = recorded(&spool);
    pass(&pipeline, &clock, 3);
    assert_eq!(values(&recording), ["1", "2", "3", "4"]);
    assert!(spool.follows("embedded/out"));
    let report = pipeline.stop(PATIENCE);
    assert!(report.is_complete(), "{report:?}");
    let account = report.ledger.outputs.values().next().unwrap();
    assert_eq!((account.delivered, account.buffered, account.spooled), (5, 0, 0));
    assert_eq!(spool.kept(), [] as [u64; 0]);
}

#[test]
fn what_a_durable_output_could_not_write_is_written_by_the_next_run_once() {
    let spool = MemorySpool::default();
    let (pipeline, clock, recording, always) = unreliable(&spool, DURABLE);
    pass(&pipeline, &clock, 1);
    *always.lock() = Some("no space left on device");
    for _ in 0..3 {
        clock.advance(SECOND);
        let _ = pipeline.control().resume(&"sources/*/*".parse().unwrap());
    }
    let report = pipeline.stop(PATIENCE);
    assert_balanced(&report.ledger);
    assert!(report.is_complete(), "it waits for the next start: {report:?}");
    let account = report.ledger.outputs.values().next().unwrap().clone();
    assert_eq!(values(&recording), ["1", "2"]);
    assert_eq!(account.delivered, 2);
    assert!(
        account.spooled >= 4 && account.spooled == account.buffered,
        "{account:?}"
    );

    let (pipeline, clock, recording) = recorded(&spool);
    pass(&pipeline, &clock, 1);
    let expected: Vec<String> = (3..3 + account.spooled)
        .chain(1..=2)
        .map(|value| value.to_string())
        .collect();
    assert_eq!(values(&recording), expected);
    let report = pipeline.stop(PATIENCE);
    assert_balanced(&report.ledger);
    let after = report.ledger.outputs.values().next().unwrap();
    assert_eq!(after.recovered, account.spooled);
    assert_eq!((after.buffered, after.dropped_total()), (0, 0));
}

#[test]
fn an_output_that_is_behind_by_an_hour_gets_it_after_a_restart_with_its_own_times() {
    const HOUR: u64 = 3600;
    let spool = MemorySpool::default();
    let (mut first, clock) = builder(&spool);
    let output = Unreliable::default();
    *output.always.lock() = Some("no space left on device");
    first.output("out", output).queue(DURABLE);
    let pipeline = start(first);
    for second in 0..HOUR {
        clock.advance(SECOND);
        wait_until("the sample is in the spool", || {
            pipeline.control().status().unwrap().ledger.routed > second + 1
        });
    }
    let report = pipeline.stop(PATIENCE);
    assert!(report.is_complete(), "{report:?}");

    let (pipeline, _, recording) = recorded(&spool);
    assert!(recording.wait_for(HOUR as usize, PATIENCE));
    pipeline.stop(PATIENCE);
    let samples = recording.samples();
    let times: Vec<i64> = samples.iter().map(|sample| sample.timestamp.as_nanos()).collect();
    let hour = times[HOUR as usize] - times[0];
    assert_eq!(hour, 3_600_000_000_000);
    let values = values(&recording);
    let expected: Vec<String> = (1..=HOUR).map(|value| value.to_string()).collect();
    assert_eq!(values[..HOUR as usize], expected);
}

#[test]
fn a_record_that_cannot_be_decoded_while_the_disk_is_away_is_not_lost() {
    let spool = MemorySpool::default();
    spool.forget_batches(2);
    let (pipeline, clock, recording) = recorded(&spool);
    pass(&pipeline, &clock, 1);
    assert_eq!(values(&recording), ["1", "2"]);
    let report = pipeline.stop(PATIENCE);
    assert_balanced(&report.ledger);
    assert!(report.is_complete(), "{report:?}");
}

#[test]
fn records_that_are_small_on_disk_do_not_become_much_in_memory_at_once() {
    let spool = MemorySpool::default();
    spool.forget_batches(0);
    let (pipeline, clock, recording, always) = unreliable(&spool, DURABLE);
    pass(&pipeline, &clock, 1);
    let outputs = "outputs/*/*".parse().unwrap();
    pipeline.control().pause(&outputs).unwrap();
    *always.lock() = Some("the disk is full");
    let before = spool.decoded();
    let catalog = pipeline.catalog();
    let metric = catalog.metric(&COUNT).unwrap();
    let series = catalog
        .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
        .register();
    for _ in 0..40 {
        let mut batch = catalog.batch();
        for _ in 0..8192 {
            batch.push(&series, Timestamp::default(), 0);
        }
        spool.append(&Arc::new(batch));
    }
    pipeline.control().resume(&outputs).unwrap();
    wait_until("the first are decoded", || spool.decoded() > before);
    std::thread::sleep(Duration::from_millis(100));
    let decoded = spool.decoded() - before;
    assert!(decoded <= 8, "{decoded} of 40 were decoded for a delivery of one");
    *always.lock() = None;
    pass(&pipeline, &clock, 10);
    assert!(recording.wait_for(40 * 8192, PATIENCE));
    assert!(pipeline.stop(PATIENCE).is_complete());
}

/// What becomes of three records to which something happens while they wait, between two before and two after them.
fn three_that_wait(spool: &MemorySpool, happens: impl FnOnce()) -> (OutputAccount, Vec<String>) {
    let (pipeline, clock, recording) = recorded(spool);
    pass(&pipeline, &clock, 1);
    pipeline.control().pause(&"outputs/*/*".parse().unwrap()).unwrap();
    let before = spool.kept().len();
    for _ in 0..3 {
        clock.advance(SECOND);
        pipeline.control().ping().unwrap();
    }
    wait_until("three more wait", || spool.kept().len() >= before + 3);
    happens();
    pipeline
        .control()
        .resume(&"outputs/*/*".parse().unwrap())
        .unwrap();
    pass(&pipeline, &clock, 1);
    let ledger = pipeline.stop(PATIENCE).ledger;
    assert_balanced(&ledger);
    let account = ledger.outputs.into_values().next().unwrap();
    let written = values(&recording);
    assert_eq!(account.delivered as usize, written.len());
    assert_eq!(account.buffered, 0);
    (account, written)
}

#[test]
fn a_gap_in_the_spool_is_booked_with_its_reason() {
    let spool = MemorySpool::default();
    let (account, _) = three_that_wait(&spool, || spool.lose_one());
    assert_eq!(account.dropped[&DropReason::SpoolFull], 1, "{account:?}");
}

#[test]
fn a_record_that_can_never_be_decoded_is_booked_as_damaged_and_the_next_one_is_written() {
    let spool = MemorySpool::default();
    spool.forget_batches(0);
    let (account, written) = three_that_wait(&spool, || spool.damage());
    assert_eq!(account.dropped[&DropReason::Damaged], 3, "{account:?}");
    assert_eq!(written, ["1", "2", "6", "7"]);
}

#[test]
fn a_spool_that_cannot_be_written_at_the_end_is_a_loss_that_is_told() {
    let spool = MemorySpool::default();
    let (pipeline, clock, _, always) = unreliable(&spool, DURABLE);
    *always.lock() = Some("no space left on device");
    clock.advance(SECOND);
    pipeline.control().ping().unwrap();
    spool.refuse_to_commit();
    let report = pipeline.stop(Duration::from_millis(100));
    assert_balanced(&report.ledger);
    assert!(!report.is_complete());
    assert!(report.ledger.dropped_total() > 0);
}

/// What was written is not known.
const UNKNOWN: u64 = u64::MAX - 1;

/// Remembers how many samples it has written, and goes back to that.
struct Positioned {
    inner: RecordingOutput,
    written: u64,
    /// How many samples it takes; afterwards its disk is full.
    room: u64,
    resumed: Arc<AtomicU64>,
}

impl Output for Positioned {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        if self.written >= self.room {
            return Err(Failure::retry("no space left on device"));
        }
        self.written += delivery.len() as u64;
        self.inner.deliver(delivery)
    }

    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(Some(self.written.to_le_bytes().to_vec()))
    }

    fn resume(&mut self, position: &[u8]) -> Result<(), Failure> {
        self.written = match position {
            [] => UNKNOWN,
            position => u64::from_le_bytes(position.try_into().or_end()?),
        };
        self.resumed.store(self.written, Ordering::Relaxed);
        if self.written == UNKNOWN {
            self.written = 0;
        }
        Ok(())
    }
}

#[test]
fn an_output_goes_back_to_where_it_was_when_the_spool_was_told_last() {
    goes_back(|builder, output| {
        builder.output("out", output).queue(DURABLE);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_output_goes_back_to_where_it_was_when_the_spool_was_told_last() {
    let test = || {
        goes_back(|builder, output| {
            builder.output("out", output).in_flight(1).queue(DURABLE);
        });
    };
    tokio::task::spawn_blocking(test).await.unwrap();
}

fn goes_back(add: impl Fn(&mut PipelineBuilder, Positioned)) {
    const NOT: u64 = u64::MAX;
    let spool = MemorySpool::default();
    // The first run knows of none before it. It leaves something behind, the second one nothing: the third one has nothing to
    // take back. The last one goes back to where the one before it began, although the spool was never told what that has written.
    for (room, expected) in [
        (3, UNKNOWN),
        (u64::MAX, 3),
        (u64::MAX, NOT),
        (0, NOT),
        (u64::MAX, 0),
    ] {
        let (mut builder, clock) = builder(&spool);
        let resumed = Arc::new(AtomicU64::new(NOT));
        let output = Positioned {
            inner: RecordingOutput::new(),
            written: 0,
            room,
            resumed: Arc::clone(&resumed),
        };
        add(&mut builder, output);
        let pipeline = start(builder);
        for _ in 0..4 {
            clock.advance(SECOND);
            pipeline.control().ping().unwrap();
        }
        assert_balanced(&pipeline.stop(PATIENCE).ledger);
        assert_eq!(resumed.load(Ordering::Relaxed), expected);
    }
}

/// Records, and fails once.
struct Remote {
    inner: RecordingOutput,
    failed: bool,
}

impl Output for Remote {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        if !std::mem::replace(&mut self.failed, true) {
            return Err(Failure::retry("connection refused"));
        }
        self.inner.deliver(delivery)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_output_can_be_durable() {
    let spool = MemorySpool::default();
    let (mut builder, clock) = builder(&spool);
    let inner = RecordingOutput::new();
    let recording = inner.recording();
    builder
        .output("out", Remote { inner, failed: false })
        .in_flight(2)
        .queue(DURABLE);
    let pipeline = start(builder);
    tokio::task::spawn_blocking(move || {
        pass(&pipeline, &clock, 3);
        assert_eq!(values(&recording), ["1", "2", "3", "4"]);
        let report = pipeline.stop(PATIENCE);
        assert_balanced(&report.ledger);
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(spool.kept(), [] as [u64; 0]);
    })
    .await
    .unwrap();
}

/// Takes records; the third fails once.
struct Stream {
    taken: Arc<Mutex<Vec<u64>>>,
    failed: bool,
}

impl Output for Stream {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        // The samples would keep the slots of their series as long as the record is under way.
        let Some(Spooled::Record(record @ Record { batch: None, .. })) = delivery.record() else {
            return Err(Failure::end("this is no record without its batch"));
        };
        self.taken.lock().push(record.sequence);
        if record.sequence == 3 && !std::mem::replace(&mut self.failed, true) {
            return Err(Failure::retry("the connection is cut"));
        }
        Ok(Delivering::done())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_that_takes_records_gets_those_again_that_it_has_not_delivered() {
    let spool = MemorySpool::default();
    let (mut builder, clock) = builder(&spool);
    let taken: Arc<Mutex<Vec<u64>>> = Arc::default();
    let output = Stream {
        taken: Arc::clone(&taken),
        failed: false,
    };
    builder.output("out", output).encoded();
    let pipeline = start(builder);
    tokio::task::spawn_blocking(move || {
        for count in 2..=5 {
            clock.advance(SECOND);
            pipeline.control().ping().unwrap();
            wait_until("the record is taken", || taken.lock().contains(&count));
        }
        let report = pipeline.stop(PATIENCE);
        assert!(report.is_complete(), "{report:?}");
        assert_balanced(&report.ledger);
        let account = report.ledger.outputs.values().next().unwrap();
        assert_eq!((account.delivered, account.buffered), (6, 0));
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_samples_are_written_although_the_disk_is_slow() {
    let spool = MemorySpool::default();
    spool.be_slow();
    let (mut builder, clock) = builder(&spool);
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("out", output).queue(DURABLE);
    let inner = RecordingOutput::new();
    builder
        .output("task", Remote { inner, failed: true })
        .in_flight(2)
        .queue(DURABLE);
    let taken = Arc::default();
    builder
        .output("records", Stream { taken, failed: true })
        .encoded();
    let pipeline = start(builder);
    tokio::task::spawn_blocking(move || {
        clock.advance(SECOND);
        pipeline.control().ping().unwrap();
        let report = pipeline.stop(PATIENCE);
        assert_balanced(&report.ledger);
        for (key, account) in &report.ledger.outputs {
            assert_eq!((account.delivered, account.spooled), (3, 0), "{key}");
        }
        assert_eq!(values(&recording), ["1", "2", "3"]);
    })
    .await
    .unwrap();
}

struct DropAll;

impl Transform for DropAll {
    fn apply(&mut self, batch: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        batch.retain(|_| false);
        Ok(())
    }
}

/// Sends one batch that came from somewhere else.
struct Receiver(Origin);

#[async_trait]
impl EventSource for Receiver {
    async fn run(&mut self, out: EventSink, _: CancellationToken) -> Result<(), Failure> {
        let metric = out.catalog().metric(&COUNT)?;
        let series = out
            .catalog()
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let mut batch = out.batch();
        batch.push(&series, out.now().wall, 1);
        batch.set_origin(self.0);
        Ok(out.send(batch).await?)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_origin_of_a_batch_is_noted_even_if_a_transform_leaves_nothing_of_it() {
    let spool = MemorySpool::default();
    let origin = Origin {
        instance: InstanceId([1; 16]),
        sequence: 42,
        checksum: 0,
    };
    let mut builder = PipelineBuilder::new().spool(spool.slot());
    builder.event_source("in", Receiver(origin));
    builder.transform("none", DropAll);
    builder.output("out", RecordingOutput::new()).queue(DURABLE);
    let pipeline = builder.start().unwrap();
    pipeline.sources_ended().cancelled().await;
    tokio::task::spawn_blocking(move || pipeline.stop(PATIENCE))
        .await
        .unwrap();
    assert_eq!(spool.committed(origin.instance).unwrap(), Some((42, 0)));
    assert_eq!(spool.kept(), [] as [u64; 0]);
}

#[test]
fn an_output_that_needs_a_spool_is_refused_where_there_is_none() {
    for encoded in [false, true] {
        let mut builder = PipelineBuilder::new();
        let spec = builder.output("out", RecordingOutput::new());
        if encoded {
            spec.encoded();
        } else {
            spec.queue(DURABLE);
        }
        let error = builder.start().unwrap_err();
        assert!(matches!(error, BuildError::Add(AddError::NoSpool(_))), "{error}");
    }
    let mut builder = PipelineBuilder::new().durable_by_default(true);
    builder.output("out", RecordingOutput::new());
    assert!(builder.start().is_err());
}

#[test]
fn outputs_on_the_spool_and_beside_it_get_the_same() {
    let spool = MemorySpool::default();
    let (mut builder, clock) = builder(&spool);
    let outputs: Vec<(RecordingOutput, Recording)> = (0..3)
        .map(|_| {
            let output = RecordingOutput::new();
            let recording = output.recording();
            (output, recording)
        })
        .collect();
    let mut recordings = Vec::new();
    for (index, (output, recording)) in outputs.into_iter().enumerate() {
        let queue = if index == 0 {
            QueuePolicy::default()
        } else {
            DURABLE
        };
        builder.output(&format!("out{index}"), output).queue(queue);
        recordings.push(recording);
    }
    let pipeline = start(builder);
    pass(&pipeline, &clock, 3);
    for recording in &recordings {
        assert_eq!(values(recording), ["1", "2", "3", "4"]);
    }
    let report = pipeline.stop(PATIENCE);
    assert_balanced(&report.ledger);
    assert_eq!(spool.kept(), [] as [u64; 0]);
}
