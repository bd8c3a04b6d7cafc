//! Whether lines could be written, found out without creating, mending or renaming anything.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use alumet_core::plugin::Finding;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::statfs::{PROC_SUPER_MAGIC, SYSFS_MAGIC, statfs};
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, faccessat};

use crate::config::Config;
use crate::inspect::inspect;
use crate::output::is_stream;
use crate::stream_sink::is_stdout;

const FILE: &str = "file";
/// Less space than this is soon used up: a small machine writes some megabytes an hour.
const LITTLE_SPACE: u64 = 256 << 20;

/// The findings about the file and what is around it.
pub(crate) fn diagnose(config: &Config) -> Vec<Finding> {
    let path = std::path::absolute(&config.output_path).unwrap_or_else(|_| config.output_path.clone());
    match is_stream(config) {
        Ok(true) if is_stdout(&config.output_path) => {
            return vec![Finding::works(FILE, "the standard output")];
        }
        Ok(true) => return vec![stream(&path)],
        Ok(false) => {}
        Err(error) => {
            // Each of these messages says what is wrong before the semicolon and what mends it after it.
            let text = error.to_string();
            let (detail, remedy) = text
                .split_once("; ")
                .unwrap_or((&text, "set `output_path` to a file"));
            return vec![Finding::broken(FILE, detail, remedy)];
        }
    }
    let Some(folder) = nearest_folder(&path) else {
        return vec![elsewhere(format!("{} has no folder", path.display()))];
    };
    let mut findings = match fs::metadata(&path) {
        Ok(found) => existing(config, &path, &folder, found.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => vec![new(&path, &folder)],
        Err(error) => vec![elsewhere(format!(
            "{} cannot be looked at: {error}",
            path.display()
        ))],
    };
    findings.extend(space(&folder));
    findings
}

fn stream(path: &Path) -> Finding {
    match permission(path, AccessFlags::W_OK) {
        Ok(()) => Finding::works(FILE, format!("{}, a pipe or a device", path.display())),
        Err(errno) => elsewhere(format!(
            "{} may not be written ({})",
            path.display(),
            errno.desc()
        )),
    }
}

/// A file that the agent will create.
fn new(path: &Path, folder: &Path) -> Finding {
    if is_of_the_kernel(folder) {
        let (path, folder) = (path.display(), folder.display());
        return elsewhere(format!(
            "{path} cannot be created: {folder} holds the kernel's own files"
        ));
    }
    match permission(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) if path.parent() == Some(folder) => {
            Finding::works(FILE, format!("{}, to be created", path.display()))
        }
        Ok(()) => Finding::works(FILE, format!("{}, to be created with its folder", path.display())),
        Err(errno) => elsewhere(format!(
            "{} cannot be created: {} may not be written ({})",
            path.display(),
            folder.display(),
            errno.desc()
        )),
    }
}

/// A file with lines, or with something else in it.
fn existing(config: &Config, path: &Path, folder: &Path, len: u64) -> Vec<Finding> {
    if let Err(errno) = permission(path, AccessFlags::R_OK | AccessFlags::W_OK) {
        let detail = format!(
            "{} may not be read and written ({})",
            path.display(),
            errno.desc()
        );
        return vec![elsewhere(detail)];
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return vec![elsewhere(format!("{} cannot be opened: {error}", path.display()))],
    };
    if is_locked(&file) {
        return vec![Finding::broken(
            FILE,
            format!("{} is being written by another process", path.display()),
            "stop it, or set `output_path` to another file",
        )];
    }
    let renames = permission(folder, AccessFlags::W_OK | AccessFlags::X_OK);
    let mut findings = vec![content(config, &file, path, len, renames.is_ok())];
    if let (true, Err(errno)) = (config.rotates(), renames) {
        findings.push(Finding::limited(
            "rotation",
            format!(
                "not possible, {} may not be written ({})",
                folder.display(),
                errno.desc()
            ),
            "give the user of the agent the right to write to that folder",
        ));
    }
    findings
}

/// What becomes of what is in the file.
fn content(config: &Config, file: &File, path: &Path, len: u64, renames: bool) -> Finding {
    let delimiter = config.line_format().delimiter;
    let detail = |what: String| format!("{}, {what}", path.display());
    match inspect(file, len, delimiter) {
        Err(error) => Finding::broken(
            FILE,
            format!("{} cannot be read: {error}", path.display()),
            "check that the disk works",
        ),
        Ok(Some(content)) => Finding::works(
            FILE,
            detail(match (&content.header, len.saturating_sub(content.whole)) {
                (None, _) => "empty".to_owned(),
                (Some(_), 0) => format!("{len} bytes, goes on at its end"),
                (Some(_), torn) => {
                    format!("goes on after its last whole line; {torn} bytes after it are cut off")
                }
            }),
        ),
        Ok(None) if renames => Finding::limited(
            FILE,
            detail("with other columns or damaged; it will be renamed and a new one begun".to_owned()),
            "set `output_path` to another file to leave this one as it is",
        ),
        Ok(None) => elsewhere(detail(
            "with other columns or damaged, and its folder does not let it be renamed".to_owned(),
        )),
    }
}

/// How much can still be written.
fn space(folder: &Path) -> Option<Finding> {
    // File systems without a size, such as that of `/proc`, say nothing about the space in them.
    let found = statvfs(folder).ok().filter(|found| found.blocks() > 0)?;
    // The two numbers have 32 bits on some machines.
    let free = u128::from(found.blocks_available()) * u128::from(found.fragment_size());
    let free = u64::try_from(free).unwrap_or(u64::MAX);
    // File systems without a table of files, such as btrfs, say that they have 0 of 0.
    let no_more_files = found.files() > 0 && found.files_available() == 0;
    Some(judge_space(free, no_more_files))
}

fn judge_space(free: u64, no_more_files: bool) -> Finding {
    const SUBJECT: &str = "free space";
    const REMEDY: &str = "free some, or bound the output with `rotate_size` and `keep_files`";
    if no_more_files {
        return Finding::broken(
            SUBJECT,
            "no more files fit on this file system",
            "remove some files",
        );
    }
    let megabytes = format!("{} MiB", free >> 20);
    match free {
        0 => Finding::broken(SUBJECT, "none", REMEDY),
        1..LITTLE_SPACE => Finding::limited(SUBJECT, format!("only {megabytes}"), REMEDY),
        _ if free < 10 << 30 => Finding::works(SUBJECT, megabytes),
        _ => Finding::works(SUBJECT, format!("{} GiB", free >> 30)),
    }
}

/// The folder of the file, or the first above it that exists: the agent creates those between.
fn nearest_folder(path: &Path) -> Option<PathBuf> {
    let mut above = path.ancestors().skip(1);
    above.find(|folder| folder.exists()).map(Path::to_owned)
}

/// Whether another process holds the lock that the agent takes. A shared lock for an instant is the only way to ask.
fn is_locked(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = file.unlock();
            false
        }
        Err(TryLockError::WouldBlock) => true,
        // The file system has no locks.
        Err(TryLockError::Error(_)) => false,
    }
}

/// Whether the folder is of a file system in which nobody can create files, although root has the right to.
fn is_of_the_kernel(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|found| matches!(found.filesystem_type(), PROC_SUPER_MAGIC | SYSFS_MAGIC))
}

/// Asks the kernel for the rights of the effective user.
fn permission(path: &Path, access: AccessFlags) -> Result<(), Errno> {
    faccessat(AT_FDCWD, path, access, AtFlags::AT_EACCESS)
}

fn elsewhere(detail: String) -> Finding {
    Finding::broken(
        FILE,
        detail,
        "give the user of the agent the rights, or set `output_path` to another place",
    )
}

#[cfg(test)]
mod tests {
    use alumet_core::plugin::Verdict;

    use super::*;

    const HEADER: &str =
        "metric;timestamp;value;resource_kind;resource_id;consumer_kind;consumer_id;__late_attributes\n";

    fn of(path: &Path) -> Finding {
        let config = Config {
            output_path: path.to_owned(),
            ..Config::default()
        };
        diagnose(&config).swap_remove(0)
    }

    #[test]
    fn a_file_that_does_not_exist_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["out.csv", "a/b/out.csv"] {
            let finding = of(&folder.path().join(name));
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
            let finding = of(&path);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.detail.contains(phrase), "{finding:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_another_process_writes_is_broken_until_it_stops() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        fs::write(&path, HEADER).unwrap();
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        let finding = of(&path);
        assert_eq!(finding.verdict, Verdict::Broken);
        assert!(finding.detail.contains("another process"), "{finding:?}");
        other.unlock().unwrap();
        assert_eq!(of(&path).verdict, Verdict::Works);
        // The question itself leaves no lock.
        other.try_lock().unwrap();
    }

    #[test]
    fn a_folder_is_no_file_and_a_device_is_a_stream() {
        let folder = tempfile::tempdir().unwrap();
        let finding = of(folder.path());
        assert_eq!(finding.verdict, Verdict::Broken);
        assert!(finding.detail.ends_with("is a folder"), "{finding:?}");
        assert!(finding.remedy.unwrap().starts_with("set `output_path`"));
        assert_eq!(of(Path::new("/dev/null")).verdict, Verdict::Works);
        assert_eq!(of(Path::new("-")).detail, "the standard output");
    }

    #[test]
    fn a_place_where_nothing_can_be_created_is_broken() {
        // Not even root creates files there.
        let finding = of(Path::new("/proc/x/out.csv"));
        assert_eq!(finding.verdict, Verdict::Broken, "{finding:?}");
        assert!(finding.detail.contains("/proc"), "{finding:?}");
    }

    #[test]
    fn the_path_is_told_from_the_root_on() {
        assert!(of(Path::new("out.csv")).detail.starts_with('/'));
    }

    #[test]
    fn little_space_is_a_limit_and_none_is_broken() {
        for (free, full, verdict) in [
            (0, false, Verdict::Broken),
            (1 << 20, false, Verdict::Limited),
            (LITTLE_SPACE - 1, false, Verdict::Limited),
            (LITTLE_SPACE, false, Verdict::Works),
            (u64::MAX, false, Verdict::Works),
            (u64::MAX, true, Verdict::Broken),
        ] {
            assert_eq!(judge_space(free, full).verdict, verdict, "{free} {full}");
        }
        assert!(space(&std::env::temp_dir()).is_some());
        assert_eq!(space(Path::new("/proc")), None, "it has no size");
    }
}
