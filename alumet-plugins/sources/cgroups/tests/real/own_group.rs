//! Control groups that a test makes for itself and that are removed even when it fails.

use std::fs;
use std::path::{Path, PathBuf};

use alumet_reader_cgroupfs::mount::Hierarchies;

/// A directory in the v2 hierarchy of this machine. It is removed with all that is in it when the value is dropped.
pub(crate) struct OwnGroup {
    name: String,
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
        Some(Self { name, folder })
    }

    /// Its path in the hierarchy.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.name)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The configuration that measures it, and all below it.
    pub(crate) fn config(&self) -> alumet_plugin_cgroups::Config {
        let text = format!(
            "hierarchy = 'v2'\ncpu_percent_base = 'core'\ninclude = ['{}/**']",
            self.path()
        );
        toml::from_str(&text).unwrap()
    }
}

impl Drop for OwnGroup {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Removes a control group and those below it. Processes that are still in it are moved out first.
pub(crate) fn remove(folder: &Path) {
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
