//! Which definitions the server of a session knows already.

use alumet_core::Failure;
use alumet_core::spool::Definitions;

use crate::feed::RecordFeed;

/// How much of the current dictionary was sent in this session.
///
/// Records come in their order, and so do generations: of an earlier one, nothing is needed any more.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    generation: u32,
    sent: u32,
}

impl Dictionary {
    /// The definitions that must be sent before a record of `generation`.
    pub(crate) fn missing(
        &mut self,
        generation: u32,
        feed: &dyn RecordFeed,
    ) -> Result<Vec<Definitions>, Failure> {
        if generation != self.generation {
            *self = Self { generation, sent: 0 };
        }
        let mut missing = feed.definitions(generation, self.sent)?;
        missing.retain(|definitions| {
            let end = definitions.first.saturating_add(definitions.count);
            let is_new = end > self.sent;
            self.sent = self.sent.max(end);
            is_new
        });
        Ok(missing)
    }
}
