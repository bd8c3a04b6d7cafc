//! A container that the OCI runtime runc runs.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A container with the programs of this machine in it. It is ended when the value is dropped.
pub(crate) struct Container {
    bundle: TempDir,
    id: String,
    cgroup: String,
}

impl Container {
    /// Describes one; `None`, with the reason printed, when none can run here.
    pub(crate) fn create() -> Option<Self> {
        if Command::new("runc").arg("--version").output().is_err() {
            println!("skipped: runc is not installed");
            return None;
        }
        if !PathBuf::from("/sys/fs/cgroup/cpuacct").is_dir() {
            println!("skipped: there is no hierarchy of version 1 with cpuacct");
            return None;
        }
        let number = std::process::id();
        let id = format!("{number:064x}");
        let cgroup = format!("/alumet-test-{number}-runc/docker-{id}.scope");
        let container = Self {
            bundle: TempDir::new().unwrap(),
            id,
            cgroup,
        };
        container.describe();
        let probe = container.runc(&["create", "--bundle", container.bundle()]);
        if let Err(error) = probe {
            println!("skipped: runc cannot run a container here: {error}");
            return None;
        }
        Some(container)
    }

    /// Lets it run.
    pub(crate) fn run(&self) {
        self.runc(&["start"]).unwrap();
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn cgroup(&self) -> &str {
        &self.cgroup
    }

    fn bundle(&self) -> &str {
        self.bundle.path().to_str().unwrap()
    }

    fn describe(&self) {
        let bundle = self.bundle.path();
        let mut mounts = vec![r#"{"destination":"/proc","type":"proc","source":"proc"}"#.to_owned()];
        for folder in ["bin", "lib", "lib64", "usr"] {
            if PathBuf::from("/").join(folder).is_dir() {
                fs::create_dir_all(bundle.join("rootfs").join(folder)).unwrap();
                mounts.push(format!(
                    r#"{{"destination":"/{folder}","type":"bind","source":"/{folder}","options":["rbind","ro"]}}"#
                ));
            }
        }
        fs::create_dir_all(bundle.join("rootfs/proc")).unwrap();
        let config = format!(
            r#"{{"ociVersion":"1.0.2","root":{{"path":"rootfs"}},"mounts":[{}],
                "process":{{"user":{{"uid":0,"gid":0}},"cwd":"/","args":["/bin/sh","-c","while :; do :; done"],
                            "env":["PATH=/bin:/usr/bin"]}},
                "linux":{{"cgroupsPath":"{}","namespaces":[{{"type":"pid"}},{{"type":"mount"}},{{"type":"ipc"}},{{"type":"uts"}}]}}}}"#,
            mounts.join(","),
            self.cgroup
        );
        fs::write(bundle.join("config.json"), config).unwrap();
    }

    fn runc(&self, command: &[&str]) -> Result<(), String> {
        let state = self.bundle.path().join("state");
        let log = self.bundle.path().join("log");
        // What the container inherits must not keep anybody waiting.
        let status = Command::new("runc")
            .arg("--root")
            .arg(state)
            .arg("--log")
            .arg(&log)
            .args(command)
            .arg(&self.id)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(fs::read_to_string(log).unwrap_or_default()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.runc(&["delete", "--force"]);
        // Its parent, in each hierarchy; the container itself is gone.
        let parent = self.cgroup.rsplit_once('/').map_or("", |(parent, _)| parent);
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            let _ = fs::remove_dir(hierarchy.path().join(&parent[1..]));
        }
    }
}
