//! Watches the messages within the body of a request while their bytes arrive: how long each one takes, and how large it
//! says it is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::refusal::{Reason, Refusal};

/// A flag and the length, before each message (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// What is known of the messages of one request. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limit: usize,
    /// The part of a prefix that is there.
    prefix: [u8; PREFIX],
    prefix_length: usize,
    /// What is missing of the message whose prefix is complete.
    missing: usize,
    /// When the first byte of an incomplete message came.
    since: Option<Instant>,
    total: u64,
}

impl Progress {
    /// Of a request whose messages may have `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            limit,
            prefix: [0; PREFIX],
            prefix_length: 0,
            missing: 0,
            since: None,
            total: 0,
        })))
    }

    /// From the next message on, `limit` bytes are allowed.
    pub(crate) fn allow(&self, limit: usize) {
        self.0.lock().limit = limit;
    }

    /// Since when a message is incomplete; `None` between two messages.
    pub(crate) fn incomplete_since(&self) -> Option<Instant> {
        self.0.lock().since
    }

    /// The bytes that came since this was called last.
    pub(crate) fn take_bytes(&self) -> u64 {
        std::mem::take(&mut self.0.lock().total)
    }

    fn take(&self, data: &[u8]) -> Result<(), Refusal> {
        self.0.lock().take(data, Instant::now())
    }
}

impl State {
    fn take(&mut self, mut data: &[u8], now: Instant) -> Result<(), Refusal> {
        self.total = self.total.saturating_add(data.len() as u64);
        while !data.is_empty() {
            if self.missing > 0 {
                let part = self.missing.min(data.len());
                self.missing -= part;
                data = &data[part..];
            } else {
                self.since.get_or_insert(now);
                self.prefix[self.prefix_length] = data[0];
                self.prefix_length += 1;
                data = &data[1..];
                if self.prefix_length < PREFIX {
                    continue;
                }
                self.prefix_length = 0;
                let [_, length @ ..] = self.prefix;
                let announced = u32::from_be_bytes(length) as usize;
                if announced > self.limit {
                    let limit = self.limit;
                    let message = format!(
                        "a message of {announced} bytes is announced and {limit} are allowed; raise `max_message_bytes` of \
                         the server, or send less at a time"
                    );
                    return Err(Refusal::new(Reason::Limit, message));
                }
                self.missing = announced;
            }
            if self.missing == 0 {
                self.since = None;
            }
        }
        Ok(())
    }
}

/// The body of a request that is watched.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) inner: Incoming,
    pub(crate) progress: Progress,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Refusal;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Refusal>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(|_| Refusal::new(Reason::Unavailable, "the connection broke"))?;
            if let Some(data) = frame.data_ref() {
                self.progress.take(data)?;
            }
            Ok(frame)
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
        bytes.resize(PREFIX + length, 7);
        bytes
    }

    #[test]
    fn the_time_of_a_message_counts_from_its_first_byte_to_its_last() {
        let progress = Progress::new(100);
        let (start, later) = (Instant::now(), Instant::now() + Duration::from_secs(9));
        let mut state = progress.0.lock();
        let bytes = message(10);
        state.take(&bytes[..2], start).unwrap();
        state.take(&bytes[2..14], later).unwrap();
        assert_eq!(state.since, Some(start));
        // The end of this message and the first byte of the next.
        state.take(&[7, 0], later).unwrap();
        assert_eq!(state.since, Some(later));
        state.take(&[0, 0, 0, 0], later).unwrap();
        assert_eq!(state.since, None, "an empty message is complete with its prefix");
    }

    #[test]
    fn a_message_that_is_too_large_is_refused_with_its_prefix() {
        let progress = Progress::new(10);
        progress.take(&message(10)).unwrap();
        let refusal = progress.take(&[0, 0xff, 0xff, 0xff, 0xff]).unwrap_err();
        assert_eq!(refusal.reason, Reason::Limit);
        let begin =
            "a message of 4294967295 bytes is announced and 10 are allowed; raise `max_message_bytes`";
        assert!(refusal.message.starts_with(begin), "{refusal}");
    }

    #[test]
    fn a_larger_limit_counts_from_the_next_message_on() {
        let progress = Progress::new(1);
        progress.take(&message(1)).unwrap();
        progress.allow(5);
        progress.take(&message(5)).unwrap();
        assert_eq!(progress.take_bytes(), 16);
        assert_eq!(progress.take_bytes(), 0);
    }

    proptest! {
        #[test]
        fn the_end_of_a_message_is_known_however_it_is_cut(
            lengths in prop::collection::vec(0..40_usize, 1..10),
            cuts in prop::collection::vec(1..30_usize, 1..40),
        ) {
            let bytes: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let ends: Vec<usize> = lengths
                .iter()
                .scan(0, |end, length| { *end += PREFIX + length; Some(*end) })
                .collect();
            let progress = Progress::new(40);
            let (mut at, mut cuts) = (0, cuts.iter().cycle());
            while at < bytes.len() {
                let end = (at + cuts.next().unwrap()).min(bytes.len());
                progress.take(&bytes[at..end]).unwrap();
                at = end;
                prop_assert_eq!(progress.incomplete_since().is_none(), ends.contains(&at));
            }
        }
    }
}
