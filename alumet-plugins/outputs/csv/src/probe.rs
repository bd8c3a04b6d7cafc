//! What would become of the output, found out without creating, mending or renaming anything.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use alumet_core::plugin::Finding;
use nix::errno::Errno;
use nix::sys::statfs::{PROC_SUPER_MAGIC, SYSFS_MAGIC, statfs};
use nix::unistd::{AccessFlags, access};

use crate::config::Config;
use crate::error::CsvError;
use crate::inspect::inspect;
use crate::link::{no_follow, resolve};
use crate::output::is_stream;
use crate::stream_sink::is_stdout;

const FILE: &str = "file";

/// What there is to say about the output.
///
/// # Errors
/// What stands in its way, and how to mend it.
pub(crate) fn probe(config: &Config) -> Result<Vec<Finding>, CsvError> {
    let path = std::path::absolute(&config.output_path).unwrap_or_else(|_| config.output_path.clone());
    let path = resolve(&path)?;
    if is_stream(config)? {
        if is_stdout(&config.output_path) {
            return Ok(vec![Finding::works(FILE, "the standard output")]);
        }
        allowed(&path, &path, AccessFlags::W_OK)?;
        return Ok(vec![Finding::works(
            FILE,
            format!("{}, a pipe or a device", path.display()),
        )]);
    }
    let opened = OpenOptions::new()
        .read(true)
        .append(true)
        .custom_flags(no_follow(&path).bits())
        .open(&path);
    let mut findings = vec![match opened {
        Ok(file) => existing(config, &file, &path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            access_folder(&path)?;
            Finding::works(FILE, format!("{}, to be created", path.display()))
        }
        Err(error) => return Err(CsvError::open("open", &path, error)),
    }];
    if let (true, Some(folder), Err(_)) = (config.rotates(), path.parent(), access_folder(&path)) {
        let detail = format!("not possible, {} may not be written", folder.display());
        let remedy = "give the user of the agent the right to write to that folder";
        findings.push(Finding::limited("rotation", detail, remedy));
    }
    Ok(findings)
}

/// The nearest folder above a file must be one in which it can be created.
fn access_folder(path: &Path) -> Result<(), CsvError> {
    let Some(folder) = path.ancestors().skip(1).find(|above| above.exists()) else {
        return Ok(());
    };
    let refused = |error| CsvError::create_folder(path.parent().unwrap_or(folder), error);
    if !folder.is_dir() {
        return Err(refused(io::ErrorKind::NotADirectory.into()));
    }
    // Not even root creates files there, although the kernel says that it may.
    if statfs(folder).is_ok_and(|found| matches!(found.filesystem_type(), PROC_SUPER_MAGIC | SYSFS_MAGIC)) {
        return Err(refused(io::ErrorKind::Unsupported.into()));
    }
    allowed(path, folder, AccessFlags::W_OK | AccessFlags::X_OK)
}

/// Asks the kernel for a right in `place`, without which the file at `path` cannot be written.
fn allowed(path: &Path, place: &Path, right: AccessFlags) -> Result<(), CsvError> {
    access(place, right).map_err(|errno: Errno| CsvError::open("open", path, errno.into()))
}

/// What becomes of what is in the file.
fn existing(config: &Config, file: &File, path: &Path) -> Result<Finding, CsvError> {
    // Closing the file gives the lock back.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(CsvError::Locked(path.to_owned()));
    }
    let read = |error| CsvError::open("read", path, error);
    let len = file.metadata().map_err(read)?.len();
    let content = inspect(file, len, config.format()).map_err(read)?;
    let detail = match content {
        Some(content) if content.header.is_none() => "empty".to_owned(),
        Some(content) if content.whole == len => format!("{len} bytes, goes on at its end"),
        Some(content) => {
            let torn = len - content.whole;
            format!("goes on after its last whole line; {torn} bytes after it are cut off")
        }
        None => {
            access_folder(path)?;
            let path = path.display();
            let detail =
                format!("{path}, with other columns or damaged; it will be renamed and a new one begun");
            let remedy = "set `output_path` to another file to leave this one as it is";
            return Ok(Finding::limited(FILE, detail, remedy));
        }
    };
    Ok(Finding::works(FILE, format!("{}, {detail}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use alumet_core::plugin::Verdict;

    use super::*;

    const HEADER: &str =
        "metric;timestamp;value;resource_kind;resource_id;consumer_kind;consumer_id;__late_attributes\n";

    fn of(path: &Path) -> Result<Finding, CsvError> {
        let config = Config {
            output_path: path.to_owned(),
            ..Config::default()
        };
        probe(&config).map(|mut findings| findings.swap_remove(0))
    }

    #[test]
    fn a_file_that_does_not_exist_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["out.csv", "a/b/out.csv"] {
            let finding = of(&folder.path().join(name)).unwrap();
            assert_eq!(finding.verdict, Verdict::Works);
            assert!(finding.detail.contains("to be created"), "{finding:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_in_the_file_decides_and_stays_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        for (text, verdict, phrase) in [
            (String::new(), Verdict::Works, "empty"),
            (HEADER.to_owned(), Verdict::Works, "goes on at its end"),
            (
                format!("{HEADER}a;b"),
                Verdict::Works,
                "3 bytes after it are cut off",
            ),
            ("a,b\n1,2\n".to_owned(), Verdict::Limited, "will be renamed"),
        ] {
            fs::write(&path, &text).unwrap();
            let finding = of(&path).unwrap();
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.detail.contains(phrase), "{finding:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_another_process_writes_is_refused_until_it_stops() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        fs::write(&path, HEADER).unwrap();
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        let error = of(&path).unwrap_err().to_string();
        assert!(error.contains("another process"), "{error}");
        other.unlock().unwrap();
        assert_eq!(of(&path).unwrap().verdict, Verdict::Works);
        // The question itself leaves no lock.
        other.try_lock().unwrap();
    }

    #[test]
    fn a_folder_is_no_file_and_a_device_is_a_stream() {
        let folder = tempfile::tempdir().unwrap();
        let error = of(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is a folder; set `output_path`"), "{error}");
        assert_eq!(of(Path::new("/dev/null")).unwrap().verdict, Verdict::Works);
        assert_eq!(of(Path::new("-")).unwrap().detail, "the standard output");
    }

    #[test]
    fn a_place_where_nothing_can_be_created_is_refused() {
        // Not even root creates files there.
        let error = of(Path::new("/proc/x/out.csv")).unwrap_err().to_string();
        assert!(error.contains("/proc/x"), "{error}");
    }

    #[test]
    fn the_path_is_told_from_the_root_on() {
        assert!(of(Path::new("out.csv")).unwrap().detail.starts_with('/'));
    }
}
