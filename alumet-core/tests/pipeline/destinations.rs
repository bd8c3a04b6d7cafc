//! Destinations that take some samples and refuse others, that answer late, that hang, and that go away.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use alumet_core::Value;
use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, OnFull, Output, QueuePolicy, Receipt};
use alumet_core::pipeline::{DropReason, ElementState, OutputAccount, Pipeline, PipelineBuilder};
use alumet_core::plugin::OutputSpec;
use alumet_core::spool::Spooled;
use alumet_core::testkit::ManualClock;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::elements::{Counting, PATIENCE, SECOND, assert_balanced, pass, status_of, wait_until};
use crate::spool::MemorySpool;

const DURABLE: QueuePolicy = QueuePolicy {
    capacity: 1000,
    on_full: OnFull::DropOldest,
    durable: Some(true),
};

/// What a [`Server`] does with a request.
enum Answer {
    Take,
    /// Says this of these samples, by their position.
    Says(fn(&mut Receipt)),
    Fail(Failure),
    /// Answers when the gate is opened.
    Late,
    Never,
}

/// A server in memory, which answers as the script says, and then takes everything.
#[derive(Clone, Default)]
struct Server {
    script: Arc<Mutex<VecDeque<Answer>>>,
    /// What it takes is larger than this.
    limit: Option<usize>,
    gate: Arc<Notify>,
    /// The values of each request, in the order in which they were made.
    requests: Arc<Mutex<Vec<Vec<u64>>>>,
    /// What it has stored, in the order in which it did.
    stored: Arc<Mutex<Vec<u64>>>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    resets: Arc<AtomicUsize>,
}

impl Server {
    fn answering(script: impl IntoIterator<Item = Answer>) -> Self {
        let server = Self::default();
        server.script.lock().extend(script);
        server
    }

    fn requests(&self) -> Vec<Vec<u64>> {
        self.requests.lock().clone()
    }

    fn stored(&self) -> Vec<u64> {
        self.stored.lock().clone()
    }

    #[track_caller]
    fn wait_for_requests(&self, count: usize) {
        wait_until("the requests are made", || self.requests.lock().len() >= count);
    }

    async fn serve(self, values: Vec<u64>, answer: Answer) -> Result<Receipt, Failure> {
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        // Counts down even if it is abandoned.
        let _guest = Guest(Arc::clone(&self.at_once));
        let mut receipt = Receipt::all();
        match answer {
            Answer::Take => {}
            Answer::Says(says) => says(&mut receipt),
            Answer::Fail(failure) => return Err(failure),
            Answer::Late => self.gate.notified().await,
            Answer::Never => std::future::pending().await,
        }
        if self.limit.is_some_and(|limit| values.len() > limit) {
            return Err(Failure::too_large("413 too many points"));
        }
        self.stored.lock().extend(values);
        Ok(receipt)
    }
}

struct Guest(Arc<AtomicUsize>);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Output for Server {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let values: Vec<u64> = delivery
            .samples()
            .map(|sample| match sample.value() {
                Value::U64(value) => value,
                _ => 0,
            })
            .collect();
        self.requests.lock().push(values.clone());
        let answer = self.script.lock().pop_front().unwrap_or(Answer::Take);
        Ok(Delivering::under_way(self.clone().serve(values, answer)))
    }

    fn reset(&mut self) {
        self.resets.fetch_add(1, Ordering::SeqCst);
    }
}

/// A pipeline whose source makes a sample with the next number each second, with an output as `spec` says.
fn pipeline(
    spool: Option<&MemorySpool>,
    server: &Server,
    spec: impl Fn(&mut OutputSpec),
) -> (Pipeline, ManualClock) {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    if let Some(spool) = spool {
        builder = builder.spool(spool.slot());
    }
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    spec(builder.output("out", server.clone()));
    (start(builder), clock)
}

/// Starts a pipeline and waits until the first sample is routed.
fn start(builder: PipelineBuilder) -> Pipeline {
    let pipeline = builder.start().unwrap();
    wait_until("the first sample is routed", || {
        pipeline.control().status().unwrap().ledger.routed == 1
    });
    pipeline
}

fn account(pipeline: &Pipeline) -> OutputAccount {
    let ledger = pipeline.control().status().unwrap().ledger;
    assert_balanced(&ledger);
    ledger.outputs.into_values().next().unwrap()
}

/// Lets so many more samples be made and routed.
fn make(pipeline: &Pipeline, clock: &ManualClock, samples: u64) {
    for _ in 0..samples {
        let routed = || pipeline.control().status().unwrap().ledger.routed;
        let before = routed();
        clock.advance(SECOND);
        wait_until("the sample is routed", || routed() > before);
    }
}

/// Runs the test where it may block, in a runtime for what is under way.
async fn blocking(test: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(test).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_are_accepted_rejected_and_put_off_one_by_one() {
    for spooled in [false, true] {
        blocking(move || {
            let server = Server::answering([
                Answer::Take,
                Answer::Says(|receipt| {
                    receipt.reject(1, "field type conflict");
                    receipt.again(2);
                    receipt.again(4);
                }),
            ]);
            let spool = MemorySpool::default();
            let (pipeline, clock) = pipeline(spooled.then_some(&spool), &server, |spec| {
                spec.joined(5, 100 * SECOND).in_flight(2);
                if spooled {
                    spec.queue(DURABLE);
                }
            });
            pipeline.control().flush().unwrap();
            make(&pipeline, &clock, 5);
            server.wait_for_requests(3);
            assert_eq!(server.requests(), [vec![1], vec![2, 3, 4, 5, 6], vec![4, 6]]);
            wait_until("all are booked", || account(&pipeline).buffered == 0);
            let account = account(&pipeline);
            assert_eq!(account.delivered, 5);
            assert_eq!(account.dropped[&DropReason::Rejected], 1);
            assert!(pipeline.stop(PATIENCE).is_complete());
            assert_eq!(spool.kept(), [] as [u64; 0]);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_comes_again_in_halves_and_a_single_sample_that_is_too_large_is_rejected() {
    for (limit, delivered, rejected) in [(1, 8, 0), (3, 8, 0), (0, 0, 8)] {
        blocking(move || {
            let server = Server {
                limit: Some(limit),
                ..Server::default()
            };
            let spool = MemorySpool::default();
            let (pipeline, clock) = pipeline(Some(&spool), &server, |spec| {
                spec.joined(8, 100 * SECOND).in_flight(3).queue(DURABLE);
            });
            make(&pipeline, &clock, 7);
            wait_until("all are booked", || {
                let account = account(&pipeline);
                account.offered == 8 && account.buffered == 0
            });
            let account = account(&pipeline);
            assert_eq!(account.delivered, delivered);
            assert_eq!(account.dropped_total(), rejected);
            let mut stored = server.stored();
            stored.sort_unstable();
            assert_eq!(stored, (1..=delivered).collect::<Vec<_>>());
            assert_eq!(spool.kept(), [] as [u64; 0]);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_joined_up_to_a_size_and_an_age_and_large_ones_are_cut() {
    blocking(|| {
        let server = Server::default();
        let (pipeline, clock) = pipeline(None, &server, |spec| {
            spec.joined(3, Duration::from_millis(300)).in_flight(1);
        });
        server.wait_for_requests(1);
        assert_eq!(
            server.requests(),
            [[1]],
            "its age counts, although nothing else comes"
        );
        make(&pipeline, &clock, 3);
        server.wait_for_requests(2);
        assert_eq!(server.requests()[1], [2, 3, 4]);
        pipeline.stop(PATIENCE);
        assert_eq!(
            server.stored(),
            [1, 2, 3, 4, 5],
            "the end does not wait for the age"
        );
    })
    .await;
    blocking(|| {
        let server = Server::default();
        let mut builder = PipelineBuilder::with_clock(Arc::new(ManualClock::new()));
        for name in ["a", "b", "c", "d", "e"] {
            let source = Counting::new(builder.catalog(), name);
            builder.source(name, source);
        }
        builder
            .output("out", server.clone())
            .joined(2, Duration::ZERO)
            .in_flight(1);
        let pipeline = builder.start().unwrap();
        server.wait_for_requests(3);
        let sizes: Vec<_> = server.requests().iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert!(pipeline.stop(PATIENCE).is_complete());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_deliveries_are_under_way_as_was_said_and_the_spool_is_told_in_order() {
    blocking(|| {
        let server = Server::answering([Answer::Late, Answer::Take, Answer::Take, Answer::Late]);
        let spool = MemorySpool::default();
        let (pipeline, clock) = pipeline(Some(&spool), &server, |spec| {
            spec.in_flight(2).queue(DURABLE);
        });
        make(&pipeline, &clock, 4);
        // The first waits, the next two pass it, the fourth waits, too.
        server.wait_for_requests(4);
        wait_until("two have passed", || server.stored() == [2, 3]);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(server.requests().len(), 4, "there is no room for a fifth");
        assert_eq!(account(&pipeline).delivered, 0, "the first is not done");
        assert_eq!(spool.kept(), [1, 2, 3, 4, 5]);
        server.gate.notify_one();
        wait_until("the first three are done", || account(&pipeline).delivered >= 3);
        server.gate.notify_one();
        wait_until("all are done", || account(&pipeline).delivered == 5);
        assert_eq!(server.most_at_once.load(Ordering::SeqCst), 2);
        assert_eq!(spool.kept(), [] as [u64; 0]);
        assert!(pipeline.stop(PATIENCE).is_complete());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failure_nothing_new_comes_before_all_have_ended_and_what_failed_has_come_again() {
    blocking(|| {
        let server = Server::answering([Answer::Late, Answer::Fail(Failure::restart("503 restarting"))]);
        let (pipeline, clock) = pipeline(None, &server, |spec| {
            spec.in_flight(3);
        });
        make(&pipeline, &clock, 4);
        wait_until("one has failed", || status_of(&pipeline, "out").failures == 1);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(
            server.requests(),
            [[1], [2]],
            "its pause is over, the other is not"
        );
        assert_eq!(server.resets.load(Ordering::SeqCst), 0);
        server.gate.notify_one();
        wait_until("all are stored", || server.stored().len() == 5);
        assert_eq!(server.requests()[2], [2]);
        assert_eq!(server.resets.load(Ordering::SeqCst), 1);
        assert!(pipeline.stop(PATIENCE).is_complete());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_a_server_asks_for_is_kept_and_who_wants_to_flush_is_told() {
    blocking(|| {
        let pause = Duration::from_millis(900);
        let server = Server::answering([Answer::Fail(Failure::retry_after(pause, "429 slow down"))]);
        let (pipeline, _) = pipeline(None, &server, |spec| {
            spec.in_flight(1);
        });
        wait_until("it has failed", || status_of(&pipeline, "out").failures == 1);
        let failed = Instant::now();
        let error = pipeline.control().flush().unwrap_err().to_string();
        assert!(error.contains("429 slow down"), "{error}");
        server.wait_for_requests(2);
        assert!(failed.elapsed() > pause - Duration::from_millis(100));
        wait_until("it works again", || {
            status_of(&pipeline, "out").state == ElementState::Running
        });
        assert_eq!(server.stored(), [1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_hangs_is_abandoned_and_repeated() {
    blocking(|| {
        let server = Server::answering([Answer::Never, Answer::Never]);
        let (pipeline, clock) = pipeline(None, &server, |spec| {
            spec.in_flight(1).timeout(Duration::from_millis(50));
        });
        pass(&pipeline, &clock, 1);
        assert_eq!(server.requests(), [[1], [1], [1], [2]]);
        assert_eq!(server.stored(), [1, 2]);
        assert_eq!(server.most_at_once.load(Ordering::SeqCst), 1);
        let error = status_of(&pipeline, "out").last_error.unwrap();
        assert!(error.contains("no answer in time"), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_hangs_at_the_end_is_abandoned_before_it_is_booked_as_dropped() {
    blocking(|| {
        let server = Server::answering((0..10).map(|_| Answer::Never));
        let (pipeline, _) = pipeline(None, &server, |spec| {
            spec.in_flight(2);
        });
        server.wait_for_requests(1);
        let report = pipeline.stop(Duration::from_millis(200));
        assert_eq!(report.stuck, [""; 0]);
        let dropped: Vec<_> = report
            .ledger
            .outputs
            .values()
            .map(|account| &account.dropped)
            .collect();
        assert_eq!(dropped[0][&DropReason::Shutdown], 2);
        assert_eq!(server.at_once.load(Ordering::SeqCst), 0, "nobody sends any more");
        assert_balanced(&report.ledger);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_or_hangs_does_not_cost_the_time_of_the_end_when_all_is_in_the_spool() {
    let away: fn() -> Answer = || Answer::Fail(Failure::retry("connection refused"));
    for answer in [away, || Answer::Never] {
        blocking(move || {
            let server = Server::answering((0..100).map(|_| answer()));
            let spool = MemorySpool::default();
            let (pipeline, clock) = pipeline(Some(&spool), &server, |spec| {
                spec.in_flight(2).queue(DURABLE);
            });
            server.wait_for_requests(1);
            make(&pipeline, &clock, 3);
            let started = Instant::now();
            let report = pipeline.stop(60 * SECOND);
            assert!(started.elapsed() < 20 * SECOND, "{:?}", started.elapsed());
            assert!(report.is_complete(), "{report:?}");
            assert_eq!(spool.kept(), [1, 2, 3, 4, 5]);
        })
        .await;
    }
}

/// Cannot say where it stands until it has been asked so often.
struct Forgetful {
    server: Server,
    refuses: u32,
}

impl Output for Forgetful {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        self.server.deliver(delivery)
    }

    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let stored = self.server.stored().len();
        if stored >= 3 && self.refuses > 0 {
            self.refuses -= 1;
            return Err(Failure::retry("the disk is away"));
        }
        Ok(Some(stored.to_le_bytes().to_vec()))
    }
}

#[test]
fn the_last_checkpoint_is_tried_again_while_there_is_time() {
    let clock = ManualClock::new();
    let spool = MemorySpool::default();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone())).spool(spool.slot());
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    let server = Server::default();
    let output = Forgetful {
        server: server.clone(),
        refuses: 3,
    };
    builder.output("out", output).queue(DURABLE);
    let pipeline = start(builder);
    make(&pipeline, &clock, 1);
    let report = pipeline.stop(PATIENCE);
    assert_eq!(server.stored(), [1, 2, 3]);
    let account = report.ledger.outputs.values().next().unwrap();
    assert_eq!(
        (account.delivered, account.buffered),
        (3, 0),
        "none comes again at the next start"
    );
}

#[test]
fn an_output_in_a_thread_may_give_futures_one_at_a_time() {
    let server = Server::answering([Answer::Fail(Failure::retry("503")), Answer::Never]);
    let (pipeline, clock) = pipeline(None, &server, |spec| {
        spec.timeout(Duration::from_millis(50));
    });
    pass(&pipeline, &clock, 2);
    assert_eq!(server.stored(), [1, 2, 3]);
    assert_eq!(server.most_at_once.load(Ordering::SeqCst), 1);
    assert!(pipeline.stop(PATIENCE).is_complete());
}

/// Takes records and the places of lost ones.
#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<(u64, usize)>>>);

impl Output for Records {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let item = delivery
            .record()
            .ok_or_else(|| Failure::end("this is no record"))?;
        assert_eq!(delivery.samples().count(), 0);
        if item.last() == 2 {
            return Err(Failure::skip("it is damaged"));
        }
        if let Spooled::Gap(gap) = item {
            assert_eq!(gap.samples, 1);
        }
        self.0.lock().push((item.last(), delivery.len()));
        Ok(Delivering::done())
    }
}

#[test]
fn an_output_of_records_gets_gaps_and_what_it_skips_is_booked_once() {
    let spool = MemorySpool::default();
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone())).spool(spool.slot());
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    let records = Records::default();
    builder.output("out", records.clone()).encoded();
    let pipeline = start(builder);
    wait_until("the first is taken", || records.0.lock().len() == 1);
    let pattern = "out".parse().unwrap();
    pipeline.control().pause(&pattern).unwrap();
    make(&pipeline, &clock, 2);
    spool.lose_one();
    make(&pipeline, &clock, 1);
    pipeline.control().resume(&pattern).unwrap();
    wait_until("all are booked", || account(&pipeline).buffered == 0);
    assert_eq!(*records.0.lock(), [(1, 1), (3, 0), (4, 1)]);
    let account = account(&pipeline);
    assert_eq!(account.delivered, 2);
    assert_eq!(account.dropped[&DropReason::Rejected], 1);
    assert_eq!(account.dropped[&DropReason::SpoolFull], 1);
    assert!(pipeline.stop(PATIENCE).is_complete());
    assert_eq!(spool.kept(), [] as [u64; 0]);
}
