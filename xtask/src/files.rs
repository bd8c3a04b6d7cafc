//! The files of the repository.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::step::Step;

/// A file and the text that it should have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Relative to the root.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// Writes it, with its folder, and says so; a file that has the text already stays as it is.
    pub(crate) fn write(&self, root: &Path) -> Result<()> {
        let Self { path, text } = self;
        let place = root.join(path);
        if fs::read_to_string(&place).ok().as_ref() == Some(text) {
            return Ok(());
        }
        fs::create_dir_all(place.parent().unwrap_or(root))
            .and_then(|()| fs::write(&place, text))
            .with_context(|| format!("cannot write {path}"))?;
        println!("wrote {path}");
        Ok(())
    }
}

/// The paths of all files that are tracked or would be, relative to `root`.
pub(crate) fn tracked(root: &Path) -> Result<Vec<String>> {
    let list = Step::new([
        "git",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ])
    .output(root)
    .context("git lists the files of the repository")?;
    let paths = list.split('\0').filter(|path| !path.is_empty());
    // Deleted files stay in the index until the next commit.
    let mut paths: Vec<String> = paths
        .filter(|path| root.join(path).is_file())
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}
