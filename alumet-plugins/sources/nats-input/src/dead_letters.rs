//! Messages that cannot be stored, kept apart with the reason.

use std::time::{Duration, Instant};

use alumet_core::Failure;
use alumet_shared_nats::with_causes;
use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::Context;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Config as ServerConfig;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::config::Config;

/// How many the stream of them keeps.
const KEPT: i64 = 10_000;
/// How often the log tells of one.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Sends dead letters.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    stream: String,
    subject: String,
    told: Mutex<Option<Instant>>,
}

/// A message that is to become one.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    /// Its number in its stream.
    pub(crate) sequence: u64,
    pub(crate) subject: String,
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) payload: Bytes,
    /// Why it is one.
    pub(crate) reason: String,
}

impl DeadLetters {
    /// As the configuration says.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            stream: config.stream.name.clone(),
            subject: config.dead_letter_subject.clone(),
            told: Mutex::new(None),
        }
    }

    /// Makes the stream of them if there is none.
    ///
    /// # Errors
    /// Why the server does not.
    pub(crate) async fn prepare(&self, context: &Context, replicas: usize) -> Result<(), Failure> {
        let config = ServerConfig {
            name: format!("{}_DEAD_LETTERS", self.stream),
            subjects: vec![self.subject.clone()],
            max_messages: KEPT,
            num_replicas: replicas,
            description: Some("Messages that Alumet could not store, with the reason in a header".to_owned()),
            ..ServerConfig::default()
        };
        let name = config.name.clone();
        context.get_or_create_stream(config).await.map(drop).map_err(|error| {
            Failure::retry(format!(
                "the NATS server does not make the stream {name} for dead letters: {}; change `dead_letter_subject`, or let the user \
                 publish to `$JS.API.>`",
                with_causes(&error)
            ))
        })
    }

    /// Sends one; it is kept when this is done.
    ///
    /// # Errors
    /// When it is not kept.
    pub(crate) async fn send(&self, context: &Context, letter: DeadLetter) -> Result<(), Failure> {
        let DeadLetter {
            sequence,
            subject,
            headers,
            payload,
            reason,
        } = letter;
        let is_told = {
            let mut told = self.told.lock();
            let is_told = told.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
            if is_told {
                *told = Some(Instant::now());
            }
            is_told
        };
        if is_told {
            tracing::warn!(
                sequence,
                subject,
                reason,
                stream = self.stream,
                to = self.subject,
                "a message becomes a dead letter; look at it there, mend who sends it, and publish it again if it is needed. Others \
                 of the next seconds are only counted"
            );
        }
        let mut headers = headers.unwrap_or_default();
        headers.insert(NATS_MESSAGE_ID, format!("{}-{sequence}", self.stream));
        headers.insert("Alumet-Dead-Subject", subject.as_str());
        headers.insert("Alumet-Dead-Sequence", sequence.to_string());
        // A header is one line.
        headers.insert("Alumet-Dead-Reason", reason.escape_debug().to_string());
        let message = PublishMessage::build().payload(payload).headers(headers);
        let not_kept = |error| {
            Failure::retry(format!(
                "a dead letter could not be sent: {}",
                with_causes(&error)
            ))
        };
        let sent = context.send_publish(self.subject.clone(), message).await;
        sent.map_err(not_kept)?.await.map_err(not_kept)?;
        Ok(())
    }
}
