//! Why a program cannot be run.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::config::nearest;
use crate::exit::Failed;

/// Whether there is a program of this name, executable or not.
pub(crate) fn find(program: &OsStr) -> Result<(), Failed> {
    match locate(program) {
        Some(_) => Ok(()),
        None => Err(cannot_run(program, &io::Error::from(ErrorKind::NotFound))),
    }
}

/// Explains why a program cannot be run; 127 if there is none and 126 if it may not be run, as shells have it.
pub(super) fn cannot_run(program: &OsStr, error: &io::Error) -> Failed {
    let name = program.display();
    // The kind of the error alone does not tell: a folder in PATH that may not be searched gives the same one as a file
    // that may not be run, and a missing interpreter the same one as a missing file.
    let Some(file) = locate(program) else {
        let hint = nearest_program(program).map_or_else(
            || "check the spelling, and that the folder of the program is in PATH".to_owned(),
            |nearest| format!("did you mean `{}`?", nearest.display()),
        );
        return Failed::with_code(127, format!("there is no program `{name}`\n  help: {hint}"));
    };
    let hint = if file.is_dir() {
        "it is a folder; name a file in it".to_owned()
    } else if error.kind() == ErrorKind::PermissionDenied {
        let file = file.display();
        format!("make it executable with `chmod +x {file}`, or run it with its interpreter")
    } else if error.kind() == ErrorKind::NotFound {
        format!(
            "the interpreter that the first line of {} names, or the loader of a binary, is missing",
            file.display()
        )
    } else {
        return Failed::with_code(126, format!("`{name}` cannot be run: {error}"));
    };
    Failed::with_code(126, format!("`{name}` cannot be run: {error}\n  help: {hint}"))
}

/// The file that a program name stands for, executable or not.
fn locate(program: &OsStr) -> Option<PathBuf> {
    let path = Path::new(program);
    if program.as_encoded_bytes().contains(&b'/') {
        // What cannot be looked at may be there.
        return path.try_exists().unwrap_or(true).then(|| path.to_owned());
    }
    std::env::split_paths(&search_path())
        .map(|folder| folder.join(path))
        .find(|file| file.is_file())
}

/// The folders in which programs are found; without PATH, those that the C library takes.
fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into())
}

/// The program in PATH, or in the folder of `program`, whose name is most like that of `program`.
fn nearest_program(program: &OsStr) -> Option<PathBuf> {
    let path = Path::new(program);
    let wanted = path.file_name()?.to_str()?;
    let in_folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folders: Vec<PathBuf> = match in_folder {
        Some(folder) => vec![folder.to_owned()],
        None => std::env::split_paths(&search_path()).collect(),
    };
    let entries = folders.iter().filter_map(|folder| folder.read_dir().ok());
    let mut files: Vec<PathBuf> = entries.flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let names = files.iter().filter_map(|file| file.file_name()?.to_str());
    let name = nearest(wanted, names)?;
    Some(in_folder.unwrap_or_else(|| Path::new("")).join(name))
}
