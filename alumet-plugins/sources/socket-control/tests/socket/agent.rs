//! A small pipeline with the plugin, and somebody who speaks to it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::output::{Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::plugin::{Host, Plugin, StartContext, StartError};
use alumet_core::series::Series;
use alumet_core::source::{Accumulator, Source};
use alumet_core::time::{Clock, SystemClock};
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Resource};
use alumet_plugin_socket_control::{Config, SocketControlPlugin};
use tempfile::TempDir;

alumet_core::metrics! {
    pub(crate) TURNS = Gauge<u64> {
        name: "turns",
        unit: Unit::ONE,
        description: "How often the source was polled.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: [],
    };
}

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Counts its polls.
struct Turns {
    series: Series<u64>,
    turn: u64,
}

impl Source for Turns {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        self.turn += 1;
        out.push(&self.series, self.turn);
        Ok(())
    }
}

/// A pipeline with two sources that are polled once per hour, an output, and the socket.
pub(crate) struct Agent {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) recording: Recording,
    pub(crate) path: PathBuf,
    _folder: TempDir,
}

impl Agent {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.sock");
        let mut config = config(&path);
        change(&mut config);
        let output = RecordingOutput::new();
        let recording = output.recording();
        let mut builder = builder(Arc::new(SystemClock));
        builder.plugin::<SocketControlPlugin>(config).unwrap();
        builder.output("memory", output);
        Self {
            pipeline: Arc::new(builder.start().unwrap()),
            recording,
            path,
            _folder: folder,
        }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(&self.path)
    }

    /// What one command on a connection of its own is answered.
    pub(crate) fn ask(&self, command: &str) -> String {
        self.connect().ask(command)
    }
}

/// A pipeline without output and socket.
pub(crate) fn builder(clock: Arc<dyn Clock>) -> PipelineBuilder {
    let mut builder = PipelineBuilder::with_clock(clock);
    let catalog = builder.catalog().clone();
    let metric = catalog.metric(&TURNS).unwrap();
    for name in ["a", "b c"] {
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .attribute("source", name)
            .register();
        builder
            .source(name, Turns { series, turn: 0 })
            .every(Duration::from_secs(3600));
    }
    builder
}

pub(crate) fn config(path: &Path) -> Config {
    Config {
        socket_path: path.to_owned(),
        ..Config::default()
    }
}

/// Starts only the plugin.
pub(crate) fn listen(path: &Path) -> Result<PipelineBuilder, StartError> {
    let mut builder = PipelineBuilder::new();
    builder.plugin::<SocketControlPlugin>(config(path))?;
    Ok(builder)
}

/// Whether the plugin says that it could start, without starting it.
pub(crate) fn probe(path: &Path) -> Result<(), StartError> {
    SocketControlPlugin::check(&config(path))?;
    let host = Host::trial(Arc::new(SystemClock), "/");
    SocketControlPlugin::start(config(path), &mut StartContext::new(&host)).map(drop)
}

/// Somebody who is connected.
pub(crate) struct Client {
    pub(crate) stream: BufReader<UnixStream>,
}

impl Client {
    pub(crate) fn new(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// All lines of a reply as text, its last one included.
    pub(crate) fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the connection was closed after {reply:?}");
            reply.push_str(&line);
            if !line.starts_with("  ") {
                return reply;
            }
        }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\n"));
        self.reply()
    }

    /// What comes until the other side closes.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        match self.stream.read_to_string(&mut rest) {
            // That is how it closes when it has not read everything.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            result => {
                result.unwrap();
            }
        }
        rest
    }
}
