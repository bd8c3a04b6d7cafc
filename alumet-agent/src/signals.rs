//! Signals that the program receives instead of being ended or stopped by them.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Failed;

/// Receives signals, by their numbers.
pub(crate) struct Signals(Vec<(i32, Signal)>);

impl Signals {
    /// Receives these from now on.
    pub(crate) fn listen(numbers: impl IntoIterator<Item = i32>) -> Result<Self, Failed> {
        let listen = |number| Ok((number, signal(SignalKind::from_raw(number))?));
        let signals = numbers.into_iter().map(listen).collect::<io::Result<_>>();
        Ok(Self(signals.context("signals cannot be received")?))
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> i32 {
        poll_fn(|context| {
            let mut signals = self.0.iter_mut();
            let came =
                signals.find_map(|(number, signal)| signal.poll_recv(context).is_ready().then_some(*number));
            came.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}
