//! Outputs on the spool that refuse a batch, end, or cannot say how far they are.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, OnFull, Output, QueuePolicy, Recording, RecordingOutput};
use alumet_core::pipeline::{DropReason, ElementState, OutputAccount, Pipeline, PipelineBuilder};
use alumet_core::testkit::ManualClock;
use parking_lot::Mutex;

use crate::elements::{Counting, PATIENCE, SECOND, assert_balanced, pass, status_of, values, wait_until};
use crate::spool::MemorySpool;

const DURABLE: QueuePolicy = QueuePolicy {
    capacity: 1000,
    on_full: OnFull::DropOldest,
    durable: Some(true),
};

/// Does at each write what the script says, then records.
#[derive(Default)]
struct Scripted {
    inner: RecordingOutput,
    writes: VecDeque<Option<Failure>>,
    /// Why it cannot say how far it is.
    lost: Arc<Mutex<Option<&'static str>>>,
    /// How often it was asked how far it is.
    asked: Arc<AtomicUsize>,
}

impl Scripted {
    fn new(writes: impl IntoIterator<Item = Option<Failure>>) -> Self {
        Self {
            writes: writes.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Output for Scripted {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        match self.writes.pop_front().flatten() {
            Some(failure) => Err(failure),
            None => self.inner.deliver(delivery),
        }
    }

    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match *self.lost.lock() {
            Some(error) => Err(Failure::retry(error)),
            None => Ok(Some(b"here".to_vec())),
        }
    }
}

pub(crate) fn builder(spool: &MemorySpool) -> (PipelineBuilder, ManualClock) {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone())).spool(spool.slot());
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    (builder, clock)
}

pub(crate) fn account(pipeline: &Pipeline) -> OutputAccount {
    let ledger = pipeline.control().status().unwrap().ledger;
    assert_balanced(&ledger);
    ledger.outputs.into_values().next().unwrap()
}

/// A pipeline with a scripted output on the spool, about to start.
struct Setup {
    builder: PipelineBuilder,
    spool: MemorySpool,
    clock: ManualClock,
    recording: Recording,
    lost: Arc<Mutex<Option<&'static str>>>,
    asked: Arc<AtomicUsize>,
}

/// Runs the check with an output in a thread and with one in a task.
async fn both(output: impl Fn() -> Scripted, check: fn(Setup)) {
    for in_task in [false, true] {
        let spool = MemorySpool::default();
        let (mut builder, clock) = builder(&spool);
        let output = output();
        let recording = output.inner.recording();
        let (lost, asked) = (Arc::clone(&output.lost), Arc::clone(&output.asked));
        let spec = builder.output("out", output).queue(DURABLE);
        if in_task {
            spec.in_flight(1);
        }
        let setup = Setup {
            builder,
            spool,
            clock,
            recording,
            lost,
            asked,
        };
        tokio::task::spawn_blocking(move || check(setup)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_can_never_be_written_is_dropped_and_not_counted_as_delivered() {
    let output = || Scripted::new([None, Some(Failure::skip("not a number")), None]);
    both(output, |setup| {
        let pipeline = setup.builder.start().unwrap();
        pipeline.control().flush().unwrap();
        pass(&pipeline, &setup.clock, 3);
        assert_eq!(values(&setup.recording), ["1", "3", "4"]);
        let report = pipeline.stop(PATIENCE);
        assert_balanced(&report.ledger);
        let account = report.ledger.outputs.values().next().unwrap();
        assert_eq!(
            account.dropped.iter().collect::<Vec<_>>(),
            [(&DropReason::Rejected, &1)]
        );
        assert_eq!((account.delivered, account.buffered), (4, 0));
        assert_eq!(setup.spool.kept(), [] as [u64; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_output_that_has_ended_leaves_nothing_in_the_spool() {
    let output = || Scripted::new([Some(Failure::end("the reader is gone"))]);
    both(output, |setup| {
        let pipeline = setup.builder.start().unwrap();
        wait_until("the output has ended", || {
            status_of(&pipeline, "out").state == ElementState::Ended
        });
        wait_until("the spool forgets it", || !setup.spool.follows("embedded/out"));
        for _ in 0..3 {
            setup.clock.advance(SECOND);
            pipeline.control().ping().unwrap();
        }
        wait_until("all are booked", || account(&pipeline).dropped_total() == 4);
        assert_eq!(account(&pipeline).dropped[&DropReason::OutputEnded], 4);
        assert_eq!((account(&pipeline).buffered, account(&pipeline).spooled), (0, 0));
        assert_balanced(&pipeline.stop(PATIENCE).ledger);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_made_safe_stays_in_the_spool_until_it_can() {
    both(Scripted::default, |setup| {
        let pipeline = setup.builder.start().unwrap();
        wait_until("the spool was told of the first", || {
            account(&pipeline).delivered == 1
        });
        *setup.lost.lock() = Some("the disk is full");
        for expected in 2..5 {
            setup.clock.advance(SECOND);
            assert!(setup.recording.wait_for(expected, PATIENCE));
        }
        let (started, before) = (Instant::now(), setup.asked.load(Ordering::Relaxed));
        wait_until("it could not be told", || {
            status_of(&pipeline, "out").failures > 1
        });
        assert_eq!(account(&pipeline).delivered, 1, "they could be lost in a crash");
        assert_eq!(account(&pipeline).spooled, 3);
        *setup.lost.lock() = None;
        let asked = (setup.asked.load(Ordering::Relaxed) - before) as u128;
        let most = 2 + started.elapsed().as_millis() / 200;
        assert!(asked <= most, "asked {asked} times, but {most} would do");
        // Nothing new comes that could be the occasion.
        wait_until("the spool was told of all", || account(&pipeline).delivered == 4);
        assert_eq!(account(&pipeline).buffered, 0);
        assert_eq!(setup.spool.kept(), [] as [u64; 0]);
        assert_eq!(values(&setup.recording), ["1", "2", "3", "4"]);
        assert!(pipeline.stop(PATIENCE).is_complete());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_that_cannot_say_where_it_begins_is_asked_again_before_it_writes() {
    both(Scripted::default, |setup| {
        *setup.lost.lock() = Some("the disk is away");
        let pipeline = setup.builder.start().unwrap();
        wait_until("it was asked twice", || status_of(&pipeline, "out").failures > 1);
        assert!(setup.recording.is_empty());
        *setup.lost.lock() = None;
        assert!(setup.recording.wait_for(1, PATIENCE));
        assert!(pipeline.stop(PATIENCE).is_complete());
        assert_eq!(values(&setup.recording), ["1", "2"]);
    })
    .await;
    both(Scripted::default, |setup| {
        *setup.lost.lock() = Some("the disk is away");
        let pipeline = setup.builder.start().unwrap();
        wait_until("it was asked", || status_of(&pipeline, "out").failures > 0);
        let report = pipeline.stop(PATIENCE);
        assert!(report.is_complete(), "{report:?}");
        assert!(setup.recording.is_empty());
        let account = account(&pipeline);
        assert_eq!((account.spooled, account.buffered, account.offered), (2, 2, 2));
        assert_eq!(setup.spool.kept().len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spool_is_told_now_and_then_and_not_of_every_batch() {
    both(Scripted::default, |setup| {
        let started = Instant::now();
        let pipeline = setup.builder.start().unwrap();
        for expected in 1..=100 {
            assert!(setup.recording.wait_for(expected, PATIENCE));
            setup.clock.advance(SECOND);
        }
        wait_until("the spool was told of all", || {
            account(&pipeline).delivered == 101
        });
        assert_eq!(setup.spool.kept(), [] as [u64; 0]);
        pipeline.stop(PATIENCE);
        let told = setup.asked.load(Ordering::Relaxed);
        // One before the first write, one after it, one at the end, and one in each 200 ms between.
        let most = 4 + started.elapsed().as_millis() / 200;
        assert!(told as u128 <= most, "{told} times, but {most} would do");
    })
    .await;
}

/// Leaves three samples in the spool.
fn leave_three(spool: &MemorySpool) {
    let (mut builder, clock) = builder(spool);
    builder
        .output(
            "out",
            Scripted::new((0..1000).map(|_| Some(Failure::retry("no space left")))),
        )
        .queue(DURABLE);
    let pipeline = builder.start().unwrap();
    pipeline.control().ping().unwrap();
    clock.advance(SECOND);
    let report = pipeline.stop(Duration::from_millis(10));
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.ledger.outputs.values().next().unwrap().spooled, 3);
}

fn without_sources(spool: &MemorySpool) -> PipelineBuilder {
    PipelineBuilder::with_clock(Arc::new(ManualClock::new())).spool(spool.slot())
}

#[test]
fn what_an_earlier_run_has_left_is_written_although_nothing_new_comes() {
    let spool = MemorySpool::default();
    leave_three(&spool);
    let mut builder = without_sources(&spool);
    let output = Scripted::default();
    let recording = output.inner.recording();
    builder.output("out", output).queue(DURABLE);
    let pipeline = builder.start().unwrap();
    assert_eq!(account(&pipeline).recovered, 3);
    assert!(recording.wait_for(3, PATIENCE));
    assert_eq!(values(&recording), ["1", "2", "3"]);
    wait_until("the spool was told of all", || account(&pipeline).delivered == 3);
    assert_eq!(account(&pipeline).buffered, 0);
}

#[test]
fn what_waits_for_an_output_that_has_ended_is_booked() {
    let spool = MemorySpool::default();
    leave_three(&spool);
    let mut builder = without_sources(&spool);
    let output = Scripted::new([Some(Failure::end("the reader is gone"))]);
    builder.output("out", output).queue(DURABLE);
    let pipeline = builder.start().unwrap();
    wait_until("all are booked", || account(&pipeline).dropped_total() == 3);
    let account = account(&pipeline);
    assert_eq!(account.dropped[&DropReason::OutputEnded], 3);
    assert_eq!((account.recovered, account.buffered, account.spooled), (3, 0, 0));
}

#[test]
fn a_rejected_record_is_not_taken_for_one_that_still_waits() {
    let spool = MemorySpool::default();
    leave_three(&spool);
    let mut builder = without_sources(&spool);
    let refused = std::iter::once(Some(Failure::skip("not a number")));
    let failing = (0..1000).map(|_| Some(Failure::retry("no space left")));
    builder
        .output("out", Scripted::new(refused.chain(failing)))
        .queue(DURABLE);
    let pipeline = builder.start().unwrap();
    wait_until("the second one fails", || {
        status_of(&pipeline, "out").failures_in_a_row > 1
    });
    let account = account(&pipeline);
    assert_eq!(account.dropped[&DropReason::Rejected], 1);
    assert_eq!((account.delivered, account.spooled), (0, 2));
    assert_eq!(spool.kept().len(), 2, "the spool was told of the first");
    pipeline.stop(Duration::from_millis(10));
}

#[test]
fn asynchronous_elements_run_in_the_runtime_that_the_program_gives() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let spool = MemorySpool::default();
    let (builder, _) = builder(&spool);
    let mut builder = builder.runtime(runtime.handle().clone());
    let output = Scripted::default();
    let recording = output.inner.recording();
    builder.output("out", output).in_flight(1);
    let pipeline = builder.start().unwrap();
    assert!(recording.wait_for(1, PATIENCE));
    assert!(pipeline.stop(PATIENCE).is_complete());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_before_a_durable_output_ended_counts_as_delivered() {
    let output = || Scripted::new([None, None, None, Some(Failure::end("the reader is gone"))]);
    both(output, |setup| {
        let pipeline = setup.builder.start().unwrap();
        for expected in 1..4 {
            assert!(setup.recording.wait_for(expected, PATIENCE));
            setup.clock.advance(SECOND);
        }
        wait_until("the output has ended", || {
            status_of(&pipeline, "out").state == ElementState::Ended
        });
        let account = account(&pipeline);
        assert_eq!(account.delivered, 3, "{account:?}");
        assert_eq!(account.dropped[&DropReason::OutputEnded], 1);
    })
    .await;
}
