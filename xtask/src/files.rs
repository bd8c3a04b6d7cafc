//! The files of the repository.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The paths of all files that are tracked or would be, relative to `root`.
pub(crate) fn tracked(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git, which lists the files of the repository; install it")?;
    if !output.status.success() {
        bail!(
            "git cannot list the files of {}: {}",
            root.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let mut paths: Vec<String> = output
        .stdout
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
        .map(|path| String::from_utf8_lossy(path).into_owned())
        // Deleted files stay in the index until the next commit.
        .filter(|path| root.join(path).is_file())
        .collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}
