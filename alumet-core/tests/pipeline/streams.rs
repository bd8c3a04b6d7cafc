//! Stream outputs, which take records from the spool at their own pace.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::StreamOutput;
use alumet_core::pipeline::{
    AddError, BuildError, DropReason, ElementState, Pipeline, PipelineBuilder, Records,
};
use alumet_core::spool::Spooled;
use alumet_core::testkit::ManualClock;
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::durable::{Shared, account, builder};
use crate::elements::{PATIENCE, SECOND, assert_balanced, status_of, wait_until};
use crate::spool::MemorySpool;

/// Rejects every second record, and ends when it is told to.
struct Choosy {
    gaps: Arc<Mutex<u64>>,
    taken: Arc<Mutex<Vec<u64>>>,
    ends_at: u64,
}

#[async_trait]
impl StreamOutput for Choosy {
    async fn run(&mut self, records: &mut Records, _: CancellationToken) -> Result<(), Failure> {
        while let Some(item) = records.next().await? {
            let record = match item {
                Spooled::Record(record) => record,
                Spooled::Gap(gap) => {
                    *self.gaps.lock() += gap.samples;
                    continue;
                }
            };
            if record.sequence == self.ends_at {
                self.taken.lock().push(record.sequence);
                return Err(Failure::end("the server wants no more"));
            }
            if record.sequence.is_multiple_of(2) {
                records.reject(&record);
            } else {
                records.acknowledge(record.sequence);
            }
            self.taken.lock().push(record.sequence);
        }
        Ok(())
    }
}

fn choosy(
    spool: &MemorySpool,
    ends_at: u64,
    taken: &Shared<Vec<u64>>,
    gaps: &Shared<u64>,
) -> (PipelineBuilder, ManualClock) {
    let (mut builder, clock) = builder(spool);
    let output = Choosy {
        gaps: Arc::clone(gaps),
        taken: Arc::clone(taken),
        ends_at,
    };
    builder.stream_output("out", output);
    (builder, clock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stream_output_rejects_or_finds_lost_is_booked_once() {
    let spool = MemorySpool::default();
    let (taken, gaps) = (Shared::default(), Shared::default());
    let (builder, clock) = choosy(&spool, u64::MAX, &taken, &gaps);
    tokio::task::spawn_blocking(move || {
        let pipeline = builder.start().unwrap();
        let control = pipeline.control();
        let pattern = "out".parse().unwrap();
        wait_until("the first is taken", || taken.lock().len() == 1);
        control.pause(&pattern).unwrap();
        for _ in 0..2 {
            clock.advance(SECOND);
            control.ping().unwrap();
        }
        wait_until("two more wait", || spool.kept().len() == 2);
        spool.lose_one();
        clock.advance(SECOND);
        control.ping().unwrap();
        wait_until("three wait", || spool.kept().len() == 3);
        assert_eq!(account(&pipeline).buffered, 3);
        assert_eq!(*taken.lock(), [1], "it rests");
        control.resume(&pattern).unwrap();
        wait_until("the rest is taken", || taken.lock().len() == 3);
        assert_eq!(*taken.lock(), [1, 2, 4]);
        assert_eq!(*gaps.lock(), 1);
        wait_until("all are booked", || account(&pipeline).buffered == 0);
        wait_until("the spool has nothing more", || spool.kept().is_empty());
        let account = account(&pipeline);
        assert_eq!(account.delivered, 1);
        assert_eq!(account.dropped[&DropReason::Rejected], 2);
        assert_eq!(account.dropped[&DropReason::SpoolFull], 1);
        let report = pipeline.stop(PATIENCE);
        assert!(report.is_complete(), "{report:?}");
        assert_balanced(&report.ledger);
        assert_eq!(spool.kept(), [] as [u64; 0]);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_output_that_has_ended_leaves_nothing_in_the_spool() {
    let spool = MemorySpool::default();
    let taken = Shared::default();
    let (builder, clock) = choosy(&spool, 3, &taken, &Shared::default());
    tokio::task::spawn_blocking(move || {
        let pipeline = builder.start().unwrap();
        for expected in 1..4 {
            wait_until("it is taken", || taken.lock().len() == expected);
            clock.advance(SECOND);
        }
        wait_until("the output has ended", || {
            status_of(&pipeline, "out").state == ElementState::Ended
        });
        assert_eq!(
            status_of(&pipeline, "out").last_error.as_deref(),
            Some("the server wants no more")
        );
        wait_until("all are booked", || account(&pipeline).dropped_total() == 3);
        let account = account(&pipeline);
        assert_eq!((account.delivered, account.buffered), (1, 0));
        assert_eq!(account.dropped[&DropReason::OutputEnded], 2);
        wait_until("the spool forgets it", || !spool.follows("embedded/out"));
        assert_balanced(&pipeline.stop(PATIENCE).ledger);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_output_without_records_sleeps() {
    let spool = MemorySpool::default();
    let taken = Shared::default();
    let (builder, _) = choosy(&spool, u64::MAX, &taken, &Shared::default());
    tokio::task::spawn_blocking(move || {
        let pipeline = builder.start().unwrap();
        wait_until("the first is taken", || taken.lock().len() == 1);
        let before = spool.reads();
        std::thread::sleep(Duration::from_millis(100));
        let reads = spool.reads() - before;
        assert!(reads < 5, "{reads} looks for records");
        drop(pipeline);
    })
    .await
    .unwrap();
}

/// Keeps what it is given and how much waited then; fails once at the fourth, which it has not acknowledged.
#[derive(Default)]
struct Clumsy {
    seen: Arc<Mutex<Vec<(u64, u64)>>>,
    failed: bool,
}

#[async_trait]
impl StreamOutput for Clumsy {
    async fn run(&mut self, records: &mut Records, _: CancellationToken) -> Result<(), Failure> {
        while let Some(item) = records.next().await? {
            self.seen.lock().push((item.last(), records.waiting()));
            if item.last() == 4 && !std::mem::replace(&mut self.failed, true) {
                return Err(Failure::retry("the connection is cut"));
            }
            if let Spooled::Record(record) = item {
                records.acknowledge(record.sequence);
            }
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_that_a_stream_output_is_given_twice_is_booked_once() {
    let spool = MemorySpool::default();
    let (mut builder, clock) = builder(&spool);
    let output = Clumsy::default();
    let seen = Arc::clone(&output.seen);
    builder.stream_output("out", output);
    tokio::task::spawn_blocking(move || {
        let pipeline = builder.start().unwrap();
        let control = pipeline.control();
        let pattern = "out".parse().unwrap();
        wait_until("the first is done", || account(&pipeline).delivered == 1);
        control.pause(&pattern).unwrap();
        for kept in [&[2][..], &[2, 3], &[2, 3, 4]] {
            clock.advance(SECOND);
            wait_until("one more waits", || spool.kept() == kept);
            // It may have looked for the second one before it was paused, but not for the third.
            if kept.len() == 2 {
                spool.lose_one();
            }
        }
        control.resume(&pattern).unwrap();
        wait_until("all are booked", || account(&pipeline).buffered == 0);
        assert_eq!(*seen.lock(), [(1, 1), (2, 3), (3, 2), (4, 2), (3, 2), (4, 2)]);
        let account = account(&pipeline);
        assert_eq!((account.delivered, account.dropped_total()), (3, 1));
        assert_eq!(account.dropped[&DropReason::SpoolFull], 1);
        assert!(pipeline.stop(PATIENCE).is_complete());
    })
    .await
    .unwrap();
}

/// Has nothing to do.
struct Done;

#[async_trait]
impl StreamOutput for Done {
    async fn run(&mut self, _: &mut Records, _: CancellationToken) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_output_that_returns_has_ended() {
    let spool = MemorySpool::default();
    let (mut builder, _) = builder(&spool);
    builder.stream_output("out", Done);
    tokio::task::spawn_blocking(move || {
        let pipeline = builder.start().unwrap();
        wait_until("the output has ended", || {
            status_of(&pipeline, "out").state == ElementState::Ended
        });
        wait_until("the spool forgets it", || !spool.follows("embedded/out"));
        wait_until("the sample is booked", || account(&pipeline).dropped_total() == 1);
        assert_eq!(account(&pipeline).dropped[&DropReason::OutputEnded], 1);
    })
    .await
    .unwrap();
}

/// Tells of its troubles, as the test says.
struct Talking(Arc<Mutex<Option<&'static str>>>);

#[async_trait]
impl StreamOutput for Talking {
    async fn run(&mut self, records: &mut Records, stop: CancellationToken) -> Result<(), Failure> {
        while !stop.is_cancelled() && !records.is_closed() {
            match *self.0.lock() {
                Some(error) => records.failed(&Failure::retry(error)),
                None => records.recovered(),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_sees_whether_a_stream_output_can_deliver() {
    let spool = MemorySpool::default();
    let (mut builder, _) = builder(&spool);
    let trouble = Arc::new(Mutex::new(Some("connection refused")));
    builder.stream_output("out", Talking(Arc::clone(&trouble)));
    tokio::task::spawn_blocking(move || {
        let pipeline = builder.start().unwrap();
        let is = |state| move |pipeline: &Pipeline| status_of(pipeline, "out").state == state;
        let (failing, running) = (is(ElementState::Failing), is(ElementState::Running));
        wait_until("it fails", || failing(&pipeline));
        *trouble.lock() = None;
        wait_until("it works again", || running(&pipeline));
        let status = status_of(&pipeline, "out");
        assert_eq!(status.last_error.as_deref(), Some("connection refused"));
        assert_eq!(status.failures_in_a_row, 0);
        let report = pipeline.stop(PATIENCE);
        assert!(
            report.is_complete(),
            "what it did not take waits for the next start: {report:?}"
        );
        assert!(account(&pipeline).spooled > 0);
    })
    .await
    .unwrap();
}

/// Waits until it is told that there is no time left.
struct Waiting;

#[async_trait]
impl StreamOutput for Waiting {
    async fn run(&mut self, _: &mut Records, stop: CancellationToken) -> Result<(), Failure> {
        stop.cancelled().await;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_output_is_told_when_there_is_no_time_left() {
    let spool = MemorySpool::default();
    let (mut builder, _) = builder(&spool);
    builder.stream_output("out", Waiting);
    tokio::task::spawn_blocking(move || {
        let pipeline = builder.start().unwrap();
        let report = pipeline.stop(Duration::from_millis(50));
        wait_until("it has ended", || {
            status_of(&pipeline, "out").state == ElementState::Ended
        });
        assert_balanced(&report.ledger);
        let account = account(&pipeline);
        assert_eq!(
            (account.spooled, account.dropped_total()),
            (2, 0),
            "both wait for the next start"
        );
    })
    .await
    .unwrap();
}

#[test]
fn a_stream_output_without_a_runtime_is_refused() {
    let spool = MemorySpool::default();
    let (mut builder, _) = builder(&spool);
    builder.stream_output("out", Talking(Arc::default()));
    let error = builder.start().unwrap_err();
    assert!(
        matches!(&error, BuildError::Add(AddError::NoRuntime(_))),
        "{error}"
    );
}
