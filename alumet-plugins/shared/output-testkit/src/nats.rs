//! NATS servers that keep what they have when they are killed.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::counting::until;
use crate::program::{Program, find, free_port};

/// A NATS server with JetStream. It is killed when this is dropped.
#[derive(Debug)]
pub struct Nats {
    store: TempDir,
    port: u16,
    lines: String,
    program: Option<Program>,
}

impl Nats {
    /// A server with these lines in its configuration; `None` if it is not installed.
    pub fn start(lines: &str) -> Option<Self> {
        find("nats-server", "apt-get install nats-server")?;
        let mut server = Self {
            store: tempfile::tempdir().unwrap(),
            port: free_port(),
            lines: lines.to_owned(),
            program: None,
        };
        // Another test may have taken the port, and its server would answer.
        while !server.try_start() {
            server.port = free_port();
        }
        Some(server)
    }

    /// Kills it, if it runs, and starts it with what it has stored.
    pub fn restart(&mut self) {
        assert!(self.try_start(), "its port is taken");
    }

    /// Says whether it could have its ports.
    fn try_start(&mut self) -> bool {
        self.kill();
        let path = self.store.path().join("nats.conf");
        let text = format!(
            "listen: \"127.0.0.1:{}\"\njetstream {{ store_dir: {:?}, max_mem: 64MB, max_file: 256MB }}\n{}\n",
            self.port,
            self.store.path(),
            self.lines
        );
        fs::write(&path, text).unwrap();
        let program = find("nats-server", "").unwrap();
        let program = self.program.insert(Program::start(self.port, |_| {
            let mut command = Command::new(program);
            command.arg("-c").arg(path);
            command
        }));
        let is_ready = |log: &str| log.contains("Server is ready");
        until("it is ready or cannot listen", || {
            let log = program.log();
            is_ready(&log) || log.contains("address already in use")
        });
        is_ready(&program.log())
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.program = None;
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

/// Three servers that are one cluster.
pub fn nats_cluster() -> Option<Vec<Nats>> {
    let routes: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let all: Vec<String> = routes
        .iter()
        .map(|port| format!("\"nats://127.0.0.1:{port}\""))
        .collect();
    let all = all.join(", ");
    let servers = routes.iter().enumerate().map(|(number, port)| {
        Nats::start(&format!(
            "server_name: n{number}\ncluster {{ name: c, listen: \"127.0.0.1:{port}\", routes: [{all}] }}"
        ))
    });
    servers.collect()
}
