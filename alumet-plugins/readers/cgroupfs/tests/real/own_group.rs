//! Control groups that a test makes for itself and that are removed even when it fails.

use std::fs;
use std::path::{Path, PathBuf};

use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::mount::Hierarchies;

/// A control group of the v2 hierarchy of this machine.
pub(crate) struct OwnGroup {
    mounted: Hierarchies,
    path: CgroupPath,
    folder: PathBuf,
}

impl OwnGroup {
    /// Makes `alumet-test-PID-NAME`; prints why when that is not possible here.
    pub(crate) fn make(name: &str) -> Option<Self> {
        let mounted = Hierarchies::detect(Path::new("/")).unwrap();
        let mount = match mounted.require_v2() {
            Ok(hierarchy) => hierarchy.mount.clone(),
            Err(error) => {
                println!("skipped: {error}");
                return None;
            }
        };
        let name = format!("alumet-test-{}-{name}", std::process::id());
        let folder = mount.join(&name);
        if let Err(error) = fs::create_dir(&folder) {
            println!("skipped: `{}` cannot be made: {error}", folder.display());
            return None;
        }
        let path = CgroupPath::root().child(name.as_ref()).unwrap();
        Some(Self {
            mounted,
            path,
            folder,
        })
    }

    pub(crate) fn mounted(&self) -> &Hierarchies {
        &self.mounted
    }

    pub(crate) fn path(&self) -> &CgroupPath {
        &self.path
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a control group below; it is removed when the value is dropped.
    pub(crate) fn child(&self, name: &str) -> Removed {
        let folder = self.folder.join(name);
        fs::create_dir(&folder).unwrap();
        Removed(folder)
    }
}

impl Drop for OwnGroup {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// A directory that is removed when the value is dropped.
pub(crate) struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        remove(&self.0);
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
