//! A pod on this machine: what the kubelet would make of it.

use std::fs;
use std::process::{Child, Command};

use alumet_reader_cgroupfs::testkit::OwnGroup;
use alumet_shared_output_testkit::Cluster;

/// A pod of the API server with a control group, and a process in it. All of it ends with this.
pub(crate) struct Pod {
    node: OwnGroup,
    process: Child,
}

impl Pod {
    /// `None`, with the reason printed, where control groups cannot be made.
    pub(crate) fn run(cluster: &Cluster, name: &str) -> Option<Self> {
        let node = OwnGroup::make("node")?;
        let uid = cluster.pod(name).replace('-', "_");
        let group = node
            .folder()
            .join(format!("kubepods.slice/kubepods-pod{uid}.slice"));
        fs::create_dir_all(&group).unwrap();
        let process = Command::new("sh")
            .args(["-c", "while sleep 0.01; do :; done"])
            .spawn()
            .unwrap();
        fs::write(group.join("cgroup.procs"), process.id().to_string()).unwrap();
        Some(Self { node, process })
    }

    /// Where the agent finds it, on a machine with both versions of control groups and pods of others.
    pub(crate) fn place(&self) -> String {
        format!(
            "plugins.k8s = {{ hierarchy = 'v2', path = '{}/kubepods.slice' }}",
            self.node.path()
        )
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
