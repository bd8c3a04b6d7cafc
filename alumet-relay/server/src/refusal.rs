//! Why a client is refused: told to the client, counted, and logged without letting anybody fill the log.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use alumet_relay_protocol::checksum::{Damaged, sealed_status};
use parking_lot::Mutex;
use tonic::{Code, Status};

use crate::tally::Tally;

/// A client is refused, with a sentence that says why and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// The sort of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// There is no trusted connection.
    Tls,
    /// Something took too long.
    Slow,
    /// Too many are connected.
    Busy,
    /// No credentials, or unknown ones.
    Credentials,
    /// The credentials of another node.
    Identity,
    /// No common version of the protocol.
    Version,
    /// Two machines use one instance.
    Copied,
    /// A message that is wrong.
    Message,
    /// A message that was damaged on its way.
    Damaged,
    /// A limit is reached.
    Limit,
    /// A newer session took over; not counted.
    Replaced,
    /// The server cannot take samples now; not counted.
    Unavailable,
}

impl Reason {
    /// Those that are counted.
    pub(crate) const COUNTED: [Self; 10] = [
        Self::Tls,
        Self::Slow,
        Self::Busy,
        Self::Credentials,
        Self::Identity,
        Self::Version,
        Self::Copied,
        Self::Message,
        Self::Damaged,
        Self::Limit,
    ];

    /// One word, a value of the attribute `reason`, and what a client gets.
    const fn facts(self) -> (&'static str, Code) {
        match self {
            Self::Tls => ("tls", Code::Unauthenticated),
            Self::Slow => ("slow", Code::DeadlineExceeded),
            Self::Busy => ("busy", Code::ResourceExhausted),
            Self::Credentials => ("credentials", Code::Unauthenticated),
            Self::Identity => ("identity", Code::PermissionDenied),
            Self::Version => ("version", Code::FailedPrecondition),
            Self::Copied => ("copied", Code::AlreadyExists),
            Self::Message => ("message", Code::InvalidArgument),
            Self::Damaged => ("damaged", Code::DataLoss),
            Self::Limit => ("limit", Code::ResourceExhausted),
            Self::Replaced => ("replaced", Code::Aborted),
            Self::Unavailable => ("unavailable", Code::Unavailable),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        self.facts().0
    }
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// What the client gets.
    pub(crate) fn status(&self) -> Status {
        sealed_status(self.reason.facts().1, &self.message)
    }
}

impl From<Damaged> for Refusal {
    fn from(damaged: Damaged) -> Self {
        Self::new(Reason::Damaged, damaged.to_string())
    }
}

/// Counts and logs refusals.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    by_reason: [Entry; Reason::COUNTED.len()],
}

#[derive(Debug, Default)]
struct Entry {
    count: Tally,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    last: Option<Instant>,
    silent: u64,
}

impl Refusals {
    /// A line per reason at most this often: more of the same place would be folded, whatever their reasons.
    const LOG_EVERY: Duration = Duration::from_secs(30);

    /// Takes note of a refusal.
    pub(crate) fn note(&self, refusal: &Refusal, peer: SocketAddr, node: &str) {
        let reason = refusal.reason.name();
        let Some(entry) = self.entry(refusal.reason) else {
            if node.is_empty() {
                // Whoever it was did not say so.
                tracing::debug!(%peer, reason, message = %refusal, "a connection ended");
            } else {
                tracing::info!(%peer, node, reason, message = %refusal, "a session ended");
            }
            return;
        };
        entry.count.add(1);
        match entry.log.lock().turn(Instant::now()) {
            Some(silent) => {
                tracing::warn!(%peer, node, reason, message = %refusal, others_since = silent, "a client was refused");
            }
            None => tracing::debug!(%peer, node, reason, message = %refusal, "a client was refused"),
        }
    }

    /// How many there were, by reason.
    pub(crate) fn by_reason(&self) -> impl Iterator<Item = (Reason, &Tally)> {
        let counts = self.by_reason.iter().map(|entry| &entry.count);
        Reason::COUNTED.into_iter().zip(counts)
    }

    fn entry(&self, reason: Reason) -> Option<&Entry> {
        let index = Reason::COUNTED.iter().position(|counted| *counted == reason)?;
        self.by_reason.get(index)
    }
}

impl Log {
    /// Whether it is time for a line, and how many were not logged since the one before.
    fn turn(&mut self, now: Instant) -> Option<u64> {
        if self
            .last
            .is_some_and(|last| now.duration_since(last) < Refusals::LOG_EVERY)
        {
            self.silent += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_once_and_few_are_logged() {
        let refusals = Refusals::default();
        let peer = "192.0.2.1:1".parse().unwrap();
        for reason in [Reason::Limit, Reason::Limit, Reason::Copied, Reason::Replaced] {
            refusals.note(&Refusal::new(reason, "no"), peer, "node");
        }
        let counts = refusals
            .by_reason()
            .map(|(reason, tally)| (reason, tally.count()));
        let found: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
        assert_eq!(found, [(Reason::Copied, 1), (Reason::Limit, 2)]);

        let (mut log, start) = (Log::default(), Instant::now());
        let turns = [0, 1, 29, 30, 65].map(|seconds| log.turn(start + Duration::from_secs(seconds)));
        assert_eq!(turns, [Some(0), None, None, Some(2), Some(0)]);
    }

    #[test]
    fn every_counted_reason_is_in_the_table_of_metrics() {
        let names: Vec<_> = Reason::COUNTED.into_iter().map(Reason::name).collect();
        let listed = crate::metrics::RELAY_REFUSED.doc.attributes;
        assert_eq!(listed, [format!("reason={}", names.join("|"))]);
    }
}
