//! The output: hands records to a session with a server, and begins one when there is none.

use std::collections::BTreeSet;
use std::sync::Arc;

use alumet_core::failure::{Failure, Remedy};
use alumet_core::output::{Delivering, Delivery, Output, Receipt};
use alumet_core::plugin::StartError;
use alumet_core::services::Services;
use alumet_core::spool::{Definitions, Spool, Spooled};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::client::Client;
use crate::config::Config;
use crate::resume::{Stretch, missing};

/// Sends records to a relay server.
pub struct RelayOutput {
    client: Arc<Client>,
    spool: Arc<dyn Spool>,
    /// To the session; closed when there is none.
    items: mpsc::UnboundedSender<Item>,
    /// The dictionary in use, and how much of it the session has.
    dictionary: (u32, u32),
    /// The numbers that the session is about.
    stretch: Option<Stretch>,
    /// The numbers of what was given and no server is known to have.
    open: Arc<Mutex<BTreeSet<u64>>>,
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
    /// An output that sends as the configuration says, from a spool.
    ///
    /// # Errors
    /// What is wrong with the configuration or the files that it names.
    pub fn new(config: &Config, spool: Arc<dyn Spool>) -> Result<Self, StartError> {
        Client::new(config, &Services::default()).map(|client| Self::of(client, spool))
    }

    pub(crate) fn of(client: Client, spool: Arc<dyn Spool>) -> Self {
        spool.keep(*client.config.keep_acknowledged);
        Self {
            client: Arc::new(client),
            spool,
            items: mpsc::unbounded_channel().0,
            dictionary: (0, 0),
            stretch: None,
            open: Arc::default(),
        }
    }
}

impl Output for RelayOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let Some(spooled) = delivery.record() else {
            return Err(Failure::skip("the relay sends records of the spool only"));
        };
        let last = spooled.last();
        self.open.lock().insert(last);
        if self.items.is_closed() {
            // The engine may not have heard yet what has failed before, and a server takes it for lost if this comes first.
            if self.open.lock().first().is_some_and(|first| *first < last) {
                return Err(ended());
            }
            let (items, given) = mpsc::unbounded_channel();
            let client = Arc::clone(&self.client);
            tokio::spawn(client.serve(Arc::clone(&self.spool), given));
            (self.items, self.stretch) = (items, None);
        }
        if !self.stretch.is_some_and(|stretch| stretch.has(last)) {
            self.stretch = Some(Stretch::of(&*self.spool, last).map_err(Failure::retry)?);
            self.dictionary = (0, 0);
        }
        let definitions = match spooled {
            Spooled::Record(record) => missing(&mut self.dictionary, record.generation, &*self.spool)?,
            Spooled::Gap(_) => Vec::new(),
        };
        let (done, over) = oneshot::channel();
        let item = Item {
            spooled: spooled.clone(),
            definitions,
            done,
        };
        self.items.send(item).map_err(|_| ended())?;
        let open = Arc::clone(&self.open);
        Ok(Delivering::under_way(async move {
            let result = over.await.unwrap_or_else(|_| Err(ended()));
            if result.as_ref().map_or_else(Failure::remedy, |_| Remedy::Skip) == Remedy::Skip {
                open.lock().remove(&last);
            }
            result
        }))
    }

    fn reset(&mut self) {
        self.items = mpsc::unbounded_channel().0;
    }
}

fn ended() -> Failure {
    Failure::retry("the session with the relay server has ended")
}
