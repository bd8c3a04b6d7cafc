//! Up to where all messages are acknowledged.

use std::time::Duration;

use alumet_core::Failure;
use alumet_shared_nats::with_causes;
use async_nats::jetstream::consumer::PullConsumer;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

/// Up to where all messages are acknowledged, and how many wait, as the server says it.
#[derive(Debug, Default)]
pub(crate) struct Floor {
    acknowledged: watch::Sender<u64>,
    pending: watch::Sender<u64>,
    wanted: Notify,
}

impl Floor {
    /// How often the server is asked while nobody waits for the answer, and while somebody does.
    const SELDOM: Duration = Duration::from_secs(5);
    const OFTEN: Duration = Duration::from_millis(50);

    /// Asks the server until it does not answer.
    pub(crate) async fn follow(&self, consumer: &PullConsumer) -> Result<(), Failure> {
        loop {
            let info = consumer.get_info().await.map_err(|error| {
                Failure::retry(format!(
                    "the NATS server says nothing about the consumer: {}",
                    with_causes(&error)
                ))
            })?;
            self.acknowledged.send_replace(info.ack_floor.stream_sequence);
            self.pending.send_replace(info.num_pending);
            tokio::select! {
                () = sleep(Self::SELDOM) => {}
                () = self.wanted.notified() => sleep(Self::OFTEN).await,
            }
        }
    }

    /// Waits until that message and all before it are acknowledged, by whomever.
    pub(crate) async fn reaches(&self, sequence: u64) {
        let mut acknowledged = self.acknowledged.subscribe();
        while *acknowledged.borrow_and_update() < sequence {
            self.wanted.notify_one();
            // The sender is here.
            let _ = acknowledged.changed().await;
        }
    }

    /// How many messages wait for somebody to take them.
    pub(crate) fn pending(&self) -> u64 {
        *self.pending.borrow()
    }
}
