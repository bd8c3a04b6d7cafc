//! What becomes of a message.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::pipeline::EventSink;
use alumet_shared_nats::NODE_HEADER;
use async_nats::jetstream::message::Info;
use async_nats::jetstream::{AckKind, Message};
use tokio::time::{MissedTickBehavior, interval};

use crate::dead_letters::{DeadLetter, DeadLetters};
use crate::decode::{Messages, Sender};
use crate::floor::Floor;
use crate::marks::{Known, Marks};
use crate::report::Counts;

/// Takes messages, stores them, and acknowledges what is stored.
pub(crate) struct Collector {
    pub(crate) marks: Marks,
    pub(crate) messages: Messages,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) floor: Floor,
    pub(crate) counts: Arc<Counts>,
    pub(crate) sink: EventSink,
    /// After how long without a sign a message is delivered again.
    pub(crate) ack_wait: Duration,
    /// How often a message is delivered before it is a dead letter.
    pub(crate) max_deliver: u32,
}

/// What has become of a message.
enum Fate {
    Stored,
    /// It cannot be read.
    Dead(String),
    /// The pipeline has stopped; it comes again.
    Left,
}

impl Collector {
    /// Takes a message, and says to the server what has become of it.
    pub(crate) async fn take(&self, message: Message) {
        let Ok(Info {
            stream_sequence: sequence,
            delivered,
            ..
        }) = message.info()
        else {
            return;
        };
        let work = self.store(&message, sequence, delivered);
        let fate = self.while_telling(&message, work).await;
        let (kind, confirms) = match fate {
            Fate::Stored => (AckKind::Ack, true),
            Fate::Dead(reason) => {
                let letter = DeadLetter {
                    sequence,
                    subject: message.subject.to_string(),
                    headers: message.headers.clone(),
                    payload: message.payload.clone(),
                    reason,
                };
                if let Err(failure) = self.bury(&message.context, letter).await {
                    // It comes again.
                    tracing::debug!(%failure, "a message cannot become a dead letter now");
                    return;
                }
                (AckKind::Term, false)
            }
            Fate::Left => return,
        };
        let Some(reply) = message.reply.clone() else {
            return;
        };
        // One that is lost lets the message come again, which is recognised.
        let answer = message.context.client().request(reply, kind.into()).await;
        if confirms && answer.is_ok() {
            self.marks.confirm(sequence);
        }
    }

    /// Keeps a message as a dead letter.
    async fn bury(
        &self,
        context: &async_nats::jetstream::Context,
        letter: DeadLetter,
    ) -> Result<(), Failure> {
        self.dead_letters.send(context, letter).await?;
        self.counts.dead_letters.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Tells the server now and then that a message is being worked on.
    async fn while_telling<T>(&self, message: &Message, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut signs = interval(self.ack_wait / 3);
        signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first one is due at once, when the message has just come.
        signs.tick().await;
        loop {
            tokio::select! {
                result = &mut work => return result,
                // Without a connection, somebody else is given the message.
                _ = signs.tick() => drop(message.ack_with(AckKind::Progress).await),
            }
        }
    }

    async fn store(&self, message: &Message, sequence: u64, delivered: i64) -> Fate {
        let checksum = crc32fast::hash(&message.payload);
        // Every message of an earlier run has come again, or is a dead letter, after that time.
        let patience = self.ack_wait * self.max_deliver.saturating_add(1);
        let known = self.marks.enter(sequence, checksum, &self.floor, patience).await;
        let origin = match known {
            Known::New(origin) => origin,
            Known::Stored | Known::UnderWay(_) => {
                self.counts.duplicates.fetch_add(1, Ordering::Relaxed);
                if let Known::UnderWay(origin) = known {
                    self.marks.stored(origin).await;
                }
                return Fate::Stored;
            }
        };
        // Whoever had it before did not live to say what it is.
        let fate = if delivered > self.max_deliver.into() {
            Fate::Dead(format!(
                "it was delivered {} times and never acknowledged",
                delivered - 1
            ))
        } else {
            self.hand_on(message, origin).await
        };
        self.marks.leave(sequence);
        fate
    }

    async fn hand_on(&self, message: &Message, origin: alumet_core::spool::Origin) -> Fate {
        let node = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get(NODE_HEADER));
        let sender = Sender {
            subject: &message.subject,
            node: node.map(|node| node.as_str()),
        };
        let mut batch = self.sink.batch();
        if let Err(reason) = self.messages.read(sender, &message.payload, &mut batch) {
            return Fate::Dead(reason);
        }
        if batch.is_empty() {
            return Fate::Stored;
        }
        batch.set_origin(origin);
        if self.sink.send(batch).await.is_err() {
            return Fate::Left;
        }
        self.counts.taken.fetch_add(1, Ordering::Relaxed);
        self.marks.stored(origin).await;
        Fate::Stored
    }
}
