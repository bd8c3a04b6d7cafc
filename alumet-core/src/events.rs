//! Consumer events: somebody begins or ends to be measured.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::consumer::Consumer;

/// Somebody begins or ends to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsumerEvent {
    /// These consumers are to be measured from now on.
    Started(Arc<[Consumer]>),
    /// These consumers have ended.
    Ended(Arc<[Consumer]>),
}

/// Passes consumer events on to whoever subscribed. Cheap to clone; all clones are the same bus.
///
/// Each subscription has a queue of its own and reads it in its own thread, so a listener that fails, blocks or
/// panics disturbs neither the publisher nor the others.
#[derive(Debug, Clone)]
pub struct ConsumerEvents {
    sender: broadcast::Sender<ConsumerEvent>,
}

impl ConsumerEvents {
    /// How many events may wait before a slow subscriber loses the oldest.
    pub const CAPACITY: usize = 1024;

    /// A bus without subscribers.
    pub fn new() -> Self {
        Self {
            sender: broadcast::Sender::new(Self::CAPACITY),
        }
    }

    /// Publishes an event; returns at once.
    pub fn publish(&self, event: ConsumerEvent) {
        // Without subscribers there is nobody to tell.
        let _ = self.sender.send(event);
    }

    /// Subscribes to all events published from now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription {
            receiver: self.sender.subscribe(),
        }
    }
}

impl Default for ConsumerEvents {
    fn default() -> Self {
        Self::new()
    }
}

/// The events of one subscriber.
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<ConsumerEvent>,
}

/// Events came faster than the subscriber read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} consumer events were lost because the subscriber read too slowly; list the consumers anew")]
pub struct EventsLost(pub u64);

impl Subscription {
    /// The next event that waits, or `None`.
    ///
    /// # Errors
    /// When events were lost; the next call continues with the oldest that is left.
    pub fn try_next(&mut self) -> Result<Option<ConsumerEvent>, EventsLost> {
        match self.receiver.try_recv() {
            Ok(event) => Ok(Some(event)),
            Err(broadcast::error::TryRecvError::Lagged(lost)) => Err(EventsLost(lost)),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => Ok(None),
        }
    }

    /// Waits for the next event; `None` when the bus is gone.
    ///
    /// # Errors
    /// When events were lost; the next call continues with the oldest that is left.
    pub async fn next(&mut self) -> Result<Option<ConsumerEvent>, EventsLost> {
        match self.receiver.recv().await {
            Ok(event) => Ok(Some(event)),
            Err(broadcast::error::RecvError::Lagged(lost)) => Err(EventsLost(lost)),
            Err(broadcast::error::RecvError::Closed) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(pid: u32) -> ConsumerEvent {
        ConsumerEvent::Started([Consumer::Process { pid }].into())
    }

    #[test]
    fn a_slow_subscriber_learns_what_it_lost_and_others_lose_nothing() {
        let bus = ConsumerEvents::new();
        let mut slow = bus.subscribe();
        let mut quick = bus.subscribe();
        let total = ConsumerEvents::CAPACITY as u32 + 10;
        for pid in 0..total {
            bus.publish(started(pid));
            assert_eq!(quick.try_next(), Ok(Some(started(pid))));
        }
        assert_eq!(slow.try_next(), Err(EventsLost(10)));
        assert_eq!(slow.try_next(), Ok(Some(started(10))));
    }

    #[test]
    fn a_subscriber_that_panicked_does_not_break_the_bus() {
        let bus = ConsumerEvents::new();
        let mut broken = bus.subscribe();
        let mut healthy = bus.subscribe();
        bus.publish(started(1));
        let result = std::thread::spawn(move || {
            broken.try_next().unwrap();
            panic!("a listener panics");
        })
        .join();
        assert!(result.is_err());
        bus.publish(started(2));
        assert_eq!(healthy.try_next(), Ok(Some(started(1))));
        assert_eq!(healthy.try_next(), Ok(Some(started(2))));
        assert_eq!(healthy.try_next(), Ok(None));
    }
}
