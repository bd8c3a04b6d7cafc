//! What happens in a session: records go out as they come, acknowledgements come back.

use std::collections::VecDeque;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::output::Receipt;
use alumet_core::spool::Spooled;
use alumet_relay_protocol::pace::Pace;
use alumet_relay_protocol::v1::server_message::Message;
use alumet_relay_protocol::v1::{ClientMessage, ServerMessage};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::Status;

use crate::client::{Client, Given, Sent};
use crate::error::SessionError;
use crate::output::Item;
use crate::session::Session;
use crate::wire;

/// Moves what is given to a server.
pub(crate) struct Pump<'a> {
    session: Session,
    client: &'a Client,
    given: &'a mut Given,
    /// The number of the last record or gap that was taken, or before what was offered.
    previous: u64,
    /// The bytes of payload that are on their way.
    bytes: u64,
    /// What is to be sent before the next record is taken: the messages for one.
    outgoing: VecDeque<ClientMessage>,
    /// Whether the limit for a backlog holds for them.
    is_backlog: bool,
    pace: Pace,
    ack_deadline: Instant,
    /// What comes next counts within another identity, for which there is another session.
    is_complete: bool,
    /// The last number that was acknowledged; 0 if none was.
    pub(crate) acknowledged: u64,
}

/// A connection that still needs longer than this for its bytes would be too slow to live with.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;

/// What may be sent at once after silence.
const BURST: Duration = Duration::from_millis(250);

/// How long a server may take to end its side after everything is acknowledged.
const FAREWELL: Duration = Duration::from_secs(1);

impl<'a> Pump<'a> {
    pub(crate) fn new(session: Session, client: &'a Client, given: &'a mut Given) -> Self {
        let stored = session.welcome.last_sequence;
        Self {
            previous: stored.max(session.next.saturating_sub(1)),
            session,
            client,
            given,
            bytes: 0,
            outgoing: VecDeque::new(),
            is_backlog: false,
            pace: Pace::new(client.config.backlog_bytes_per_second, BURST),
            ack_deadline: Instant::now(),
            is_complete: false,
            acknowledged: 0,
        }
    }

    /// Works until nothing comes any more.
    pub(crate) async fn run(&mut self) -> Result<(), SessionError> {
        loop {
            let has_room = self.bytes == 0 || self.bytes < self.session.welcome.window_bytes;
            let has_outgoing = !self.outgoing.is_empty();
            let may_take = !has_outgoing && has_room && !self.is_complete;
            let is_under_way = self.given.sent.len() > usize::from(has_outgoing);
            if self.is_complete && self.given.sent.is_empty() {
                self.say_goodbye().await;
                return Ok(());
            }
            let paid_at = self
                .pace
                .wait(std::time::Instant::now())
                .filter(|_| self.is_backlog);
            tokio::select! {
                answer = self.session.answers.message() => self.hear(answer)?,
                room = async {
                    if let Some(at) = paid_at {
                        sleep_until(at.into()).await;
                    }
                    self.session.requests.reserve().await.map(drop)
                }, if has_outgoing => match room {
                    Ok(()) => self.send_next(),
                    Err(_) => return Err(self.why_it_broke().await),
                },
                item = self.given.next(), if may_take => match item {
                    Some(item) => self.take(item)?,
                    None => {
                        self.say_goodbye().await;
                        return Ok(());
                    }
                },
                () = sleep_until(self.ack_deadline), if is_under_way => {
                    return Err(self.stuck());
                }
            }
        }
    }

    /// Makes the messages for a record or gap, unless the server has it.
    fn take(&mut self, item: Item) -> Result<(), SessionError> {
        if item.done.is_closed() {
            // It was given up, and with it all that follows.
            return Err(SessionError::stopped());
        }
        if !self.session.stretch.has(item.spooled.last()) {
            self.given.first = Some(item);
            self.is_complete = true;
            return Ok(());
        }
        let welcome = &self.session.welcome;
        let limit = self.session.largest_message();
        let last = item.spooled.last();
        let is_wanted = || {
            welcome
                .wanted
                .iter()
                .any(|range| (range.first..=range.last).contains(&last))
        };
        let is_there = last <= welcome.last_sequence && !is_wanted();
        // Of what the server wants again, it has what comes after.
        let previous = self.previous.min(last.saturating_sub(1));
        let mut sent = Sent {
            last,
            bytes: 0,
            is_refused: false,
            done: item.done,
        };
        let message = match &item.spooled {
            Spooled::Gap(gap) => wire::gap(gap, previous),
            Spooled::Record(record) => {
                let message = wire::batch(record, previous);
                // What the server has of a record that was too large is a gap.
                let was_refused = is_there && last == welcome.last_sequence && welcome.last_checksum == 0;
                sent.is_refused = was_refused || !self.session.takes(record, message.encoded_len());
                if sent.is_refused {
                    wire::too_large(record, previous)
                } else {
                    sent.bytes = record.payload.len() as u64;
                    message
                }
            }
        };
        if is_there {
            self.done(sent);
        } else {
            self.previous = self.previous.max(last);
            self.bytes += sent.bytes;
            self.given.sent.push_back(sent);
        }
        // Also those of what is not sent: others may need them.
        for definitions in item.definitions {
            let message = wire::definitions(&definitions);
            let bytes = message.encoded_len() as u64;
            if bytes > limit {
                return Err(SessionError::NeedsPeople(format!(
                    "the names of the series need a message of {bytes} bytes, but {} takes only {limit}; raise \
                     `max_message_bytes` in its configuration",
                    self.session.server
                )));
            }
            self.outgoing.push_back(message);
        }
        self.outgoing.extend((!is_there).then_some(message));
        // With a limit of bandwidth, it matters whether others wait behind this one.
        self.is_backlog = !self.given.items.is_empty();
        Ok(())
    }

    fn send_next(&mut self) {
        let Some(message) = self.outgoing.pop_front() else {
            return;
        };
        if self.is_backlog {
            self.pace
                .pass(message.encoded_len() as u64, std::time::Instant::now());
        }
        // There is room, and nobody else sends. If the connection breaks now, the next look at it finds out.
        let _ = self.session.requests.try_send(message);
        if self.outgoing.is_empty() && self.given.sent.len() == 1 {
            self.expect_answer();
        }
    }

    /// A slow line needs time for what is under way.
    fn expect_answer(&mut self) {
        let on_the_way = Duration::from_secs(self.bytes / SLOWEST_BYTES_PER_SECOND);
        self.ack_deadline = Instant::now() + *self.client.config.ack_timeout + on_the_way;
    }

    fn hear(&mut self, answer: Result<Option<ServerMessage>, Status>) -> Result<(), SessionError> {
        let server = &self.session.server;
        let answer = answer.map_err(|status| SessionError::of_status(server, &status))?;
        let Some(answer) = answer else {
            return Err(SessionError::broken(server, "the server ended the session"));
        };
        match answer.message {
            // By another session, which may be of another machine.
            Some(Message::Ack(ack)) if ack.sequence > self.previous => {
                let reason = format!(
                    "batch {} was acknowledged, but the last that was sent is {}",
                    ack.sequence, self.previous
                );
                Err(SessionError::protocol(server, reason))
            }
            Some(Message::Ack(ack)) => {
                let is_stored = |sent: &Sent| sent.last <= ack.sequence;
                while self.given.sent.front().is_some_and(is_stored)
                    && let Some(sent) = self.given.sent.pop_front()
                {
                    self.bytes -= sent.bytes;
                    self.done(sent);
                }
                self.expect_answer();
                Ok(())
            }
            Some(Message::Welcome(_)) => Err(SessionError::protocol(server, "it said welcome twice")),
            // Something that only newer versions know.
            None => Ok(()),
        }
    }

    /// Nothing is acknowledged.
    fn stuck(&self) -> SessionError {
        SessionError::Passing(format!(
            "{} has acknowledged nothing for {} s although {} batches were sent; its disk or one of its outputs may be stuck",
            self.session.server,
            self.client.config.ack_timeout.as_secs_f64(),
            self.given.sent.len(),
        ))
    }

    /// The server has stored something, or the gap in place of it.
    fn done(&mut self, sent: Sent) {
        self.acknowledged = sent.last;
        // Nobody waits for it when the program ends.
        let _ = sent.done.send(if sent.is_refused {
            let server = &self.session.server;
            Err(Failure::skip(format!(
                "the batch is larger than {server} takes; raise `max_message_bytes` in its configuration"
            )))
        } else {
            Ok(Receipt::all())
        });
    }

    /// The requests are not taken any more; the answers say why.
    async fn why_it_broke(&mut self) -> SessionError {
        loop {
            match timeout(FAREWELL, self.session.answers.message()).await {
                // An acknowledgement that came before the end, or a refusal.
                Ok(answer @ (Ok(Some(_)) | Err(_))) => {
                    if let Err(error) = self.hear(answer) {
                        return error;
                    }
                }
                Ok(Ok(None)) | Err(_) => {
                    return SessionError::broken(&self.session.server, "it takes nothing any more");
                }
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
