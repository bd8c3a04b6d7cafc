//! The source: fetches messages while it runs, and reports what it did.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::pipeline::EventSink;
use alumet_core::source::EventSource;
use alumet_core::spool::Spool;
use alumet_shared_nats::{Connector, with_causes};
use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::{ConsumerErrorKind, Stream};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::collect::Collector;
use crate::config::Config;
use crate::dead_letters::DeadLetters;
use crate::decode::Messages;
use crate::floor::Floor;
use crate::marks::Marks;
use crate::report::{Counts, Report};

/// Takes messages of a stream.
pub(crate) struct NatsSource {
    connector: Connector,
    config: Config,
    spool: Arc<dyn Spool>,
    counts: Arc<Counts>,
    report: Arc<Mutex<Report>>,
    /// What works on messages of the stream with that identity; it outlives connections.
    collector: Option<(String, Arc<Collector>)>,
    tasks: TaskTracker,
    /// Ends what is still waited for.
    end: CancellationToken,
    _end_with_this: DropGuard,
}

/// How often it reports what it did.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// The server gives no message up: it would tell only those who are there at that moment. A collector counts instead.
const UNLIMITED: i64 = -1;
/// How long the last messages may take until they are stored.
const GRACE: Duration = Duration::from_secs(5);
/// How many messages before the last that is stored here are asked for again when the consumer was deleted: no more may be on
/// their way at once.
const ASKED_AGAIN: u64 = 8192;

impl NatsSource {
    /// A source that connects when it runs.
    pub(crate) fn new(connector: Connector, config: Config, spool: Arc<dyn Spool>, report: Report) -> Self {
        let end = CancellationToken::new();
        Self {
            connector,
            config,
            spool,
            counts: Arc::default(),
            report: Arc::new(Mutex::new(report)),
            collector: None,
            tasks: TaskTracker::new(),
            _end_with_this: end.clone().drop_guard(),
            end,
        }
    }

    /// What works on the messages of this stream.
    fn collector(&mut self, stream: &Stream, out: &EventSink) -> Arc<Collector> {
        let info = stream.cached_info();
        // A stream that is made anew counts from 1 again.
        let identity = format!(
            "{} {} {}",
            info.config.name,
            info.created.unix_timestamp_nanos(),
            self.config.durable
        );
        if let Some((of, collector)) = &self.collector
            && *of == identity
        {
            return Arc::clone(collector);
        }
        let collector = Arc::new(Collector {
            marks: Marks::new(Arc::clone(&self.spool), &identity),
            messages: Messages::new(self.config.node_attribute.clone()),
            dead_letters: DeadLetters::new(&self.config),
            floor: Floor::default(),
            counts: Arc::clone(&self.counts),
            sink: out.clone(),
            ack_wait: *self.config.ack_wait,
            max_deliver: self.config.max_deliver,
        });
        self.collector = Some((identity, Arc::clone(&collector)));
        collector
    }

    /// The consumer, which is made if there is none. One that was deleted begins near the last message that is stored here.
    async fn consumer(&self, stream: &Stream, marks: &Marks) -> Result<PullConsumer, Failure> {
        let name = &self.config.durable;
        let mut wanted = PullConfig {
            durable_name: Some(name.clone()),
            description: Some("Alumet stores what it takes".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: *self.config.ack_wait,
            max_deliver: UNLIMITED,
            max_ack_pending: self.config.max_ack_pending.into(),
            ..PullConfig::default()
        };
        if let Err(error) = stream.consumer_info(name).await
            && matches!(error.kind(), ConsumerInfoErrorKind::NotFound)
            && let Some(start_sequence @ 1..) = marks.last().await.checked_sub(ASKED_AGAIN)
        {
            wanted.deliver_policy = DeliverPolicy::ByStartSequence { start_sequence };
        }
        let consumer = stream
            .get_or_create_consumer(name, wanted.clone())
            .await
            .map_err(|error| {
                let mend = match error.kind() {
                    ConsumerErrorKind::InvalidConsumerType => {
                        "; it is a push consumer: choose another name in `durable`"
                    }
                    _ => "",
                };
                Failure::retry(format!(
                    "the consumer {name} cannot be used: {}{mend}",
                    with_causes(&error)
                ))
            })?;
        let found = &consumer.cached_info().config;
        if found.ack_policy != AckPolicy::Explicit {
            return Err(Failure::retry(format!(
                "the consumer {name} is there and does not want each message acknowledged; delete it, or choose another name in \
                 `durable`"
            )));
        }
        if (found.ack_wait, found.max_deliver, found.max_ack_pending)
            != (wanted.ack_wait, wanted.max_deliver, wanted.max_ack_pending)
        {
            tracing::warn!(
                consumer = name, ack_wait = ?found.ack_wait, max_deliver = found.max_deliver, max_ack_pending = found.max_ack_pending,
                "the consumer is there and differs from the configuration; it is used as it is. A `max_deliver` other than -1 loses messages: \
                 change it with `nats consumer edit --max-deliver=-1`"
            );
        }
        Ok(consumer)
    }
}

#[async_trait]
impl EventSource for NatsSource {
    async fn run(&mut self, out: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        let counts = Arc::clone(&self.counts);
        let tasks = self.tasks.clone();
        out.on_status(move || (!tasks.is_empty()).then(|| counts.taken.load(Ordering::Relaxed)));
        let session = tokio::select! {
            session = self.connector.open() => session?,
            () = stop.cancelled() => return Ok(()),
        };
        let collector = self.collector(&session.stream, &out);
        let reporting = report(Arc::clone(&self.report), Arc::clone(&collector), out.clone());
        let _reporting = AbortOnDropHandle::new(tokio::spawn(reporting));
        let working = async {
            let replicas = session.stream.cached_info().config.num_replicas;
            collector.dead_letters.prepare(&session.context, replicas).await?;
            let consumer = self.consumer(&session.stream, &collector.marks).await?;
            tracing::info!(
                servers = self.connector.servers(),
                stream = self.config.stream.name,
                consumer = self.config.durable,
                workers = self.config.workers,
                "taking messages"
            );
            let following = collector.floor.follow(&consumer);
            let fetching = self.fetch_all(&collector, &consumer);
            tokio::select! {
                result = following => result,
                result = fetching => result,
            }
        };
        let result = tokio::select! {
            result = session.within(working) => result,
            () = stop.cancelled() => Ok(()),
        };
        if stop.is_cancelled() {
            self.tasks.close();
            if timeout(GRACE, self.tasks.wait()).await.is_err() {
                tracing::warn!("some messages were not stored in time; they are delivered again");
            }
            self.end.cancel();
            return Ok(());
        }
        result
    }
}

impl NatsSource {
    /// Fetches messages in all loops until one of them cannot go on.
    async fn fetch_all(&self, collector: &Arc<Collector>, consumer: &PullConsumer) -> Result<(), Failure> {
        // Each loop asks for its share, half of which it has while the other half is on its way.
        let share = (self.config.max_ack_pending as usize / self.config.workers / 2).max(1);
        let mut loops = tokio::task::JoinSet::new();
        for _ in 0..self.config.workers {
            let (collector, consumer) = (Arc::clone(collector), consumer.clone());
            let (tasks, end) = (self.tasks.clone(), self.end.clone());
            loops.spawn(async move {
                let not_fetched = |error: &(dyn std::error::Error + 'static)| {
                    Failure::retry(format!("messages cannot be fetched: {}", with_causes(error)))
                };
                let messages = consumer.stream().max_messages_per_batch(share).messages().await;
                let mut messages = messages.map_err(|error| not_fetched(&error))?;
                while let Some(message) = messages.next().await {
                    let message = message.map_err(|error| not_fetched(&error))?;
                    let (collector, end) = (Arc::clone(&collector), end.clone());
                    // The server gives no more than `max_ack_pending` at once.
                    tasks.spawn(async move { end.run_until_cancelled(collector.take(message)).await });
                }
                Err(Failure::retry("the NATS server gives no more messages"))
            });
        }
        match loops.join_next().await {
            Some(ended) => ended.map_err(Failure::retry)?,
            None => Ok(()),
        }
    }
}

/// Reports now and then, from now on.
async fn report(report: Arc<Mutex<Report>>, collector: Arc<Collector>, out: EventSink) {
    loop {
        let mut batch = out.batch();
        let pending = collector.floor.pending();
        report
            .lock()
            .push(&collector.counts, pending, out.now().wall, &mut batch);
        if out.send(batch).await.is_err() {
            return;
        }
        collector.messages.forget_idle();
        out.catalog().forget_unused_metrics();
        sleep(REPORT_EVERY).await;
    }
}
