//! One file to its compressed form.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::OFlag;

/// The default of the format: about 500 MB/s, and a tenth of the size for lines of samples.
const LEVEL: i32 = 3;

/// Compresses `from` to `to` by way of `temporary`, then removes `from`; stops early, without a trace, once `stop` is
/// set. `to` appears only when it is complete and on the disk.
///
/// # Errors
/// What the system says; then `from` is as it was.
pub(crate) fn compress(from: &Path, temporary: &Path, to: &Path, stop: &AtomicBool) -> io::Result<()> {
    let done = write_compressed(from, temporary, stop).and_then(|complete| {
        if !complete {
            return fs::remove_file(temporary);
        }
        fs::rename(temporary, to)?;
        fs::remove_file(from)
    });
    if done.is_err() {
        // It may not even exist.
        let _ = fs::remove_file(temporary);
    }
    done
}

/// Gives back whether it reached the end.
fn write_compressed(from: &Path, temporary: &Path, stop: &AtomicBool) -> io::Result<bool> {
    // Anybody who may write to the folder can put something else there.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut source = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(from)?;
    let properties = source.metadata()?;
    if !properties.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    // What a process left that was killed.
    let _ = fs::remove_file(temporary);
    let target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    target.set_permissions(properties.permissions())?;

    let mut encoder = zstd::Encoder::new(target, LEVEL)?;
    encoder.include_checksum(true)?;
    while io::copy(&mut source.by_ref().take(1 << 18), &mut encoder)? > 0 {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
    }
    let target = encoder.finish()?;
    if let Ok(modified) = properties.modified() {
        target.set_modified(modified)?;
    }
    target.sync_all()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_compression_that_is_stopped_leaves_only_the_original() {
        let folder = tempfile::tempdir().unwrap();
        let [from, temporary, to] = ["a", "t", "a.zst"].map(|name| folder.path().join(name));
        fs::write(&from, "text").unwrap();
        compress(&from, &temporary, &to, &AtomicBool::new(true)).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        compress(&from, &temporary, &to, &AtomicBool::new(false)).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(zstd::decode_all(File::open(&to).unwrap()).unwrap(), b"text");
    }

    #[test]
    fn no_link_is_followed_and_the_mode_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [from, temporary, to, secret] =
            ["a", "t", "a.zst", "secret"].map(|name| folder.path().join(name));
        let private = fs::Permissions::from_mode(0o600);
        fs::write(&secret, "secret").unwrap();
        fs::write(&from, "text").unwrap();
        fs::set_permissions(&from, private.clone()).unwrap();
        symlink(&secret, &temporary).unwrap();
        compress(&from, &temporary, &to, &AtomicBool::new(false)).unwrap();
        assert_eq!(zstd::decode_all(File::open(&to).unwrap()).unwrap(), b"text");
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o7777, 0o600);

        symlink(&secret, &from).unwrap();
        compress(&from, &temporary, &to, &AtomicBool::new(false)).unwrap_err();
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
        assert!(from.is_symlink() && !temporary.exists());
    }

    #[test]
    fn a_compression_that_fails_keeps_the_original() {
        let folder = tempfile::tempdir().unwrap();
        let [from, temporary, to] = ["a", "t", "missing/a.zst"].map(|name| folder.path().join(name));
        fs::write(&from, "text").unwrap();
        assert!(compress(&from, &temporary, &to, &AtomicBool::new(false)).is_err());
        assert_eq!(fs::read(&from).unwrap(), b"text");
        assert!(!temporary.exists());
    }
}
