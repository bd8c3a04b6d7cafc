//! What the tests of control groups share (feature `testkit`): groups that a test makes for itself and that are removed even
//! when it fails.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says why it is skipped, and ends with a panic when its tools fail"
)]

use std::fs;
use std::path::{Path, PathBuf};

use crate::CgroupPath;
use crate::mount::Hierarchies;

/// A control group of the v2 hierarchy of this machine. It is removed with all that is in it when the value is dropped.
#[derive(Debug)]
pub struct OwnGroup {
    path: CgroupPath,
    folder: PathBuf,
}

impl OwnGroup {
    /// Makes `alumet-test-PID-NAME` below the root of the hierarchy; `None`, with the reason printed, when that is not
    /// possible here.
    ///
    /// # Panics
    /// When the mounts cannot be read, or the name cannot be that of a control group.
    pub fn make(name: &str) -> Option<Self> {
        let mounted = Hierarchies::detect(Path::new("/")).unwrap();
        let mount = match mounted.require_v2() {
            Ok(mount) => mount,
            Err(error) => {
                println!("skipped: {error}");
                return None;
            }
        };
        let name = format!("alumet-test-{}-{name}", std::process::id());
        let path = CgroupPath::root().child(name.as_ref()).unwrap();
        let folder = path.below(mount);
        if let Err(error) = fs::create_dir(&folder) {
            println!("skipped: `{}` cannot be made: {error}", folder.display());
            return None;
        }
        Some(Self { path, folder })
    }

    /// Its path in the hierarchy.
    pub fn path(&self) -> &CgroupPath {
        &self.path
    }

    /// Its directory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a control group below.
    ///
    /// # Panics
    /// When the name cannot be that of a control group, or the kernel refuses.
    pub fn child(&self, name: &str) -> Self {
        let child = Self {
            path: self.path.child(name.as_ref()).unwrap(),
            folder: self.folder.join(name),
        };
        fs::create_dir(&child.folder).unwrap();
        child
    }
}

impl Drop for OwnGroup {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Removes a control group and those below it. Processes that are still in it are moved out first.
fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let processes = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines() {
        if let Some(parent) = folder.parent() {
            let _ = fs::write(parent.join("cgroup.procs"), pid);
        }
    }
    if fs::remove_dir(folder).is_err() && folder.exists() {
        println!("`{}` is left over", folder.display());
    }
}
