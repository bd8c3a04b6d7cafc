//! The programs that are measured, as processes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use alumet_benches::counted::Counted;
use parking_lot::Mutex;

use crate::place::{Place, free_address};

/// A program that runs until it is dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    /// The sink ends with this.
    _input: Option<ChildStdin>,
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    kind: Kind,
    folder: PathBuf,
    lines: Mutex<Lines>,
}

/// The lines of a file that grows.
#[derive(Default)]
struct Lines {
    offset: u64,
    count: u64,
}

/// What a server does with what it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing, but its output is durable.
    Null,
    /// It is `alumet-server` and writes a CSV file.
    Csv,
    /// The same with the limits of the default configuration.
    Limited,
    /// The same, and each sync of its disk takes 100 ms.
    SlowDisk,
}

impl Process {
    /// Runs the program of this name and build, in a folder that has its `config.toml`.
    pub(crate) fn start(name: &str, folder: &Path) -> Self {
        Self::start_with(name, folder, None)
    }

    /// The same with a library before all others.
    fn start_with(name: &str, folder: &Path, library: Option<&Path>) -> Self {
        let program = std::env::current_exe().expect("a path").with_file_name(name);
        let mut command = Command::new(&program);
        command.args(["--config", "config.toml"]).stdin(Stdio::null());
        command.envs(library.map(|library| ("LD_PRELOAD", library)));
        Self::spawn(command, folder)
    }

    fn sink(folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command.arg("sink").stdin(Stdio::piped());
        Self::spawn(command, folder)
    }

    fn spawn(mut command: Command, folder: &Path) -> Self {
        let log = folder.join("log");
        let file = File::options().create(true).append(true).open(&log);
        let spawned = command
            .current_dir(folder)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .stderr(file.expect("a log"))
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => panic!("{command:?} does not run; build it with the same profile first: {error}"),
        };
        Self {
            _input: child.stdin.take(),
            child,
            log,
        }
    }

    pub(crate) fn counted(&self) -> Counted {
        Counted::read(self.child.id())
    }

    /// The most memory in RAM that it ever had, in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.counted().peak_kib as f64 / 1024.0
    }

    /// From now on, the most is what it has at least once from now on.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("a file of /proc");
    }

    /// What it has complained about.
    pub(crate) fn complaints(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    /// At a free port, in a folder of this name.
    pub(crate) fn start(place: &Place, name: &str, kind: Kind, has_tls: bool) -> Self {
        Self::start_at(place, name, kind, has_tls, free_address())
    }

    /// At this address, in a folder of this name.
    pub(crate) fn start_at(
        place: &Place,
        name: &str,
        kind: Kind,
        has_tls: bool,
        address: SocketAddr,
    ) -> Self {
        let folder = place.folder(name);
        let mut config = place.server_config(address, kind, has_tls);
        if kind != Kind::Null {
            config.push_str("[plugins.csv]\noutput_path = 'out.csv'\n");
        }
        place.write(&format!("{name}/config.toml"), &config);
        let process = spawn(kind, &folder);
        let server = Self {
            process,
            address,
            kind,
            folder,
            lines: Mutex::default(),
        };
        server.wait();
        server
    }

    /// The same again, after it was killed.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.kind, &self.folder);
        self.wait();
    }

    /// How many samples its outputs are done with: the sink says it, or it is counted in the file.
    pub(crate) fn written(&self) -> u64 {
        match self.kind {
            Kind::Null => {
                let text = std::fs::read_to_string(self.folder.join("delivered")).unwrap_or_default();
                text.trim().parse().unwrap_or(0)
            }
            _ => self.lines.lock().count(&self.folder.join("out.csv")),
        }
    }

    /// Waits until it listens.
    fn wait(&self) {
        let begin = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "the server does not listen: {}",
                self.process.complaints()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Lines {
    fn count(&mut self, path: &Path) -> u64 {
        let Ok(mut file) = File::open(path) else { return 0 };
        file.seek(SeekFrom::Start(self.offset)).expect("a file");
        let mut bytes = vec![0; 1 << 20];
        while let Ok(length @ 1..) = file.read(&mut bytes) {
            self.offset += length as u64;
            self.count += bytes[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        self.count
    }
}

fn spawn(kind: Kind, folder: &Path) -> Process {
    match kind {
        Kind::Null => Process::sink(folder),
        Kind::Csv | Kind::Limited => Process::start("alumet-server", folder),
        Kind::SlowDisk => Process::start_with("alumet-server", folder, Some(&slow_disk(folder))),
    }
}

/// Whether `slow_disk` works here.
pub(crate) fn has_compiler() -> bool {
    Command::new("cc")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// A library with which whatever a program syncs takes as long as on a slow disk.
fn slow_disk(folder: &Path) -> PathBuf {
    const CODE: &str = "#include <time.h>
        static int slow(void) { struct timespec t = {0, 100000000}; nanosleep(&t, 0); return 0; }
        int fsync(int file) { return slow(); }
        int fdatasync(int file) { return slow(); }";
    let (code, library) = (folder.join("slow.c"), folder.join("slow.so"));
    std::fs::write(&code, CODE).expect("a file");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &code])
        .status();
    assert!(compiled.is_ok_and(|status| status.success()), "cc fails");
    library
}
