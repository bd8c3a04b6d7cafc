//! The output: hands records to a session with a server, and begins one when there is none.

use std::sync::Arc;

use alumet_core::Failure;
use alumet_core::output::{Delivering, Delivery, Output, Receipt};
use alumet_core::spool::{Definitions, Spool, Spooled};
use tokio::sync::{mpsc, oneshot};

use crate::client::Client;

/// Sends records to a relay server.
pub(crate) struct RelayOutput {
    client: Arc<Client>,
    spool: Arc<dyn Spool>,
    /// To the session; closed when there is none.
    items: mpsc::UnboundedSender<Item>,
    /// The dictionary in use, and how much of it the session has. Records come in their order, and so do generations: of
    /// an earlier one, nothing is needed any more.
    dictionary: (u32, u32),
}

/// A record or gap that is to be sent.
pub(crate) struct Item {
    pub(crate) spooled: Spooled,
    /// What must be sent before it.
    pub(crate) definitions: Vec<Definitions>,
    pub(crate) done: Done,
}

/// Tells what has become of it.
pub(crate) type Done = oneshot::Sender<Result<Receipt, Failure>>;

impl RelayOutput {
    pub(crate) fn new(client: Client, spool: Arc<dyn Spool>) -> Self {
        Self {
            client: Arc::new(client),
            spool,
            items: mpsc::unbounded_channel().0,
            dictionary: (0, 0),
        }
    }

    /// The definitions that a session must have before a record, and does not have.
    fn missing(&mut self, delivery: &Delivery, generation: u32) -> Result<Vec<Definitions>, Failure> {
        let sent = match self.dictionary {
            (current, sent) if current == generation => sent,
            _ => 0,
        };
        let missing = delivery.definitions(generation, sent)?;
        let ends = missing.iter().map(|one| one.first.saturating_add(one.count));
        self.dictionary = (generation, ends.max().unwrap_or(sent).max(sent));
        Ok(missing)
    }
}

impl Output for RelayOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let Some(spooled) = delivery.record() else {
            return Err(Failure::skip("the relay sends records of the spool only"));
        };
        if self.items.is_closed() {
            let (items, given) = mpsc::unbounded_channel();
            let client = Arc::clone(&self.client);
            tokio::spawn(client.serve(Arc::clone(&self.spool), given));
            (self.items, self.dictionary) = (items, (0, 0));
        }
        let definitions = match spooled {
            Spooled::Record(record) => self.missing(delivery, record.generation)?,
            Spooled::Gap(_) => Vec::new(),
        };
        let (done, over) = oneshot::channel();
        // If the session has just ended, the sender is dropped, and the record comes again.
        let _ = self.items.send(Item {
            spooled: without_batch(spooled),
            definitions,
            done,
        });
        Ok(Delivering::under_way(async move {
            over.await
                .unwrap_or_else(|_| Err(Failure::retry("the session with the relay server has ended")))
        }))
    }

    fn reset(&mut self) {
        self.items = mpsc::unbounded_channel().0;
    }
}

/// The samples themselves are not needed, and would keep the slots of their series.
fn without_batch(spooled: &Spooled) -> Spooled {
    let mut spooled = spooled.clone();
    if let Spooled::Record(record) = &mut spooled {
        record.batch = None;
    }
    spooled
}
