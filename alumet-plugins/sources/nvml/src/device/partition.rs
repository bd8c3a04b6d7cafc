//! Partitions of a GPU (MIG): which there are, and what they show.
#![expect(unsafe_code, reason = "a library of C is called")]

use super::board::Handle;
use super::gpm::Sampler;
use super::library::{NvmlError, Session, call};
use super::reading::Gauge;
use super::states::memory_of;

/// After so many readings the partitions are listed anew: they can be changed while the GPU is used.
const LIST_EVERY: u32 = 10;

/// A GPU instance.
#[derive(Debug)]
pub(super) struct Partition {
    handle: Handle,
    pub(super) gpu_instance: u32,
    pub(super) sampler: Sampler,
}

/// The partitions of a GPU; none while it is not partitioned.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    pub(super) list: Vec<Partition>,
    /// How many readings this list is good for.
    good_for: u32,
}

impl Partitions {
    /// Lists the partitions if it is time to, and says whether they are other ones than before.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(super) fn refresh(&mut self, session: &Session, board: Handle) -> Result<bool, NvmlError> {
        if let Some(left) = self.good_for.checked_sub(1) {
            self.good_for = left;
            return Ok(false);
        }
        let mut count = 0;
        call!(session, nvmlDeviceGetMaxMigDeviceCount(board.0, &mut count))?;
        let mut found = Vec::new();
        for index in 0..count {
            let mut handle = std::ptr::null_mut();
            match call!(
                session,
                nvmlDeviceGetMigDeviceHandleByIndex(board.0, index, &mut handle)
            ) {
                Ok(()) => {}
                // There are fewer than there can be.
                Err(error) if error.is_empty() || error.is_absent() => continue,
                Err(error) => return Err(error),
            }
            let mut gpu_instance = 0;
            call!(session, nvmlDeviceGetGpuInstanceId(handle, &mut gpu_instance))?;
            // Compute instances of one GPU instance share its memory.
            if found.iter().all(|(known, _)| *known != gpu_instance) {
                found.push((gpu_instance, Handle(handle)));
            }
        }
        self.good_for = LIST_EVERY - 1;
        let known = self
            .list
            .iter()
            .map(|partition| (partition.gpu_instance, partition.handle));
        if known.eq(found.iter().copied()) {
            return Ok(false);
        }
        self.clear(session);
        self.good_for = LIST_EVERY - 1;
        self.list = found
            .into_iter()
            .map(|(gpu_instance, handle)| Partition {
                handle,
                gpu_instance,
                sampler: Sampler::new(),
            })
            .collect();
        Ok(true)
    }

    /// Forgets all of them; they are listed at the next reading.
    pub(super) fn clear(&mut self, session: &Session) {
        self.good_for = 0;
        for partition in self.list.drain(..) {
            partition.sampler.free(session);
        }
    }
}

impl Partition {
    /// Its memory.
    ///
    /// # Errors
    /// When it does not answer, or is gone.
    pub(super) fn memory(&self, session: &Session, take: impl FnMut(Gauge, u64)) -> Result<(), NvmlError> {
        memory_of(session, self.handle, take)
    }
}
