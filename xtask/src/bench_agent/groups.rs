//! Control groups that are there for a measurement and gone afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Empty control groups in one of their own.
pub(crate) struct Groups {
    folder: PathBuf,
}

const PREFIX: &str = "alumet-bench-";

impl Groups {
    pub(crate) fn make(count: u32) -> Result<Self> {
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let mount = mounts
            .into_iter()
            .find(|mount| mount.join("cgroup.controllers").exists());
        let mount =
            mount.context("no cgroup v2 hierarchy is mounted; run `mount -t cgroup2 none /sys/fs/cgroup`")?;
        remove_left_over(mount);
        let groups = Self {
            folder: mount.join(format!("{PREFIX}{}", std::process::id())),
        };
        let make = |folder: &Path| {
            fs::create_dir(folder).with_context(|| format!("cannot make {}; run as root", folder.display()))
        };
        make(&groups.folder)?;
        for number in 0..count {
            make(&groups.folder.join(format!("job-{number}")))?;
        }
        Ok(groups)
    }

    /// The name below the mount.
    pub(crate) fn name(&self) -> String {
        self.folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Removes what a measurement left that was killed.
fn remove_left_over(mount: &Path) {
    for entry in fs::read_dir(mount).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&entry.path());
        }
    }
}

fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
    if let Err(error) = fs::remove_dir(folder) {
        eprintln!("{} is left over: {error}", folder.display());
    }
}
