//! An agent with the plugin `socket-control`, in a folder of its own.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(40);

/// Load every hour and the kernel's counters every 50 ms, to a file, with the socket where it is by default.
pub(crate) const CONFIG: &str = "\
pipeline.self_metrics = '0s'
[plugins.csv]
output_path = 'out.csv'
[plugins.socket-control]
[plugins.procfs]
load.poll_interval = '1h'
kernel.poll_interval = '50ms'
memory.enabled = false
network.enabled = false
disks.enabled = false
pressure.enabled = false
cpu_frequency.enabled = false
temperatures.enabled = false
processes.enabled = false
";

/// An agent; dropping it kills it.
pub(crate) struct Agent {
    child: Child,
    folder: TempDir,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program, untouched by the environment of the tests.
pub(crate) fn command(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alumet-agent"));
    command
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .env_remove("ALUMET_CONFIG")
        .env_remove("RUST_LOG");
    command
}

/// Runs a command that ends by itself.
pub(crate) fn run(folder: &TempDir, arguments: &[&str]) -> Ended {
    let output = command(folder, arguments).output().unwrap();
    let ended = Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    ended
}

impl Agent {
    /// Waits until it measures.
    pub(crate) fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("alumet-config.toml"), config).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = command(&folder, &[])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut agent = Self { child, folder };
        let deadline = Instant::now() + PATIENCE;
        while !agent.log().contains("measuring; ") {
            assert!(
                agent.child.try_wait().unwrap().is_none(),
                "it ended:\n{}",
                agent.log()
            );
            assert!(Instant::now() < deadline, "it does not measure:\n{}", agent.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        agent
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `ctl` in the folder of the agent.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Ended {
        run(&self.folder, &[&["ctl"], arguments].concat())
    }

    /// Runs `ctl`, which must succeed, and gives what it printed.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ended = self.ctl(arguments);
        assert_eq!(
            (ended.code, &*ended.stderr),
            (Some(0), ""),
            "{arguments:?}: {ended:?}"
        );
        ended.stdout
    }

    /// Runs `ctl --json`, which must succeed.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let text = self.done(&[&["--json"], arguments].concat());
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["ok"], true);
        json
    }

    /// The column of an element in the table of `ctl list`.
    #[track_caller]
    pub(crate) fn column(&self, element: &str, title: &str) -> String {
        let table = self.done(&["list"]);
        let mut lines = table.lines();
        let titles = lines
            .next()
            .unwrap()
            .split("  ")
            .map(str::trim)
            .filter(|title| !title.is_empty());
        let at = titles.clone().position(|one| one == title).unwrap();
        let line = lines
            .find(|line| line.starts_with(element))
            .unwrap_or_else(|| panic!("no {element} in\n{table}"));
        line.split_whitespace().nth(at).unwrap().to_owned()
    }

    /// How many lines of the file are of this metric, after everything measured was written.
    pub(crate) fn written(&self, metric: &str) -> usize {
        self.done(&["flush"]);
        let text = fs::read_to_string(self.path("out.csv")).unwrap();
        text.lines().filter(|line| line.starts_with(metric)).count()
    }

    /// Waits until the agent has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
