//! Tells when the mounted hierarchies change.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alumet_reader_kernel_file::{ReadError, errno};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use super::{Hierarchies, read_table};
use crate::error::of_cgroup;

/// The table of mounts, watched: a hierarchy that is mounted after the program started is found.
///
/// The kernel marks an open table with `POLLPRI` when a mount changed, so that [`Self::changed`] costs one `poll`
/// while nothing happens. A table that is no file of proc (a captured tree) is read at each call.
#[derive(Debug)]
pub struct MountWatch {
    root: PathBuf,
    table: PathBuf,
    file: File,
    is_signalled: bool,
    must_look: bool,
    hierarchies: Arc<Hierarchies>,
}

impl MountWatch {
    /// Opens the table of the machine whose `proc` lies below `root` and reads it.
    ///
    /// # Errors
    /// Like [`Hierarchies::detect`].
    pub fn open(root: &Path) -> Result<Self, ReadError> {
        let (table, _) = read_table(root)?;
        let file = File::open(&table).map_err(|error| of_cgroup(&table, errno(&error)))?;
        let is_signalled = fstatfs(&file).is_ok_and(|fs| fs.filesystem_type() == PROC_SUPER_MAGIC);
        Ok(Self {
            root: root.to_path_buf(),
            table,
            file,
            is_signalled,
            must_look: false,
            // Read after the watched file was opened: a mount in between is in the content or signalled, or both.
            hierarchies: Arc::new(Hierarchies::detect(root)?),
        })
    }

    /// The file that holds the table.
    pub fn table(&self) -> &Path {
        &self.table
    }

    /// What is mounted, as of the last look.
    pub fn hierarchies(&self) -> &Arc<Hierarchies> {
        &self.hierarchies
    }

    /// Looks again; the hierarchies of the last look when others are mounted now, or at other places. Does not block;
    /// mounts of other file systems do not count.
    ///
    /// # Errors
    /// When the table cannot be polled or read; the next call looks again.
    pub fn changed(&mut self) -> Result<Option<Arc<Hierarchies>>, ReadError> {
        // Looking takes the mark away; a look that failed must be made up for.
        self.must_look |= !self.is_signalled || self.is_marked()?;
        if !self.must_look {
            return Ok(None);
        }
        let now = Hierarchies::detect(&self.root)?;
        self.must_look = false;
        let differs = now != *self.hierarchies;
        Ok(differs.then(|| std::mem::replace(&mut self.hierarchies, Arc::new(now))))
    }

    fn is_marked(&self) -> Result<bool, ReadError> {
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLPRI)];
        poll(&mut fds, PollTimeout::ZERO).map_err(|error| of_cgroup(&self.table, error))?;
        let marks = PollFlags::POLLPRI | PollFlags::POLLERR;
        Ok(fds[0].revents().is_some_and(|events| events.intersects(marks)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_hierarchy_that_is_mounted_later_is_found_and_told_once() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        let table = root.path().join("proc/self/mounts");
        fs::write(&table, "proc /proc proc rw 0 0\n").unwrap();
        let mut watch = MountWatch::open(root.path()).unwrap();
        assert!(watch.hierarchies().require_v2().is_err());
        assert!(watch.changed().unwrap().is_none());
        fs::write(&table, "tmpfs /tmp tmpfs rw 0 0\n").unwrap();
        assert!(
            watch.changed().unwrap().is_none(),
            "no control groups are concerned"
        );
        fs::write(&table, "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n").unwrap();
        assert_eq!(watch.changed().unwrap().as_deref(), Some(&Hierarchies::default()));
        assert!(watch.hierarchies().require_v2().is_ok());
        assert!(watch.changed().unwrap().is_none());
    }

    #[test]
    fn the_table_of_this_machine_is_signalled_by_the_kernel() {
        let mut watch = MountWatch::open(Path::new("/")).unwrap();
        assert!(watch.is_signalled);
        watch.changed().unwrap();
        assert!(!watch.is_marked().unwrap(), "the mark is taken away by looking");
    }
}
