//! How a session goes on where the last one ended, and whether the server speaks of the same records.

use std::time::Duration;

use alumet_core::Failure;
use alumet_core::spool::Spooled;
use alumet_relay_protocol::v1::Welcome;

use crate::error::{Copied, SessionError};
use crate::queue::Queue;

/// A record that is in the spool is given at once; the disk may be slow.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often a disk that gives nothing is waited for.
const LOOKS: u32 = 20;

/// Finds out whether what the server holds came from here, and skips it.
///
/// Nothing is acknowledged before that is certain: a spool that was copied to a second machine has other records under
/// the same numbers.
pub(crate) async fn resume(
    queue: &mut Queue<'_>,
    welcome: &Welcome,
    server: &str,
) -> Result<(), SessionError> {
    let stored = welcome.last_sequence;
    let next = queue.next_sequence();
    if stored < next {
        return match queue.acknowledged() {
            // 0 is a gap, of which there is no checksum.
            Some((last, Some(checksum)))
                if last == stored && welcome.last_checksum != 0 && welcome.last_checksum != checksum =>
            {
                Err(differs(server, stored))
            }
            _ => Ok(()),
        };
    }
    match find(queue, stored, server).await? {
        // This spool has never used that number, or lost it in a crash: the batch was sent before it was on disk here. A
        // copy of this spool would have gone on with the numbers of this one.
        later if first_of(&later) > stored => {
            let checksum = Some(welcome.last_checksum).filter(|checksum| *checksum != 0);
            queue.acknowledge(stored, checksum);
        }
        Spooled::Record(record) if welcome.last_checksum == record.checksum => {
            queue.acknowledge(record.sequence, Some(record.checksum));
        }
        // It was too large, and a gap was sent in its place.
        Spooled::Record(record) if welcome.last_checksum == 0 => queue.reject(&record),
        Spooled::Record(_) => return Err(differs(server, stored)),
        Spooled::Gap(gap) if gap.last == stored => queue.acknowledge(stored, None),
        // The rest of the gap is still to be sent, and the server takes the whole.
        Spooled::Gap(gap) if gap.first > next => queue.acknowledge(gap.first - 1, None),
        Spooled::Gap(_) => {}
    }
    queue.rewind().await;
    Ok(())
}

/// The number of the first record that it stands for.
const fn first_of(item: &Spooled) -> u64 {
    match item {
        Spooled::Record(record) => record.sequence,
        Spooled::Gap(gap) => gap.first,
    }
}

/// Reads up to the record or gap with number `sequence`, and keeps nothing on the way.
async fn find(queue: &mut Queue<'_>, sequence: u64, server: &str) -> Result<Spooled, SessionError> {
    let mut newest = queue.next_sequence().saturating_sub(1);
    let mut given = 0;
    let mut looks = 0;
    let ahead = |newest| {
        SessionError::Copied(Copied::Ahead {
            server: server.to_owned(),
            stored: sequence,
            newest,
        })
    };
    loop {
        let item = match tokio::time::timeout(PATIENCE, queue.next()).await {
            Ok(Ok(Some(item))) => item,
            Ok(Ok(None)) => return Err(ahead(newest)),
            Ok(Err(failure)) => return Err(SessionError::Spool(failure)),
            Err(_) if queue.feed().waiting() <= given => return Err(ahead(newest)),
            Err(_) => {
                looks += 1;
                if looks == LOOKS {
                    let message = "the spool gives no records although some wait; check its disk";
                    return Err(SessionError::Spool(Failure::retry(message)));
                }
                continue;
            }
        };
        looks = 0;
        newest = item.last();
        given += match &item {
            Spooled::Record(record) => u64::from(record.samples),
            Spooled::Gap(gap) => gap.samples,
        };
        if newest >= sequence {
            return Ok(item);
        }
    }
}

fn differs(server: &str, sequence: u64) -> SessionError {
    SessionError::Copied(Copied::Differs {
        server: server.to_owned(),
        sequence,
    })
}
