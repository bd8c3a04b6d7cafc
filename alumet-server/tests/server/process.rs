//! Programs that run until a signal ends them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program while it runs; dropping it kills it.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program in `folder`, with its log in the file `log` there.
    pub(crate) fn start(program: &Path, folder: &Path, log: &str, arguments: &[&str]) -> Self {
        let log = folder.join(log);
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .env_remove("ALUMET_CONFIG")
            .env_remove("RUST_LOG")
            .env_remove("STATE_DIRECTORY")
            .spawn()
            .unwrap();
        Self { child, log }
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits until `find` finds something in the log.
    pub(crate) fn wait_for<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            let has_ended = self.child.try_wait().unwrap().is_some();
            if let Some(found) = find(&self.log()) {
                return found;
            }
            assert!(!has_ended, "it ended without {what}:\n{}", self.log());
            assert!(begin.elapsed() < PATIENCE, "no {what} in:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it with SIGTERM, as a service manager does, and waits until it has ended well.
    #[track_caller]
    pub(crate) fn end(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}:\n{}", self.log());
    }
}

impl Process {
    /// Kills it at once.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server that this crate builds.
pub(crate) fn server() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_alumet-server"))
}

/// The agent of the same build. When only this crate is tested, cargo does not build it, so this does.
pub(crate) fn agent() -> PathBuf {
    let agent = server().with_file_name("alumet-agent");
    if !agent.is_file() {
        let profile = agent.parent().unwrap();
        let release: &[&str] = if profile.ends_with("release") {
            &["--release"]
        } else {
            &[]
        };
        let status = Command::new(env!("CARGO"))
            .args(["build", "-p", "alumet-agent"])
            .args(release)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARGO_TARGET_DIR", profile.parent().unwrap())
            .status();
        assert!(
            status.unwrap().success() && agent.is_file(),
            "the agent is not built"
        );
    }
    agent
}
