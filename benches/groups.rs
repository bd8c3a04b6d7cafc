//! Control groups that are there for a measurement and gone afterwards.

use std::fs;
use std::path::{Path, PathBuf};

const PREFIX: &str = "alumet-bench-";

/// Empty control groups in one of their own, which has the [`name`](Self::name) of this process.
#[derive(Debug)]
pub struct Groups {
    folder: PathBuf,
}

impl Groups {
    /// Makes so many in the hierarchy of version 2.
    ///
    /// # Errors
    /// What is missing on this machine.
    pub fn make(count: u32) -> Result<Self, String> {
        Self::named("", (0..count).map(|number| format!("job-{number}")))
    }

    /// The same with the names of pods, as the kubelet makes them with systemd; those have the [uids](pod_uid) of as many numbers.
    ///
    /// # Errors
    /// What is missing on this machine.
    pub fn make_pods(count: u32) -> Result<Self, String> {
        let name = |number| {
            let uid = pod_uid(number).replace('-', "_");
            format!("kubepods-burstable-pod{uid}.slice")
        };
        Self::named("kubepods.slice/kubepods-burstable.slice", (0..count).map(name))
    }

    /// Groups below another one, which may be empty.
    fn named(below: &str, names: impl Iterator<Item = String>) -> Result<Self, String> {
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let mount = mounts
            .into_iter()
            .find(|mount| mount.join("cgroup.controllers").exists())
            .ok_or("no cgroup v2 hierarchy is mounted; run `mount -t cgroup2 none /sys/fs/cgroup`")?;
        remove_left_over(mount);
        let groups = Self {
            folder: mount.join(Self::name()),
        };
        make(&groups.folder)?;
        let mut folder = groups.folder.clone();
        for part in below.split('/').filter(|part| !part.is_empty()) {
            folder.push(part);
            make(&folder)?;
        }
        for name in names {
            make(&folder.join(name))?;
        }
        Ok(groups)
    }

    /// The group below the mount that has all others.
    pub fn name() -> String {
        format!("{PREFIX}{}", std::process::id())
    }

    /// What chooses them in a configuration.
    pub fn pattern() -> String {
        format!("/{}/*", Self::name())
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

fn make(folder: &Path) -> Result<(), String> {
    fs::create_dir(folder).map_err(|error| format!("cannot make {}: {error}; run as root", folder.display()))
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

/// Removes a group and those in it.
fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}

/// The uid of a pod with this number.
pub fn pod_uid(number: u32) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}
