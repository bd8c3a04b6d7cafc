//! Runs the program in a folder of its own.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(40);

/// A folder in which the program is run.
pub(crate) struct Folder {
    dir: TempDir,
    runs: AtomicU32,
}

/// The program while it runs; dropping it kills it.
pub(crate) struct Agent {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// The program after it has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The answer of the health endpoint.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            runs: AtomicU32::new(0),
        }
    }

    /// One in which the program measures these tables of `procfs` into `out.csv`.
    pub(crate) fn measuring(tables: &str) -> Self {
        let folder = Self::new();
        let config = format!("[plugins.csv]\noutput_path = 'out.csv'\n{}", procfs_with(tables));
        folder.write("alumet-config.toml", config);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A command that runs the program here, untouched by the environment of the tests.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alumet-agent"));
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        for variable in [
            "ALUMET_CONFIG",
            "ALUMET_NORMAL_THREADS",
            "ALUMET_PRIORITY_THREADS",
            "RUST_LOG",
        ] {
            command.env_remove(variable);
        }
        // Where the tests look for it, also on a terminal.
        command.env("ALUMET_SUMMARY", "-");
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Agent {
        self.start_command(self.command(arguments))
    }

    pub(crate) fn start_command(&self, mut command: Command) -> Agent {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let (stdout, stderr) = (
            self.path(&format!(".stdout-{run}")),
            self.path(&format!(".stderr-{run}")),
        );
        command
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap());
        Agent {
            child: command.spawn().unwrap(),
            stdout,
            stderr,
        }
    }

    /// Runs the program until it ends by itself.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }
}

impl Agent {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until the log holds `text`.
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        wait_until(&format!("{text:?} in the log"), || {
            let log = self.log();
            let found = log.contains(text);
            assert!(
                found || !self.has_ended() || self.log().contains(text),
                "it ended without {text:?}:\n{log}"
            );
            found.then_some(())
        });
    }

    /// Waits until `run` is up.
    pub(crate) fn wait_until_measuring(&mut self) {
        self.wait_for_log("measuring; ");
    }

    /// Asks the health endpoint, whose port the log tells.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path)
    }

    pub(crate) fn request(&mut self, method: &str, path: &str) -> Answer {
        let mut stream = self.connect();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            headers: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn connect(&mut self) -> TcpStream {
        self.wait_until_measuring();
        let stream = TcpStream::connect(self.health_address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn health_address(&self) -> SocketAddr {
        let log = self.log();
        let address = log
            .split("address=")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap();
        address.parse().unwrap()
    }

    /// Waits until the program has ended by itself.
    pub(crate) fn wait(mut self) -> Ended {
        let status = wait_until("the end of the program", || self.child.try_wait().unwrap());
        Ended {
            status,
            stdout: String::from_utf8_lossy(&fs::read(&self.stdout).unwrap()).into_owned(),
            stderr: self.log(),
        }
    }

    /// Ends the program with a signal.
    pub(crate) fn stop(self, signal: Signal) -> Ended {
        self.signal(signal);
        self.wait()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    pub(crate) fn code(&self) -> i32 {
        let signal = || panic!("ended by signal {:?}\n{}", self.status.signal(), self.stderr);
        self.status.code().unwrap_or_else(signal)
    }

    /// Checks the exit code and that nothing panicked.
    #[track_caller]
    pub(crate) fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.code(), code, "{}{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Checks that every one of `phrases` is on the standard error.
    #[track_caller]
    pub(crate) fn expect_stderr(&self, phrases: &[&str]) -> &Self {
        for phrase in phrases {
            assert!(
                self.stderr.contains(phrase),
                "{phrase:?} is missing in:\n{}",
                self.stderr
            );
        }
        self
    }

    /// The number behind `field=` in the line of the log that holds `line`.
    #[track_caller]
    pub(crate) fn logged(&self, line: &str, field: &str) -> u64 {
        let line = self.stderr.lines().rfind(|text| text.contains(line));
        let line = line.unwrap_or_else(|| panic!("no such line in:\n{}", self.stderr));
        let value = line
            .split(&format!("{field}="))
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next());
        value
            .unwrap_or_else(|| panic!("no {field} in {line}"))
            .parse()
            .unwrap()
    }

    /// What the agent says of all samples, after checking that none is missing.
    #[track_caller]
    pub(crate) fn accounts(&self) -> Accounts {
        let (all, output) = (
            "the pipeline has stopped",
            "the output has ended element=outputs/csv",
        );
        let accounts = Accounts {
            produced: self.logged(all, "produced") + self.logged(all, "added") - self.logged(all, "removed"),
            delivered: self.logged(output, "delivered"),
            dropped: self.logged(all, "dropped") + self.logged(output, "dropped"),
        };
        let Accounts {
            produced,
            delivered,
            dropped,
        } = accounts;
        assert_eq!(produced, delivered + dropped, "{}", self.stderr);
        accounts
    }
}

/// The last words of the agent about its samples.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Accounts {
    /// By sources and transforms.
    pub(crate) produced: u64,
    pub(crate) delivered: u64,
    pub(crate) dropped: u64,
}

/// Waits until `condition` gives something.
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(result) = condition() {
            return result;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A configuration in which procfs measures only what `tables` says.
pub(crate) fn procfs_with(tables: &str) -> String {
    let mut text = "[plugins.procfs]\n".to_owned();
    let all = [
        "kernel",
        "memory",
        "network",
        "disks",
        "load",
        "pressure",
        "cpu_frequency",
        "temperatures",
        "processes",
    ];
    for table in all {
        if !tables.contains(table) {
            let _ = writeln!(text, "{table}.enabled = false");
        }
    }
    text + tables + "\n"
}

/// A load: the kernel's counters every 5 ms, the agent's own metrics every 50 ms, health, and a CSV file `out.csv`.
pub(crate) fn load() -> String {
    let general = "health.address = '127.0.0.1:0'\npipeline.self_metrics = '50ms'\n";
    format!(
        "{general}[plugins.csv]\noutput_path = 'out.csv'\n{}",
        procfs_with("kernel.poll_interval = '5ms'")
    )
}

/// Whether a path can be found from here as a program.
pub(crate) fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder: PathBuf| Path::new(&folder).join(program).is_file())
}
