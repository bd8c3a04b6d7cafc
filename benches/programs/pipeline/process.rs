//! The programs that are measured, as processes.

use std::fs::{File, read_to_string};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alumet_benches::counted::Counted;
use alumet_shared_output_testkit::ask;
use serde_json::Value;

/// How long a program may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that runs until this is dropped.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// A program with an API.
pub(crate) struct Api {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

/// What a program has used so far.
pub(crate) struct Usage {
    pub(crate) name: &'static str,
    pub(crate) cpu: Duration,
    pub(crate) resident_kib: u64,
    pub(crate) peak_kib: u64,
}

impl Process {
    /// Starts a program in the folder that is its working directory already.
    pub(crate) fn start(name: &'static str, mut command: Command, log: PathBuf) -> Self {
        let file = File::create(&log).expect("a log");
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .env_remove("ALUMET_CONFIG")
            .env_remove("RUST_LOG")
            .env_remove("STATE_DIRECTORY")
            .spawn();
        match spawned {
            Ok(child) => Self { name, child, log },
            Err(error) => panic!("{command:?} does not run; build it with the same profile first: {error}"),
        }
    }

    /// Waits until it says something in its log; gives all that it has said.
    pub(crate) fn wait_for(&mut self, what: &str, patience: Duration) -> String {
        let begin = Instant::now();
        loop {
            let log = read_to_string(&self.log).unwrap_or_default();
            if log.contains(what) {
                return log;
            }
            let ended = self.child.try_wait().expect("a process");
            assert!(
                ended.is_none() && begin.elapsed() < patience,
                "{} does not say `{what}` ({ended:?}): {log}",
                self.name
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it says at the start that it works.
    pub(crate) fn wait_until_started(&mut self, what: &str) {
        self.wait_for(what, PATIENCE);
    }

    /// What the kernel has counted for it. CPU time is that of all its threads, those that have ended too.
    pub(crate) fn usage(&self) -> Usage {
        let stat = read_to_string(format!("/proc/{}/stat", self.child.id())).expect("a process");
        // `proc_pid_stat(5)`: `utime` and `stime` are the fields 14 and 15, the third is the first behind the name.
        let (_, fields) = stat.rsplit_once(") ").expect("a name");
        let ticks = fields.split(' ').skip(11).take(2);
        let ticks: u64 = ticks.map(|field| field.parse::<u64>().expect("a number")).sum();
        let counted = Counted::read(self.child.id());
        Usage {
            name: self.name,
            // The kernel shows them in hundredths of a second on every architecture that Linux has (`USER_HZ`).
            cpu: Duration::from_millis(ticks * 10),
            resident_kib: counted.resident_kib,
            peak_kib: counted.peak_kib,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Api {
    /// A program that listens here soon; waits until it does.
    pub(crate) fn new(mut process: Process, port: u16) -> Self {
        process.wait_until_started("the API and its page are served");
        Self { process, port }
    }
}

/// What the API at a port answers at a path.
pub(crate) fn get(port: u16, path: &str) -> Value {
    let answer = ask(port, &format!("GET {path}"));
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
}
