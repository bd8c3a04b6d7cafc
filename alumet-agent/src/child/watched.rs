//! A process that is watched until it ends.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::process::status;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{PidfdFlags, pidfd_open};
use tokio::sync::watch;

/// A process whose end can be awaited without reaping it.
pub(crate) struct Watched {
    pub(crate) pid: u32,
    pidfd: Arc<OwnedFd>,
    ended: watch::Receiver<Option<Instant>>,
}

impl Watched {
    /// Watches the process `pid`, in a small thread that sleeps until the process ends.
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        let pidfd = Arc::new(open_pidfd(pid)?);
        let (sender, ended) = watch::channel(None);
        let polled = Arc::clone(&pidfd);
        std::thread::Builder::new()
            .name("alumet-watch".to_owned())
            .spawn(move || {
                let mut fds = [PollFd::new(polled.as_fd(), PollFlags::POLLIN)];
                while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
                // Nobody may listen any more.
                let _ = sender.send(Some(Instant::now()));
            })?;
        Ok(Self { pid, pidfd, ended })
    }

    /// Waits until the process has ended, and says when that was; it stays a zombie until its parent reaps it.
    pub(crate) async fn ended(&self) -> Instant {
        let mut ended = self.ended.clone();
        let ended = ended.wait_for(Option::is_some).await;
        // An error means that the thread is gone, which it is only after the end.
        ended.ok().and_then(|ended| *ended).unwrap_or_else(Instant::now)
    }

    /// The number that the process has in the mount of `/proc` that is measured.
    ///
    /// # Errors
    /// When it has none there, which says why.
    pub(crate) fn number_in(&self, root: &SystemRoot) -> Result<u32, String> {
        number_in(root, &self.pidfd).ok_or_else(|| {
            format!(
                "{} does not show the process {}: it belongs to another PID namespace\n  help: mount the proc of this \
                 namespace there (`mount -t proc proc /proc`), or name the right `system_root`",
                root.proc("").display(),
                self.pid
            )
        })
    }
}

pub(super) fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    let raw = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let raw = raw.ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
    Ok(pidfd_open(raw, PidfdFlags::empty())?)
}

/// The number in a mount of `/proc`, which can be that of another PID namespace than ours; the kernel tells it about the
/// descriptor of a process (`Documentation/filesystems/proc.rst`, "pidfd files").
pub(super) fn number_in(root: &SystemRoot, pidfd: &OwnedFd) -> Option<u32> {
    let file = root.proc(format!("self/fdinfo/{}", pidfd.as_raw_fd()));
    let number = status::number(&std::fs::read(file).ok()?, "Pid")?;
    u32::try_from(number).ok().filter(|number| *number > 0)
}
