//! A session: takes messages of a client in their order and hands samples on.
//!
//! Whatever it waits for, something else ends the wait, which no session has to get to first:
//!
//! | it waits for | which is ended by |
//! |---|---|
//! | what a former session of the instance is doing | the end of that session, which is told; or `handshake_timeout` |
//! | a message | the client, or `idle_timeout` once it has begun one |
//! | room in its window, and in that of all clients | commits of the spool |
//! | the ingest queue | the router, which waits for no session |
//! | the time that the client has used up | the clock |
//! | the disk, when the client has said everything, or has sent again what was damaged | commits of the spool |
//! | a client that does not listen to the last that it is told | the clock |
//!
//! From the message to the disk, all but the queue are waited for in `Flow::until`: a newer session of the instance, the end of
//! the server and the end of the connection end them, too, and whoever has room gives it back when it is stored, whatever else it
//! waits for. `flow/model.rs` tries that in many orders.

use std::error::Error;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use alumet_core::attributes::Attributes;
use alumet_core::batch::Batch;
use alumet_core::spool::{Claim, InstanceId, Origin};
use alumet_relay_protocol::v1::client_message::Message;
use alumet_relay_protocol::v1::{self, Ack, ClientMessage, GapReason, ServerMessage, server_message};
use alumet_shared_batch_encoding::{Amendment, DecodeError, Decoder};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::Streaming;

use crate::acknowledge::Answers;
use crate::flow::{Flow, Held};
use crate::frames::Progress;
use crate::refusal::{Reason, Refusal};
use crate::registry::{Instance, Node, Received};
use crate::seat::RunId;
use crate::sequence::Sequence;
use crate::state::Running;

/// How long the last word may wait for a client that does not listen.
const LAST_WORD_PATIENCE: Duration = Duration::from_secs(1);

/// What costs about as much as so many samples: a message, a new metric or series, a gap with its line in the log, and what
/// is read only to be refused.
const MESSAGE_COST: u64 = 32;
const ENTRY_COST: u64 = 8;
const GAP_COST: u64 = 5_000;
const REFUSED_COST: u64 = 125_000;
/// A new session, with the handshake of its connection.
pub(crate) const SESSION_COST: u64 = 5_000;
/// So many bytes of text for each sample are free, which is more than agents send; others cost as much as a sample each time
/// that there are so many, because they are all written to files.
const TEXT_OF_SAMPLE: u64 = 256;
const TEXT_LIKE_A_SAMPLE: u64 = 32;

/// What a session needs that was found out when it began.
pub(crate) struct Begun {
    pub(crate) instance: InstanceId,
    pub(crate) sender: Arc<Instance>,
    /// The run of the client, until it has said something.
    pub(crate) run: Option<RunId>,
    pub(crate) node: Arc<Node>,
    pub(crate) requests: Streaming<ClientMessage>,
    pub(crate) progress: Progress,
    pub(crate) answers: Answers,
    pub(crate) flow: Flow,
    /// What was received of the instance; held as long as the session may hand something on.
    pub(crate) received: OwnedMutexGuard<Received>,
    pub(crate) sequence: Sequence,
    pub(crate) stored: u64,
    /// What the client was asked for, because what was stored of it is damaged.
    pub(crate) wanted: Vec<RangeInclusive<u64>>,
}

/// One session of one client.
pub(crate) struct Session {
    running: Arc<Running>,
    begun: Begun,
    decoder: Decoder,
    /// For what the decoder knows, of what all clients may define.
    series: Option<OwnedSemaphorePermit>,
    amendment: Amendment,
    /// What the message in hand costs, in samples.
    cost: u64,
    was_slowed_down: bool,
}

impl Session {
    pub(crate) fn new(running: Arc<Running>, begun: Begun) -> Self {
        let config = &running.state.config;
        let node = &*begun.node.name;
        Self {
            decoder: Decoder::new(config.limits(node)),
            series: None,
            amendment: Amendment {
                attributes: Attributes::EMPTY.with(config.node_attribute.clone(), node.to_owned()),
                is_exclusive: !config.is_relay(node),
            },
            cost: 0,
            was_slowed_down: false,
            running,
            begun,
        }
    }

    /// Serves until one of both sides has enough, and tells the client why.
    pub(crate) async fn run(mut self) -> Result<(), Refusal> {
        let last_call = CancellationToken::new();
        let acknowledging = self
            .begun
            .flow
            .acknowledging(self.begun.stored, last_call.clone());
        let mut acknowledging = AbortOnDropHandle::new(tokio::spawn(acknowledging));
        let result = match self.take_all().await {
            // The client has said everything.
            Ok(()) => self.begun.flow.stored(self.begun.received.last).await,
            refused => refused,
        };
        if result.is_ok() {
            // Or the session would be over before the client hears that the last of it is stored.
            last_call.cancel();
            let _ = timeout(LAST_WORD_PATIENCE, &mut acknowledging).await;
        }
        drop(acknowledging);
        self.running.tasks.spawn(self.begun.flow.leave());
        if self.amendment.is_exclusive {
            self.begun.received.leave();
        }
        if let Err(refusal) = &result {
            // Room may come when the client reads what is before it.
            let last = self.begun.answers.send(Err(refusal.status()));
            let _ = timeout(LAST_WORD_PATIENCE, last).await;
        }
        result
    }

    async fn take_all(&mut self) -> Result<(), Refusal> {
        loop {
            self.rest().await?;
            let message = self.next().await?;
            if message.is_some()
                && let Some(run) = self.begun.run.take()
            {
                self.begun.sender.seat.lock().lives(&run);
            }
            let bytes = self.begun.progress.take_bytes();
            self.begun.node.bytes.add(bytes);
            self.cost = MESSAGE_COST;
            let Some(message) = message else {
                return Ok(());
            };
            let taken = self.take(message).await;
            if let Err(refusal) = &taken
                && matches!(refusal.reason, Reason::Message | Reason::Limit | Reason::Identity)
            {
                self.cost = REFUSED_COST;
            }
            let now = std::time::Instant::now();
            self.begun.node.pay([bytes, self.cost, 1], now);
            taken?;
        }
    }

    async fn take(&mut self, message: Message) -> Result<(), Refusal> {
        match message {
            Message::Hello(_) => Err(wrong(
                "the session has begun already; `Hello` is its first message only",
            )),
            Message::Definitions(definitions) => self.define(definitions),
            Message::Batch(batch) => self.take_batch(batch).await,
            Message::Gap(gap) => self.take_gap(&gap).await,
        }
    }

    /// While the node has sent more than it may, nothing is read.
    async fn rest(&mut self) -> Result<(), Refusal> {
        loop {
            let until = self.begun.node.rests_until(std::time::Instant::now());
            let Some(until) = until else { return Ok(()) };
            if !std::mem::replace(&mut self.was_slowed_down, true) {
                let node = &self.begun.node.name;
                tracing::info!(
                    %node,
                    "a node sends more than `max_samples_per_second` or `max_bytes_per_second` allows, and is slowed down; the rest \
                     waits in its spool"
                );
            }
            self.begun.flow.until(sleep_until(until.into())).await?;
        }
    }

    /// The next message; `None` when the client has no more. It may take as long as it wants to begin a message, but not to
    /// finish it.
    async fn next(&mut self) -> Result<Option<Message>, Refusal> {
        let patience = *self.running.state.config.idle_timeout;
        // What waited here while the server was busy is not the fault of the client.
        let begun = Instant::now();
        let mut deadline = begun + patience;
        loop {
            let message = timeout_at(deadline, self.begun.requests.message());
            let message = self.begun.flow.until(message).await?;
            match message {
                Ok(Ok(None)) => return Ok(None),
                Ok(Ok(Some(came))) => {
                    came.verify()?;
                    if came.message.is_some() {
                        return Ok(came.message);
                    }
                    // Nothing.
                    deadline = Instant::now() + patience;
                }
                Ok(Err(status)) => return Err(broken(&status)),
                Err(_) => {
                    let (now, since) = (Instant::now(), self.begun.progress.incomplete_since());
                    deadline = since.map_or(now, |since| since.max(begun)) + patience;
                    if deadline <= now {
                        return Err(too_slow("a message was not complete", patience));
                    }
                }
            }
        }
    }

    fn define(&mut self, definitions: v1::Definitions) -> Result<(), Refusal> {
        let definitions = alumet_core::spool::Definitions {
            generation: definitions.generation,
            first: definitions.first,
            count: definitions.count,
            payload: definitions.payload.as_ref().into(),
        };
        let Running { state, sink, .. } = &*self.running;
        // For the time being, room for all of them; more than one client may have is refused below.
        let most = state.config.limits(&self.begun.node.name).dictionary_entries;
        let count = definitions.count.min(u32::try_from(most).unwrap_or(u32::MAX));
        let Ok(room) = Arc::clone(&state.series).try_acquire_many_owned(count) else {
            let message = "all clients together have as many metrics and series as `max_series` of the server allows; raise it, \
                           or use several servers";
            return Err(Refusal::new(Reason::Limit, message));
        };
        self.cost += ENTRY_COST * u64::from(definitions.count);
        let defined = self.decoder.define(&definitions, sink.catalog(), &self.amendment);
        let held = match self.series.take() {
            Some(mut held) => {
                held.merge(room);
                held
            }
            None => room,
        };
        let held = self.series.insert(held);
        drop(held.split(held.num_permits().saturating_sub(self.decoder.entries())));
        defined.map_err(|error| match error {
            DecodeError::Foreign { key, found } => {
                let (node, found) = (&self.begun.node.name, found.escape_debug());
                let message = format!(
                    "`{node}` sends a series with the attribute {key}={found}; only nodes in `relays` of the server may do that"
                );
                Refusal::new(Reason::Identity, message)
            }
            error => not_decoded("the definitions", &error),
        })
    }

    async fn take_batch(&mut self, message: v1::Batch) -> Result<(), Refusal> {
        let sequence = message.sequence;
        if !self.is_new(message.previous, sequence, sequence)? {
            return Ok(());
        }
        let mut batch = self.decode(&message)?;
        batch.set_origin(Origin {
            instance: self.begun.instance,
            sequence,
            checksum: message.checksum,
        });
        self.hand_on(batch, sequence, message.payload.len()).await?;
        self.begun.node.samples.add(message.samples.into());
        Ok(())
    }

    fn decode(&mut self, message: &v1::Batch) -> Result<Batch, Refusal> {
        let name = format!("batch {}", message.sequence);
        let mut batch = self.running.sink.batch();
        let decoded = self
            .decoder
            .decode(message.generation, &message.payload, &mut batch)
            .map_err(|error| not_decoded(&name, &error))?;
        let samples = batch.len() as u64;
        let more_text = decoded.text_bytes.saturating_sub(samples * TEXT_OF_SAMPLE);
        self.cost += samples + more_text / TEXT_LIKE_A_SAMPLE;
        if let Some(progress) = decoded
            .watermark
            // What comes again is behind its stream.
            .filter(|_| !self.begun.sequence.has(message.sequence))
            .and_then(|watermark| self.begun.received.progress(watermark))
        {
            batch.set_progress(progress);
        }
        let samples = batch.len();
        if samples == 0 || samples != message.samples as usize {
            let said = message.samples;
            return Err(wrong(format!(
                "{name} has {samples} samples although it says {said}"
            )));
        }
        Ok(batch)
    }

    /// What the client lost becomes a sample, and is acknowledged like a batch when that is stored.
    async fn take_gap(&mut self, gap: &v1::Gap) -> Result<(), Refusal> {
        if !self.is_new(gap.previous, gap.first, gap.last)? {
            return Ok(());
        }
        self.cost = GAP_COST;
        let reason = gap_reason(gap.reason());
        let node = &self.begun.node;
        tracing::warn!(
            node = %node.name, reason, samples = gap.samples, first = gap.first, last = gap.last,
            "a client lost samples before it could send them"
        );
        let Running { state, sink, .. } = &*self.running;
        let mut batch = sink.batch();
        {
            let mut gaps = node.gaps.lock();
            let tally = gaps.entry(reason).or_default();
            tally.add(gap.samples);
            tally.tell(&mut batch, node.since, sink.now().wall, || {
                let of_node = state.of_node(sink.catalog(), state.metrics.gap_samples, &node.name);
                of_node.attribute("reason", reason).register()
            });
        }
        batch.set_origin(Origin {
            instance: self.begun.instance,
            sequence: gap.last,
            checksum: 0,
        });
        self.hand_on(batch, gap.last, 0).await
    }

    /// Counts what is not.
    fn is_new(&self, previous: u64, first: u64, last: u64) -> Result<bool, Refusal> {
        let is_wanted = || self.begun.wanted.iter().any(|numbers| numbers.contains(&last));
        let is_new = self.begun.sequence.is_new(previous, first, last)? || is_wanted();
        self.begun.node.duplicates.add(u64::from(!is_new));
        Ok(is_new)
    }

    /// Gives a batch to the pipeline when there is room. That is not interrupted, so that it is known what the pipeline has.
    async fn hand_on(&mut self, batch: Batch, last: u64, payload: usize) -> Result<(), Refusal> {
        let state = Arc::clone(&self.running.state);
        let _waits = Arc::clone(&state.waits);
        let room = self.begun.flow.room(payload, batch.len()).await?;
        if self.begun.sequence.has(last) {
            return self.hand_on_again(batch, last, room).await;
        }
        let sent = self.running.sink.send(batch).await;
        sent.map_err(|_| stopping())?;
        state.taken.fetch_add(1, Ordering::Relaxed);
        self.begun.sequence.received(last);
        self.begun.received.last = last;
        self.begun.flow.sent(last, room);
        Ok(())
    }

    /// The same for what was stored before and is damaged. Its number tells nobody when it is stored, so that is waited for.
    async fn hand_on_again(&mut self, batch: Batch, last: u64, _room: Held) -> Result<(), Refusal> {
        let state = Arc::clone(&self.running.state);
        let instance = self.begun.instance;
        let claim = || state.spool.claim(instance, last);
        if claim() == Claim::Granted {
            let sent = self.running.sink.send(batch).await;
            sent.map_err(|_| stopping())?;
            state.taken.fetch_add(1, Ordering::Relaxed);
        }
        let is_stored = || claim() == Claim::Void;
        self.begun.flow.stored_again(is_stored).await?;
        let ack = server_message::Message::Ack(Ack { sequence: last });
        let answers = self.begun.answers.clone();
        let told = answers.send(Ok(ServerMessage::sealed(ack)));
        // One who has gone needs none.
        let _ = self.begun.flow.until(told).await?;
        Ok(())
    }
}

/// An error while reading: what was found out about the body of the request, or what came is no message.
pub(crate) fn broken(status: &tonic::Status) -> Refusal {
    let found = status
        .source()
        .and_then(|source| source.downcast_ref::<Refusal>());
    let message = || format!("what came is no message of the protocol: {}", status.message());
    found.cloned().unwrap_or_else(|| wrong(message()))
}

pub(crate) fn too_slow(what: &str, limit: Duration) -> Refusal {
    let limit = alumet_core::duration::HumanDuration(limit);
    Refusal::new(Reason::Slow, format!("{what} after {limit}"))
}

pub(crate) fn wrong(message: impl Into<String>) -> Refusal {
    Refusal::new(Reason::Message, message)
}

pub(crate) fn stopping() -> Refusal {
    Refusal::new(Reason::Unavailable, "the server stops; try again later")
}

/// Nobody is told any more what is stored.
pub(crate) fn begin_anew() -> Refusal {
    let message =
        "what was acknowledged is damaged here and wanted again, or the server stops; begin another session";
    Refusal::new(Reason::Unavailable, message)
}

pub(crate) fn taken_over() -> Refusal {
    Refusal::new(Reason::Replaced, "a newer session of the same instance took over")
}

fn not_decoded(what: &str, error: &DecodeError) -> Refusal {
    let (reason, key) = match error {
        DecodeError::TooLarge { what, .. } if what.ends_with("of the dictionary") => {
            (Reason::Limit, ", which is `max_series_per_client` of the server")
        }
        DecodeError::TooLarge { .. } => (Reason::Limit, ""),
        _ => (Reason::Message, ""),
    };
    Refusal::new(reason, format!("{what} cannot be read: {error}{key}"))
}

const fn gap_reason(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Unspecified => "unknown",
        GapReason::Full => "full",
        GapReason::Expired => "expired",
        GapReason::Damaged => "damaged",
        GapReason::TooLarge => "too_large",
    }
}
