//! Messages on their way to the servers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use alumet_core::Failure;
use alumet_core::spool::InstanceId;
use alumet_shared_nats::{Connector, NODE_HEADER, Session, with_causes};
use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::config::{Config, Format, Subjects};

/// Publishes the messages of one record after the other.
///
/// A server recognises a message that comes again by its `Nats-Msg-Id`, but only for a while. So those of a subject are sent one
/// after the other, and with a new connection the last one there is asked for: everything up to it is stored.
pub(crate) struct Publisher {
    connector: Connector,
    node: String,
    /// Tells messages of the same record that were made in another way.
    kind: &'static str,
    open: Mutex<Option<Open>>,
}

/// A connection in good order.
struct Open {
    session: Session,
    /// The last message of this sender on each subject, as the server has said it since the connection stands.
    last: HashMap<Arc<str>, Option<MessageId>>,
}

/// The identity of a message: `<instance>-<record>-<kind>-<part>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageId {
    /// The identity under which the record counts.
    pub(crate) instance: InstanceId,
    /// The number of the record.
    pub(crate) sequence: u64,
    kind: &'static str,
    part: usize,
}

/// A message that is to be sent.
struct Outgoing {
    id: MessageId,
    body: Bytes,
}

impl Publisher {
    /// One that connects when there is something to send.
    pub(crate) fn new(connector: Connector, config: &Config, node: String) -> Self {
        Self {
            connector,
            node,
            kind: match (config.format, config.subjects) {
                (Format::Batch, Subjects::Node) => "bn",
                (Format::Batch, Subjects::Gpu) => "bg",
                (Format::Json, Subjects::Node) => "jn",
                (Format::Json, Subjects::Gpu) => "jg",
            },
            open: Mutex::new(None),
        }
    }

    /// Publishes the messages of a record until the stream has them all.
    ///
    /// # Errors
    /// Why it does not; the record comes again.
    pub(crate) async fn publish(
        &self,
        instance: InstanceId,
        sequence: u64,
        messages: BTreeMap<Arc<str>, Vec<Bytes>>,
    ) -> Result<(), Failure> {
        // Whatever ends this early, the connection is not used again: what was sent through it may still arrive.
        let mut place = self.open.lock().await;
        let mut open = match place.take() {
            Some(open) => open,
            None => Open {
                session: self.connector.open().await?,
                last: HashMap::new(),
            },
        };
        let mut part = 0;
        let mut sending = JoinSet::new();
        for (subject, bodies) in messages {
            let outgoing = bodies.into_iter().map(|body| {
                part += 1;
                let id = MessageId {
                    instance,
                    sequence,
                    kind: self.kind,
                    part,
                };
                Outgoing { id, body }
            });
            let lane = Lane {
                context: open.session.context.clone(),
                stream: open.session.stream.clone(),
                node: self.node.clone(),
                last: open.last.get(&subject).copied(),
                subject,
            };
            sending.spawn(lane.send(outgoing.collect()));
        }
        let Open { session, last } = &mut open;
        session
            .within(async {
                while let Some(sent) = sending.join_next().await {
                    let (subject, found) = sent.map_err(Failure::retry)??;
                    last.insert(subject, found);
                }
                Ok(())
            })
            .await?;
        *place = Some(open);
        Ok(())
    }
}

/// What is sent to one subject.
struct Lane {
    context: Context,
    stream: Stream,
    node: String,
    subject: Arc<str>,
    /// The last message there, if it was asked for.
    last: Option<Option<MessageId>>,
}

impl Lane {
    /// Sends what the stream does not have.
    async fn send(self, messages: Vec<Outgoing>) -> Result<(Arc<str>, Option<MessageId>), Failure> {
        let last = match self.last {
            Some(last) => last,
            None => self.find_last(messages.first()).await?,
        };
        for Outgoing { id, body } in messages {
            if last.is_some_and(|last| id.is_at_or_before(last)) {
                continue;
            }
            let mut headers = HeaderMap::new();
            headers.insert(NATS_MESSAGE_ID, id.to_string());
            headers.insert(NODE_HEADER, self.node.as_str());
            let message = PublishMessage::build().payload(body).headers(headers);
            let sending = self.context.send_publish(self.subject.to_string(), message).await;
            sending
                .map_err(|error| self.not_published(&error))?
                .await
                .map_err(|error| self.not_published(&error))?;
        }
        Ok((self.subject, last))
    }

    /// The last message of the same sender on the subject.
    async fn find_last(&self, like: Option<&Outgoing>) -> Result<Option<MessageId>, Failure> {
        let Some(Outgoing { id, .. }) = like else {
            return Ok(None);
        };
        match self.stream.get_last_raw_message_by_subject(&self.subject).await {
            Ok(message) => {
                let found = message.headers.get(NATS_MESSAGE_ID);
                Ok(found.and_then(|found| id.read_like(found.as_str())))
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(Failure::retry(format!(
                "the NATS server does not say which message is the last on {} ({}); let the user publish to \
                 `$JS.API.STREAM.MSG.GET.>`",
                self.subject,
                with_causes(&error)
            ))),
        }
    }

    fn not_published(&self, error: &PublishError) -> Failure {
        let subject = &self.subject;
        Failure::retry(match error.kind() {
            PublishErrorKind::StreamNotFound => format!(
                "no stream takes the subject {subject}, or it has no leader at the moment; add the subject to the stream, or change \
                 `subject_prefix`"
            ),
            PublishErrorKind::TimedOut => {
                format!(
                    "the NATS server has not acknowledged a message to {subject} in time; check that it is well"
                )
            }
            PublishErrorKind::MaxPayloadExceeded => format!(
                "the NATS server takes no message as large as one to {subject} ({}); set its `max_payload` to 1 MB or more",
                with_causes(error)
            ),
            _ => format!(
                "the NATS server refuses a message to {subject}: {}",
                with_causes(error)
            ),
        })
    }
}

impl MessageId {
    /// Whether this one was sent before the other, or is that.
    fn is_at_or_before(self, other: Self) -> bool {
        (self.sequence, self.part) <= (other.sequence, other.part)
    }

    /// Reads the identity of a message of the same sender and kind.
    fn read_like(self, text: &str) -> Option<Self> {
        let mut words = text.split('-');
        let of_sender = words.next() == Some(&*self.instance.to_string());
        let sequence = words.next()?.parse().ok()?;
        let of_kind = words.next() == Some(self.kind);
        let part = words.next()?.parse().ok()?;
        (of_sender && of_kind).then_some(Self {
            sequence,
            part,
            ..self
        })
    }
}

impl std::fmt::Display for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}-{}-{}-{}",
            self.instance, self.sequence, self.kind, self.part
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(sequence: u64, part: usize) -> MessageId {
        MessageId {
            instance: InstanceId([7; 16]),
            sequence,
            kind: "bn",
            part,
        }
    }

    #[test]
    fn an_identity_is_read_back_and_one_of_another_sender_or_kind_is_not() {
        let text = id(12, 3).to_string();
        assert_eq!(id(1, 1).read_like(&text), Some(id(12, 3)));
        for other in [
            text.replace("07", "08"),
            text.replace("bn", "jg"),
            String::new(),
            "1-2".to_owned(),
        ] {
            assert_eq!(id(1, 1).read_like(&other), None, "{other}");
        }
    }

    #[test]
    fn what_is_stored_is_everything_up_to_the_last() {
        let last = id(12, 3);
        for (one, is_stored) in [
            (id(12, 3), true),
            (id(12, 2), true),
            (id(11, 9), true),
            (id(12, 4), false),
            (id(13, 1), false),
        ] {
            assert_eq!(one.is_at_or_before(last), is_stored, "{one}");
        }
    }
}
