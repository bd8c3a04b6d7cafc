//! The socket in the file system: never open to others, never taken from a living agent, removed at the end.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{
    Access, FileType, FlockOperation, Mode, OFlags, access, chmod, fchmod, flock, fstat, lstat, open, unlink,
};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};

use crate::error::SocketError;

/// The longest path that a socket can have (`sun_path` of unix(7), less its end).
pub(crate) const PATH_LIMIT: usize = 107;

/// The rights to the socket.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// How many may wait to be accepted.
const BACKLOG: i32 = 32;

/// A socket that was made; dropping it removes it.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode, so that the socket of somebody else is left alone.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    /// Listens at `path`, which only this user may use from the first instant. A socket at which nobody listens any more
    /// is replaced.
    pub(crate) fn listen(path: &Path) -> Result<(UnixListener, Self), SocketError> {
        let refused = |what| SocketError::refused(path, what);
        let address = SocketAddrUnix::new(path).map_err(refused("named like this"))?;
        let socket = private_socket().map_err(refused("made"))?;
        // Two agents that start at once must not both replace a dead socket.
        let _turn = folder_lock(path);
        match bind(&socket, &address) {
            Err(Errno::ADDRINUSE) => {
                remove_if_dead(path)?;
                bind(&socket, &address).map_err(refused("bound"))?;
            }
            Err(Errno::NOENT | Errno::NOTDIR) => return Err(SocketError::NoFolder(path.to_owned())),
            result => result.map_err(refused("bound"))?,
        }
        // From here on, an error removes the file.
        let file = Self {
            path: path.to_owned(),
            identity: identity(path),
        };
        make_usable(path).map_err(refused("kept from others"))?;
        // Nobody can connect before.
        listen(&socket, BACKLOG).map_err(refused("listened at"))?;
        Ok((UnixListener::from(socket), file))
    }

    /// Finds out whether [`listen`](Self::listen) would work, and changes nothing.
    pub(crate) fn probe(path: &Path) -> Result<(), SocketError> {
        SocketAddrUnix::new(path).map_err(SocketError::refused(path, "named like this"))?;
        is_free(path)?;
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(SocketError::NoFolder(path.to_owned()));
        }
        access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(SocketError::refused(path, "bound"))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // Whoever starts next replaces it if this fails.
            let _ = unlink(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let status = lstat(path).ok()?;
    Some((status.st_dev, status.st_ino))
}

/// A socket whose file only this user may use.
///
/// Linux gives the file the mode that the socket has when it is bound: there is no instant at which it is wider.
fn private_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    fchmod(&socket, PRIVATE)?;
    Ok(socket)
}

/// Gives the user the rights to the socket at `path` that the umask has taken away, and to nothing that somebody has put in
/// its place.
fn make_usable(path: &Path) -> Result<(), Errno> {
    let file = open(
        path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mode = fstat(&file)?.st_mode;
    if FileType::from_raw_mode(mode) != FileType::Socket {
        return Err(Errno::LOOP);
    }
    if Mode::from_raw_mode(mode) == PRIVATE {
        return Ok(());
    }
    // A file that is only named has no other way.
    chmod(format!("/proc/self/fd/{}", file.as_raw_fd()), PRIVATE)
}

/// Removes the socket at `path` if nobody listens there.
fn remove_if_dead(path: &Path) -> Result<(), SocketError> {
    if is_free(path)? {
        return Ok(());
    }
    tracing::info!(path = %path.display(), "nobody listens at this socket any more; it is replaced");
    match unlink(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(SocketError::refused(path, "replaced")(error)),
    }
}

/// Whether nothing is at `path`; if not, it is a socket at which nobody listens.
fn is_free(path: &Path) -> Result<bool, SocketError> {
    let refused = SocketError::refused(path, "inspected");
    match lstat(path) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(true),
        Err(error) => return Err(refused(error)),
        Ok(status) if FileType::from_raw_mode(status.st_mode) != FileType::Socket => {
            return Err(SocketError::NoSocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match connect_at_once(path) {
        // It listens, though perhaps to too many.
        Ok(()) | Err(Errno::AGAIN) => Err(SocketError::InUse(path.to_owned())),
        Err(Errno::CONNREFUSED) => Ok(false),
        // Its owner was faster.
        Err(Errno::NOENT) => Ok(true),
        Err(error) => Err(refused(error)),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Connects without waiting for a place in a queue.
fn connect_at_once(path: &Path) -> Result<(), Errno> {
    let socket = private_socket()?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(())
}

/// Locks the folder until it is dropped. Whoever cannot, because the file system has no locks or somebody holds one for
/// long, goes on without.
fn folder_lock(path: &Path) -> Option<File> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let folder = File::open(folder_of(path)).ok()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn the_file_is_private_as_soon_as_it_exists() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        bind(private_socket().unwrap(), &SocketAddrUnix::new(&path).unwrap()).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o177, 0, "{mode:o}");
    }

    #[test]
    fn rights_that_are_missing_are_given_to_the_socket_and_to_no_file_that_a_link_names() {
        let folder = tempfile::tempdir().unwrap();
        let (path, file, link) = ["s", "file", "link"].map(|name| folder.path().join(name)).into();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let _listener = UnixListener::bind(&path).unwrap();
        chmod(&path, Mode::empty()).unwrap();
        make_usable(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::write(&file, "").unwrap();
        for target in [&file, &path] {
            chmod(target, Mode::from_raw_mode(0o644)).unwrap();
            std::os::unix::fs::symlink(target, &link).unwrap();
            assert_eq!(make_usable(&link), Err(Errno::LOOP));
            assert_eq!(mode(target), 0o644);
            fs::remove_file(&link).unwrap();
        }
    }

    #[test]
    fn of_many_that_replace_a_dead_socket_at_once_one_gets_it() {
        const MANY: usize = 8;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        for _ in 0..100 {
            drop(UnixListener::bind(&path).unwrap());
            let barrier = Barrier::new(MANY);
            let listen = || {
                barrier.wait();
                SocketFile::listen(&path).ok()
            };
            let listening: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..MANY).map(|_| scope.spawn(listen)).collect();
                let results = threads.into_iter().map(|thread| thread.join().unwrap());
                results.flatten().collect()
            });
            assert_eq!(listening.len(), 1);
            connect_at_once(&path).unwrap();
        }
    }
}
