//! The thread that waits for the kernel to report something.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Inner;

/// After news the thread lets this time pass, so that a storm of control groups costs at most fifty wake-ups a second.
/// The first event after a calm is handled at once.
const QUIET: Duration = Duration::from_millis(20);

/// How often hierarchies are asked that cannot be waited for.
const WITHOUT_WATCH_MS: u16 = 1000;

/// Waits and calls, until the tree is dropped.
pub(super) fn run(inner: &Inner, table: Option<File>) {
    loop {
        let watched = inner.state.lock().descriptors();
        let timeout = match watched {
            Some(_) => PollTimeout::NONE,
            None => PollTimeout::from(WITHOUT_WATCH_MS),
        };
        let watched = watched.unwrap_or_default();
        let kick = PollFd::new(inner.kick.as_fd(), PollFlags::POLLIN);
        let table = table
            .iter()
            .map(|table| PollFd::new(table.as_fd(), PollFlags::POLLPRI));
        let watched = watched
            .iter()
            .map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN));
        let mut fds: Vec<_> = [kick].into_iter().chain(table).chain(watched).collect();
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                tracing::debug!(%error, "waiting for control groups failed");
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        // Empty when it was something else.
        let _ = inner.kick.read();
        if inner.is_over.load(Ordering::Acquire) {
            return;
        }
        let mut state = inner.state.lock();
        state.update(Instant::now());
        let urgent = state.urgent();
        drop(state);
        for wake in urgent {
            wake();
        }
        std::thread::sleep(QUIET);
    }
}
