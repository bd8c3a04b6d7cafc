//! The engine of kept files.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use alumet_reader_kernel_file::{Extent, errno, fill};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{Mode, fstatat};

use super::descriptors::Descriptors;
use super::slot::{Followed, Slot, State};
use super::specs::{FileSpec, V1, V2};
use super::{Reading, SlotId, Stat, Wanted};
use crate::error::{gone, of_cgroup};
use crate::mount::{Hierarchies, Version};
use crate::{CgroupPath, ReadError};

/// Reads control groups through files that stay open: one `pread` at offset 0 per file, into one buffer for all.
///
/// A file whose content does not parse is opened anew and read once more before an error is reported (some kernels
/// give a short content when a file is read again). A file that is not there is looked for again at every 64th read,
/// since its controller may be enabled later. When descriptors run out, the soft limit of the process (`RLIMIT_NOFILE`) is
/// raised to its hard limit, once; then files are opened at each read relative to the kept directory of the mount.
#[derive(Debug)]
pub struct FileEngine {
    bases: Vec<Base>,
    specs: &'static [FileSpec],
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    descriptors: Descriptors,
    access: Access,
    /// The files of which it was said that something is missing.
    told: HashSet<&'static str>,
}

/// The directory where a hierarchy is mounted, kept open.
#[derive(Debug)]
struct Base {
    /// The controller of version 1; empty for the unified hierarchy.
    controller: &'static str,
    mount: PathBuf,
    directory: OwnedFd,
}

/// What reading needs beside the control group: the buffers that all share.
#[derive(Debug, Default)]
struct Access {
    path: Vec<u8>,
    buffer: Vec<u8>,
}

/// Absent files are looked for again at every so manyth read of a control group.
const LOOK_EVERY: u32 = 64;

impl FileEngine {
    /// An engine for the hierarchies of a version. In version 1 a control group has the same path in each of them;
    /// statistics of controllers that are not mounted, or whose hierarchy is not visible, stay `None`.
    ///
    /// # Errors
    /// `NotMounted` when there is no hierarchy of that version, or none can be opened.
    pub fn new(version: Version, mounted: &Hierarchies) -> Result<Self, ReadError> {
        let (specs, mounts): (&'static [FileSpec], _) = match version {
            Version::V1 => (
                &V1,
                mounted.v1.iter().map(|(name, mount)| (*name, &**mount)).collect(),
            ),
            Version::V2 => (&V2, vec![("", mounted.require_v2()?)]),
        };
        let (mut bases, mut refused) = (Vec::new(), Vec::new());
        for (controller, mount) in mounts {
            match Base::open(controller, mount) {
                Ok(base) => bases.push(base),
                Err(error) => refused.push((controller, error)),
            }
        }
        if bases.is_empty() {
            let none = ReadError::NotMounted {
                what: "a cgroup v1 hierarchy",
                mend: "use the v2 hierarchy if there is one, else mount the controllers with \
                       `mount -t cgroup -o NAME none /sys/fs/cgroup/NAME`",
            };
            return Err(refused.pop().map_or(none, |(_, error)| error));
        }
        for (controller, error) in refused {
            tracing::warn!(%error, controller, "the statistics of a controller are missing");
        }
        Ok(Self {
            bases,
            specs,
            slots: Vec::new(),
            free: Vec::new(),
            descriptors: Descriptors::new(usize::MAX),
            access: Access::default(),
            told: HashSet::new(),
        })
    }

    /// The same with a bound to the files that stay open between reads; the others are opened, read and closed each time,
    /// which costs five times as much. By default they are as many as the process may have, less a reserve of 64.
    #[must_use]
    pub fn keeping_at_most(mut self, files: usize) -> Self {
        self.descriptors = Descriptors::new(files);
        self
    }

    /// How many files stay open at present.
    pub fn kept_files(&self) -> usize {
        self.descriptors.kept()
    }

    /// Opens a file of a control group; makes room among the kept files when there is no descriptor left.
    fn open_file(&mut self, base: usize, cgroup: &CgroupPath, name: &str) -> Result<File, Errno> {
        let base = &self.bases[base];
        let result = self.access.open(base, cgroup, name);
        if !matches!(result, Err(Errno::EMFILE | Errno::ENFILE)) {
            return result;
        }
        if !self.descriptors.run_out() {
            for slot in self.slots.iter_mut().rev().flatten() {
                let closed = slot.stop_keeping(self.descriptors.excess());
                self.descriptors.release(closed);
            }
        }
        self.access.open(base, cgroup, name)
    }

    /// Looks for a file under its names and decides how it is read from now on. One that is refused is not there.
    fn look_for(&mut self, cgroup: &CgroupPath, file: &mut Followed) {
        file.state = State::Absent;
        for name in file.spec.names {
            file.name = name;
            match self.open_file(file.base, cgroup, name) {
                Ok(opened) => {
                    file.state = match self.descriptors.keep() {
                        true => State::Kept(opened),
                        false => State::EachTime,
                    };
                    return;
                }
                // Switched off (pressure) or no such controller.
                Err(Errno::ENOENT | Errno::ENODEV | Errno::EOPNOTSUPP | Errno::ENOTDIR) => {}
                Err(error) => self.tell(file, &of_cgroup(&self.path_of(file, cgroup), error)),
            }
        }
    }

    /// Says once for each kind of file that something of it is missing.
    fn tell(&mut self, file: &Followed, error: &ReadError) {
        if self.told.insert(file.name) {
            tracing::warn!(%error, "not measured, and perhaps of other control groups neither; the rest is");
        }
    }

    /// Whether the control group still is the one that was opened.
    fn check_identity(&self, slot: &Slot) -> Result<(), ReadError> {
        for (base, inode) in self.bases.iter().zip(&slot.inodes) {
            if inode.is_some() && *inode != base.inode(&slot.cgroup) {
                return Err(gone(slot.cgroup.below(&base.mount)));
            }
        }
        Ok(())
    }

    fn read_slot(&mut self, slot: &mut Slot, out: &mut Reading) -> Result<(), ReadError> {
        out.clear();
        slot.reads = slot.reads.wrapping_add(1);
        let is_time_to_look = slot.reads.is_multiple_of(LOOK_EVERY);
        if is_time_to_look {
            self.check_identity(slot)?;
        }
        let mut failure = None;
        for index in 0..slot.files.len() {
            match self.read_file(slot, index, is_time_to_look, out) {
                Ok(()) => {}
                Err(gone @ ReadError::Gone { .. }) => return Err(gone),
                Err(other) => {
                    self.tell(&slot.files[index], &other);
                    failure = failure.or(Some(other));
                }
            }
        }
        if !slot.wanted.has(Stat::Memory) {
            // In version 1 it may have been read only to compute the swap.
            out.set(Stat::Memory, None);
        }
        failure.map_or(Ok(()), Err)
    }

    fn read_file(
        &mut self,
        slot: &mut Slot,
        index: usize,
        is_time_to_look: bool,
        out: &mut Reading,
    ) -> Result<(), ReadError> {
        let file = &mut slot.files[index];
        if matches!(file.state, State::Absent) && is_time_to_look {
            self.look_for(&slot.cgroup, file);
        }
        let filled = match &file.state {
            State::Absent => return Ok(()),
            State::Kept(kept) => self.access.fill(kept),
            State::EachTime => self
                .open_file(file.base, &slot.cgroup, file.name)
                .and_then(|opened| self.access.fill(&opened)),
        };
        let mut take = |access: &Access, filled| {
            let bytes = &access.buffer[..filled];
            file.spec.take(bytes, slot.wanted, &mut slot.places, out)
        };
        let mut parsed = filled.map(|filled| take(&self.access, filled));
        if let Ok(Err(_)) = parsed {
            // Once more through a file that was opened anew.
            let again = self.access.open(&self.bases[file.base], &slot.cgroup, file.name);
            parsed = again.and_then(|again| {
                let filled = self.access.fill(&again);
                if matches!(file.state, State::Kept(_)) {
                    file.state = State::Kept(again);
                }
                filled.map(|filled| take(&self.access, filled))
            });
        }
        match parsed {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(odd))) => {
                let file = &slot.files[index];
                self.tell(file, &odd.in_file(self.path_of(file, &slot.cgroup)));
                Ok(())
            }
            Ok(Err(error)) => Err(error.in_file(self.path_of(&slot.files[index], &slot.cgroup))),
            Err(error) => self.failed(slot, index, error),
        }
    }

    /// A file cannot be opened or read: it is no more, or its controller was disabled, or the control group is gone.
    fn failed(&mut self, slot: &mut Slot, index: usize, error: Errno) -> Result<(), ReadError> {
        if !matches!(error, Errno::ENOENT | Errno::ENODEV | Errno::EOPNOTSUPP) {
            return Err(of_cgroup(&self.path_of(&slot.files[index], &slot.cgroup), error));
        }
        if matches!(slot.files[index].state, State::Kept(_)) {
            self.descriptors.release(1);
        }
        slot.files[index].state = State::Absent;
        self.check_identity(slot)
    }

    fn path_of(&self, file: &Followed, cgroup: &CgroupPath) -> PathBuf {
        cgroup.below(&self.bases[file.base].mount).join(file.name)
    }

    /// Begins to read a control group. Files that are not there or refused are no error: their statistics stay empty.
    ///
    /// # Errors
    /// `Gone` when it does not exist (any more).
    pub fn open(&mut self, cgroup: &CgroupPath, wanted: Wanted) -> Result<SlotId, ReadError> {
        let inodes: Vec<_> = self.bases.iter().map(|base| base.inode(cgroup)).collect();
        if inodes.iter().all(Option::is_none) {
            return Err(gone(cgroup.below(&self.bases[0].mount)));
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let mut slot = Slot {
            cgroup: cgroup.clone(),
            wanted,
            files: Vec::new(),
            places: Default::default(),
            inodes,
            // Spread, so that not all of them look for absent files in the same poll.
            reads: index as u32 % LOOK_EVERY,
        };
        for spec in self.specs.iter().filter(|spec| spec.is_wanted(wanted)) {
            let has_file = |base: &Base| base.controller == spec.controller;
            let Some(base) = self.bases.iter().position(has_file) else {
                continue;
            };
            let mut file = Followed {
                spec,
                name: spec.names[0],
                base,
                state: State::Absent,
            };
            self.look_for(cgroup, &mut file);
            slot.files.push(file);
        }
        slot.files.shrink_to_fit();
        self.slots[index] = Some(slot);
        Ok(SlotId(index))
    }

    /// Reads a control group. All of `out` is overwritten; what is not wanted or not offered becomes `None`.
    ///
    /// # Errors
    /// `Gone` when the control group was removed: close it. Else the first file that failed; what the other files
    /// gave is in `out` all the same.
    pub fn read(&mut self, id: &SlotId, out: &mut Reading) -> Result<(), ReadError> {
        // Taken out and put back: a move of the struct, so that the engine and the slot can be borrowed together.
        let Some(mut slot) = self.slots.get_mut(id.0).and_then(Option::take) else {
            return Err(gone(PathBuf::new()));
        };
        let result = self.read_slot(&mut slot, out);
        let excess = self.descriptors.excess();
        if excess > 0 {
            self.descriptors.release(slot.stop_keeping(excess));
        }
        self.slots[id.0] = Some(slot);
        result
    }

    /// Forgets a control group and closes its files.
    pub fn close(&mut self, id: SlotId) {
        if let Some(mut slot) = self.slots.get_mut(id.0).and_then(Option::take) {
            self.descriptors.release(slot.stop_keeping(usize::MAX));
            self.free.push(id.0);
        }
    }
}

impl Base {
    fn open(controller: &'static str, mount: &Path) -> Result<Self, ReadError> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_PATH | OFlag::O_CLOEXEC;
        let directory = open(mount, flags, Mode::empty()).map_err(|error| of_cgroup(mount, error))?;
        Ok(Self {
            controller,
            mount: mount.to_path_buf(),
            directory,
        })
    }

    /// The number of the directory of a control group, if there is one.
    fn inode(&self, cgroup: &CgroupPath) -> Option<u64> {
        let path = cgroup.relative();
        let path = if cgroup.is_root() { Path::new(".") } else { path };
        let stat = fstatat(&self.directory, path, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
        Some(stat.st_ino)
    }
}

impl Access {
    /// Opens a file relative to the mount.
    fn open(&mut self, base: &Base, cgroup: &CgroupPath, name: &str) -> Result<File, Errno> {
        self.path.clear();
        self.path
            .extend_from_slice(cgroup.relative().as_os_str().as_bytes());
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.as_bytes());
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        openat(&base.directory, &self.path[..], flags, Mode::empty()).map(File::from)
    }

    /// Reads a whole file from its start.
    fn fill(&mut self, file: &File) -> Result<usize, Errno> {
        fill(file, &mut self.buffer, Extent::OneRecord).map_err(|error| errno(&error))
    }
}
