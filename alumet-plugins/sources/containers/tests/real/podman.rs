//! Podman with a service behind a socket, all of it in a folder of its own.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};
use tempfile::TempDir;

/// A service of Podman. It ends, with its containers, when the value is dropped.
pub(crate) struct Podman {
    folder: TempDir,
    service: Child,
    parent: String,
    names: Vec<String>,
}

impl Podman {
    /// Starts one; `None`, with the reason printed, when that is not possible here.
    pub(crate) fn start() -> Option<Self> {
        for program in ["podman", "runc", "conmon"] {
            if Command::new(program).arg("--version").output().is_err() {
                println!("skipped: {program} is not installed");
                return None;
            }
        }
        if !PathBuf::from("/sys/fs/cgroup/cpuacct").is_dir() {
            println!("skipped: there is no hierarchy of version 1 with cpuacct");
            return None;
        }
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("podman.sock");
        let service = Self::command(&folder)
            .args(["system", "service", "--time", "0"])
            .arg(format!("unix://{}", socket.display()))
            .spawn()
            .unwrap();
        let podman = Self {
            folder,
            service,
            parent: format!("/alumet-test-{}-podman", std::process::id()),
            names: Vec::new(),
        };
        let start = Instant::now();
        while !socket.exists() {
            if start.elapsed() > Duration::from_secs(10) {
                println!("skipped: the service of podman does not start");
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(podman)
    }

    pub(crate) fn socket(&self) -> String {
        self.folder.path().join("podman.sock").display().to_string()
    }

    /// Runs a container; gives the path of its control group, or the reason why it does not run.
    pub(crate) fn run(&mut self, name: &str) -> Result<String, String> {
        let root = self.folder.path().join("rootfs");
        let mut command = Self::command(&self.folder);
        let (_, files) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        command.args(["run", "--detach", "--network", "none", "--name", name]);
        command.args(["--label", "com.docker.compose.project=shop"]);
        command.args([
            "--ulimit",
            &format!("nofile={files}:{files}"),
            "--ulimit",
            "nproc=1000:1000",
        ]);
        command.args(["--cgroup-parent", &self.parent]);
        for inner in [
            "bin", "lib", "lib64", "usr", "proc", "dev", "sys", "etc", "tmp", "run",
        ] {
            fs::create_dir_all(root.join(inner)).unwrap();
        }
        for shared in ["/bin", "/lib", "/lib64", "/usr"] {
            if PathBuf::from(shared).is_dir() {
                command.args(["--volume", &format!("{shared}:{shared}:ro")]);
            }
        }
        self.names.push(name.to_owned());
        command.arg("--rootfs").arg(&root).args(["/bin/sleep", "60"]);
        // Its id is what it prints, in a file: the container keeps what it inherits open.
        let (out, log) = (self.folder.path().join("out"), self.folder.path().join("log"));
        command.stdout(fs::File::create(&out).unwrap());
        command.stderr(fs::File::create(&log).unwrap());
        if !command.status().unwrap().success() {
            return Err(fs::read_to_string(log).unwrap_or_default());
        }
        let id = fs::read_to_string(out).unwrap();
        Ok(format!("{}/libpod-{}", self.parent, id.trim()))
    }

    /// Removes the parent in each hierarchy; `false` when something is left.
    fn remove_groups(&self) -> bool {
        let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        let parents = hierarchies.map(|hierarchy| hierarchy.path().join(&self.parent[1..]));
        parents
            .filter(|parent| parent.is_dir())
            .fold(true, |all, parent| {
                for inner in fs::read_dir(&parent).into_iter().flatten().flatten() {
                    let _ = fs::remove_dir(inner.path());
                }
                fs::remove_dir(parent).is_ok() && all
            })
    }

    fn command(folder: &TempDir) -> Command {
        let mut command = Command::new("podman");
        for (option, inner) in [("--root", "storage"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(option).arg(folder.path().join(inner));
        }
        command.args(["--cgroup-manager", "cgroupfs", "--storage-driver", "vfs"]);
        command.args(["--events-backend", "file", "--runtime", "runc"]);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        quiet.stderr(Stdio::null());
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        for name in &self.names {
            let removal = ["rm", "--force", "--time", "0", name];
            let _ = Self::command(&self.folder).args(removal).status();
        }
        let _ = self.service.kill();
        let _ = self.service.wait();
        // What watched the containers needs a moment to end.
        let start = Instant::now();
        while !self.remove_groups() && start.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
