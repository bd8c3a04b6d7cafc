//! Programs that run with a configuration of `examples/server`.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use alumet_shared_output_testkit::{ask, free_port, until};
use serde_json::Value;

use crate::process::{Process, agent, server};

/// The program that a configuration is for.
#[derive(Clone, Copy)]
pub(crate) enum Program {
    Agent,
    Server,
}

impl Program {
    pub(crate) fn path(self) -> PathBuf {
        match self {
            Self::Agent => agent(),
            Self::Server => server(),
        }
    }

    /// Starts it in a folder with an example, in which these pieces of TOML replace places and what a test has no time for.
    pub(crate) fn start(self, folder: &Path, log: &str, name: &str, overrides: &[&str]) -> Process {
        let path = example(name);
        let mut arguments = vec!["--config", path.to_str().unwrap()];
        for toml in overrides {
            arguments.extend(["--config-override", toml]);
        }
        Process::start(&self.path(), folder, log, &arguments)
    }
}

/// Where an example is.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/server")
        .join(name)
}

/// A server with an API.
pub(crate) struct Api {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

impl Api {
    /// Starts it in a folder with an example, and waits until it listens on a port of its own.
    pub(crate) fn start(folder: &Path, log: &str, name: &str, overrides: &[&str]) -> Self {
        Self::start_at(free_port(), folder, log, name, overrides)
    }

    /// Starts it where it was before.
    pub(crate) fn start_at(port: u16, folder: &Path, log: &str, name: &str, overrides: &[&str]) -> Self {
        let address = format!("plugins.rest-api.address = '127.0.0.1:{port}'");
        let mut overrides = overrides.to_vec();
        overrides.push(&address);
        let mut process = Program::Server.start(folder, log, name, &overrides);
        process.wait_for("API", |log| {
            log.contains("the API and its page are served").then_some(())
        });
        Self { process, port }
    }

    /// What it answers at a path.
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = ask(self.port, &format!("GET {path}"));
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
    }

    /// Waits until it answers what is looked for.
    pub(crate) fn wait_for(&self, what: &str, path: &str, is_it: impl Fn(&Value) -> bool) {
        until(what, || {
            let is_so = is_it(&self.get(path));
            if !is_so {
                sleep(Duration::from_millis(100));
            }
            is_so
        });
    }

    pub(crate) fn wait_until_ready(&self) {
        self.wait_for("it is ready", "/readyz", |answer| answer["status"] == "ready");
    }
}
