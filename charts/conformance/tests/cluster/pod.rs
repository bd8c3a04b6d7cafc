//! A pod on this machine: what the kubelet would make of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use alumet_shared_output_testkit::Cluster;

/// A pod of the API server with a control group, and a process in it. All of it ends with this.
pub(crate) struct Pod {
    group: PathBuf,
    process: Child,
}

impl Pod {
    /// `None`, with the reason printed, where control groups cannot be made.
    pub(crate) fn run(cluster: &Cluster, name: &str) -> Option<Self> {
        let hierarchy = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let Some(hierarchy) = hierarchy
            .iter()
            .find(|path| Path::new(path).join("cgroup.procs").is_file())
        else {
            eprintln!("left out: there is no hierarchy of control groups of version 2");
            return None;
        };
        let uid = cluster.pod(name).replace('-', "_");
        let group = Path::new(hierarchy).join(format!(
            "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{uid}.slice"
        ));
        if let Err(error) = fs::create_dir_all(&group) {
            eprintln!("left out: {} cannot be made: {error}", group.display());
            return None;
        }
        let process = Command::new("sh")
            .args(["-c", "while sleep 0.01; do :; done"])
            .spawn()
            .unwrap();
        let pod = Self { group, process };
        fs::write(pod.group.join("cgroup.procs"), pod.process.id().to_string()).unwrap();
        Some(pod)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // A `sleep` of the shell ends by itself.
        for _ in 0..200 {
            if fs::remove_dir(&self.group).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        for above in self.group.ancestors().skip(1).take(2) {
            let _ = fs::remove_dir(above);
        }
    }
}
