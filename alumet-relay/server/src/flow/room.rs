//! How much may be on its way to the disk.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bytes may be on their way to the disk: those of a session, or of all clients together.
///
/// What does not fit into the memory of the spool makes its oldest records go, stored or not. So the clients wait before
/// that, for instance while the disk is slow or fails.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    free: Arc<Semaphore>,
    size: u32,
}

impl Room {
    /// For so many bytes, but no more than 4 GiB.
    pub(crate) fn new(bytes: u64) -> Self {
        let size = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        Self {
            free: Arc::new(Semaphore::new(size as usize)),
            size,
        }
    }

    /// Half of `memory_bytes`, because the spool encodes anew and others append, too. 0 does not limit anything.
    pub(crate) fn of_spool(memory_bytes: u64) -> Self {
        Self::new(if memory_bytes == 0 {
            u64::MAX
        } else {
            memory_bytes / 2
        })
    }

    /// Waits for room for so many bytes. A batch larger than all the room gets all of it.
    pub(crate) async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, self.size);
        // It is never closed.
        Arc::clone(&self.free).acquire_many_owned(bytes).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn clients_wait_for_half_of_the_memory_of_the_spool() {
        let room = Room::of_spool(40 << 10);
        let first = room.take(15 << 10).await;
        let second = tokio::time::timeout(Duration::from_millis(20), room.take(6 << 10)).await;
        assert!(second.is_err(), "20 KiB are all there is");
        drop(first);
        // More than there is gets all.
        let all = room.take(1 << 30).await;
        let none = tokio::time::timeout(Duration::from_millis(20), room.take(1)).await;
        assert!(none.is_err() && all.is_some());
        assert!(Room::of_spool(0).take(usize::MAX).await.is_some());
    }
}
