//! The thread that waits for the kernel to report something.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::CgroupTree;

/// After news the thread lets this time pass, so that a storm of control groups costs at most fifty wake-ups a second.
/// The first event after a calm is handled at once.
const QUIET: Duration = Duration::from_millis(20);

/// How often hierarchies are asked that cannot be waited for.
const WITHOUT_WATCH_MS: u16 = 1000;

/// Starts the thread, which ends with the tree.
pub(super) fn start(tree: &Arc<CgroupTree>) -> io::Result<()> {
    // A descriptor of its own: a poll takes the kernel's mark of a change away from the one that it is called on.
    let state = tree.state.lock();
    let table = File::open(state.table()).ok();
    let kick = state.kick.as_fd().try_clone_to_owned()?;
    drop(state);
    let tree = Arc::downgrade(tree);
    let thread = std::thread::Builder::new().name("alumet-cgroups".to_owned());
    thread.spawn(move || while wait(&tree, &kick, table.as_ref()).is_some() {})?;
    Ok(())
}

/// Waits once and calls; `None` when the tree was dropped.
fn wait(tree: &Weak<CgroupTree>, kick: &OwnedFd, table: Option<&File>) -> Option<()> {
    let watched = tree.upgrade()?.state.lock().descriptors();
    let timeout = match watched {
        Some(_) => PollTimeout::NONE,
        None => PollTimeout::from(WITHOUT_WATCH_MS),
    };
    let watched = watched.unwrap_or_default();
    let kick = PollFd::new(kick.as_fd(), PollFlags::POLLIN);
    let table = table.map(|table| PollFd::new(table.as_fd(), PollFlags::POLLPRI));
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
    let tree = tree.upgrade()?;
    let mut state = tree.state.lock();
    // Empty when it was something else.
    let _ = state.kick.read();
    state.update(Instant::now());
    let urgent = state.urgent();
    drop(state);
    for wake in urgent {
        wake();
    }
    drop(tree);
    std::thread::sleep(QUIET);
    Some(())
}
