//! Servers as processes.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::LONG;

/// A server that a test has started. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    folder: TempDir,
    port: u16,
}

/// The path of a program. Says which Debian package or Python module has it if it is not there; the test is left out then.
pub fn find(program: &str, install: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    let found = folders
        .into_iter()
        .map(|folder| folder.join(program))
        .find(|path| path.is_file());
    if found.is_none() {
        eprintln!("left out: `{program}` is not installed; `{install}` does that");
    }
    found
}

/// A port on which nothing listens.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

impl Program {
    /// Starts what `command` makes of a folder of its own, and waits until it listens on `port` of this machine.
    pub fn start(port: u16, command: impl FnOnce(&Path) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(folder.path());
        let log = File::create(folder.path().join("log")).unwrap();
        let child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut program = Self { child, folder, port };
        let late = Instant::now() + LONG;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = program.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < late,
                "it does not listen ({ended:?}): {}",
                program.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        program
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits until it has.
    pub fn end(&mut self) -> ExitStatus {
        let kill = Command::new("kill").arg(self.pid().to_string()).status();
        assert!(kill.unwrap().success());
        self.child.wait().unwrap()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
