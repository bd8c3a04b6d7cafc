//! What happens in a session: records go out as they come, acknowledgements come back.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use alumet_core::spool::{Record, Spooled};
use alumet_relay_protocol::v1::server_message::Message;
use alumet_relay_protocol::v1::{ClientMessage, ServerMessage};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::dictionary::Dictionary;
use crate::error::SessionError;
use crate::in_flight::{InFlight, Sent};
use crate::pace::Pace;
use crate::queue::Queue;
use crate::session::{Session, Settings};
use crate::wire;

/// Moves records from the queue to a server.
pub(crate) struct Pump<'a, 'q> {
    session: Session,
    queue: &'a mut Queue<'q>,
    in_flight: InFlight,
    dictionary: Dictionary,
    /// The number of the last record or gap that was taken; 0 if there was none before.
    previous: u64,
    /// What is to be sent before the next record is taken.
    outgoing: VecDeque<Outgoing>,
    pace: Option<Pace>,
    ack_timeout: Duration,
    ack_deadline: Instant,
    /// Whether anything was acknowledged.
    has_progress: bool,
}

struct Outgoing {
    message: ClientMessage,
    bytes: usize,
    /// What is in flight once it is sent; nothing for definitions.
    sent: Option<Sent>,
    /// Whether the limit for a backlog holds for it.
    is_backlog: bool,
}

/// A connection that still needs longer than this for its bytes would be too slow to live with.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;

/// How long a server may take to end its side after everything is acknowledged.
const FAREWELL: Duration = Duration::from_secs(1);

impl<'a, 'q> Pump<'a, 'q> {
    pub(crate) fn new(session: Session, queue: &'a mut Queue<'q>, settings: &Settings) -> Self {
        let stored = session.welcome.last_sequence;
        let acknowledged = queue.acknowledged().map_or(0, |(last, _)| last);
        Self {
            session,
            queue,
            in_flight: InFlight::after(stored.max(acknowledged)),
            previous: stored.max(acknowledged),
            dictionary: Dictionary::default(),
            outgoing: VecDeque::new(),
            pace: Pace::new(settings.backlog_bytes_per_second, Instant::now()),
            ack_timeout: settings.ack_timeout,
            ack_deadline: Instant::now(),
            has_progress: false,
        }
    }

    /// Whether anything was acknowledged.
    pub(crate) const fn has_progress(&self) -> bool {
        self.has_progress
    }

    /// Works until everything is acknowledged and nothing comes any more.
    pub(crate) async fn run(&mut self, stop: &CancellationToken) -> Result<(), SessionError> {
        let mut has_ended = false;
        loop {
            if has_ended && self.outgoing.is_empty() && self.in_flight.is_empty() {
                self.say_goodbye().await;
                return Ok(());
            }
            let has_room = self.in_flight.has_room(self.session.welcome.window_bytes);
            let may_take = self.outgoing.is_empty() && !has_ended && has_room;
            let send_at = self.send_at();
            tokio::select! {
                () = stop.cancelled() => return Err(SessionError::Stopped),
                answer = self.session.answers.message() => self.hear(answer)?,
                room = async {
                    match send_at {
                        None => pending().await,
                        Some(at) if at > Instant::now() => sleep_until(at).await,
                        Some(_) => {}
                    }
                    self.session.requests.reserve().await.map(drop)
                } => match room {
                    Ok(()) => self.send_next(),
                    Err(_) => return Err(self.why_it_broke().await),
                },
                item = self.queue.next(), if may_take => match item.map_err(SessionError::Spool)? {
                    Some(Spooled::Record(record)) => self.prepare(&record)?,
                    Some(Spooled::Gap(gap)) => {
                        let previous = std::mem::replace(&mut self.previous, gap.last);
                        self.put(wire::gap(&gap, previous), Some(Sent::gap(gap.last, gap.samples)), false);
                    }
                    None => has_ended = true,
                },
                () = sleep_until(self.ack_deadline), if !self.in_flight.is_empty() => {
                    return Err(SessionError::AckTimeout {
                        server: self.session.server.clone(),
                        after: self.ack_timeout,
                        records: self.in_flight.len(),
                    });
                }
            }
        }
    }

    /// When the next message may go out.
    fn send_at(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let outgoing = self.outgoing.front()?;
        match &mut self.pace {
            Some(pace) if outgoing.is_backlog => Some(pace.ready_at(now)),
            _ => Some(now),
        }
    }

    /// Makes the messages for a record.
    fn prepare(&mut self, record: &Record) -> Result<(), SessionError> {
        let limit = self.session.largest_message();
        // With a limit of bandwidth, it matters whether others wait behind this one.
        let is_backlog = self.pace.is_some()
            && self.queue.feed().waiting() > self.in_flight.samples() + u64::from(record.samples);
        let previous = std::mem::replace(&mut self.previous, record.sequence);
        let message = wire::batch(record, previous);
        let bytes = message.encoded_len() as u64;
        if bytes > limit {
            tracing::error!(
                server = %self.session.server, sequence = record.sequence, samples = record.samples, bytes, limit,
                "a batch is larger than the server takes and is dropped; raise `max_message_bytes` in its configuration"
            );
            self.put(
                wire::too_large(record, previous),
                Some(Sent::rejected(record)),
                is_backlog,
            );
            return Ok(());
        }
        let missing = self.dictionary.missing(record.generation, self.queue.feed());
        for definitions in missing.map_err(SessionError::Spool)? {
            let message = wire::definitions(&definitions);
            let bytes = message.encoded_len() as u64;
            if bytes > limit {
                return Err(SessionError::TooLarge {
                    server: self.session.server.clone(),
                    bytes,
                    limit,
                });
            }
            self.put(message, None, is_backlog);
        }
        self.put(message, Some(Sent::record(record)), is_backlog);
        Ok(())
    }

    fn put(&mut self, message: ClientMessage, sent: Option<Sent>, is_backlog: bool) {
        self.outgoing.push_back(Outgoing {
            bytes: message.encoded_len(),
            message,
            sent,
            is_backlog,
        });
    }

    fn send_next(&mut self) {
        let Some(Outgoing {
            message,
            bytes,
            sent,
            is_backlog,
        }) = self.outgoing.pop_front()
        else {
            return;
        };
        // There is room, and nobody else sends. If the connection breaks now, the next look at it finds out.
        let _ = self.session.requests.try_send(message);
        if is_backlog && let Some(pace) = &mut self.pace {
            pace.sent(bytes, Instant::now());
        }
        if let Some(sent) = sent {
            let is_first = self.in_flight.is_empty();
            self.in_flight.push(sent);
            if is_first {
                self.expect_answer();
            }
        }
    }

    /// A slow line needs time for what is under way.
    fn expect_answer(&mut self) {
        let on_the_way = Duration::from_secs(self.in_flight.bytes() / SLOWEST_BYTES_PER_SECOND);
        self.ack_deadline = Instant::now() + self.ack_timeout + on_the_way;
    }

    fn hear(&mut self, answer: Result<Option<ServerMessage>, Status>) -> Result<(), SessionError> {
        let server = &self.session.server;
        let answer = answer.map_err(|status| SessionError::of_status(server, &status))?;
        let Some(answer) = answer else {
            return Err(SessionError::Broken {
                server: server.clone(),
                reason: "the server ended the session".to_owned(),
            });
        };
        match answer.message {
            Some(Message::Ack(ack)) => {
                let done = self.in_flight.acknowledge(ack.sequence, self.queue.feed_mut());
                let done = done.map_err(|error| SessionError::Protocol {
                    server: server.clone(),
                    reason: error.to_string(),
                })?;
                if let Some((last, checksum)) = done {
                    self.queue.note(last, checksum);
                    self.has_progress = true;
                    self.expect_answer();
                }
                Ok(())
            }
            Some(Message::Welcome(_)) => Err(SessionError::Protocol {
                server: server.clone(),
                reason: "it said welcome twice".to_owned(),
            }),
            // Something that only newer versions know.
            None => Ok(()),
        }
    }

    /// The requests are not taken any more; the answers say why.
    async fn why_it_broke(&mut self) -> SessionError {
        let reason = "it takes nothing any more".to_owned();
        let server = self.session.server.clone();
        loop {
            match timeout(FAREWELL, self.session.answers.message()).await {
                // An acknowledgement that came before the end.
                Ok(answer @ Ok(Some(_))) => {
                    if let Err(error) = self.hear(answer) {
                        return error;
                    }
                }
                Ok(Err(status)) => return SessionError::of_status(&server, &status),
                Ok(Ok(None)) | Err(_) => return SessionError::Broken { server, reason },
            }
        }
    }

    /// Ends this side of the session, so that the server knows that it is no accident.
    async fn say_goodbye(&mut self) {
        let (closed, _) = mpsc::channel(1);
        self.session.requests = closed;
        let farewell = async { while let Ok(Some(_)) = self.session.answers.message().await {} };
        let _ = timeout(FAREWELL, farewell).await;
    }
}
