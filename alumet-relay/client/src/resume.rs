//! Whether a server speaks of the same records.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::spool::{Spool, Spooled};

use crate::error::SessionError;
use crate::session::Session;

/// How long the next record is waited for, which tells a crash from a copy.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often.
const LOOKS: u32 = 4;

/// The number of the first record that it stands for.
pub(crate) const fn first_of(item: &Spooled) -> u64 {
    match item {
        Spooled::Record(record) => record.sequence,
        Spooled::Gap(gap) => gap.first,
    }
}

/// Finds out whether what the server holds came from here; `first` is what would be sent next.
///
/// Nothing is done before that is certain: a spool that was copied to a second machine has other records under the same
/// numbers.
pub(crate) async fn check_origin(
    session: &Session,
    first: &Spooled,
    acknowledged: Option<(u64, Option<u32>)>,
    spool: &Arc<dyn Spool>,
) -> Result<(), SessionError> {
    let (stored, checksum) = (session.welcome.last_sequence, session.welcome.last_checksum);
    let server = &session.server;
    // 0 is a gap, of which there is no checksum.
    let is_same = |own: u32| checksum == 0 || own == checksum;
    let differs = || {
        Err(SessionError::Copied(format!(
            "{server} has another batch {stored} than this spool"
        )))
    };
    if stored < first_of(first) {
        return match acknowledged {
            Some((last, Some(own))) if last == stored && !is_same(own) => differs(),
            _ => Ok(()),
        };
    }
    if matches!(first, Spooled::Gap(gap) if gap.last >= stored) {
        return Ok(());
    }
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(PATIENCE).await;
        }
        let spool = Arc::clone(spool);
        let found = tokio::task::spawn_blocking(move || spool.record_from(stored)).await;
        match found.unwrap_or_else(|error| Err(Failure::retry(error))) {
            Ok(Some((sequence, own))) if sequence == stored && !is_same(own) => return differs(),
            // This spool has never used that number, or lost it in a crash: the batch was sent before it was on disk here. A
            // copy of this spool would have gone on with the numbers of this one.
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(failure) => return Err(SessionError::Passing(failure.to_string())),
        }
    }
    Err(SessionError::Copied(format!(
        "{server} has batches up to {stored} of this spool, which never had that many"
    )))
}
