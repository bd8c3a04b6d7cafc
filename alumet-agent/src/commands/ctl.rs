//! Speaks to an agent that runs already, through the socket of its plugin `socket-control`.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use alumet_core::Consumer;
use alumet_core::plugin::Finding;
use alumet_shared_control_protocol::{Reply, Request};
use nix::unistd::{AccessFlags, access};

use crate::app::App;
use crate::cli::{Ctl, CtlCommand, Global, Mark, run_id};
use crate::config::KeyPath;
use crate::exit::{FAILED, Failed, NOT_READY};
use crate::setup::Setup;
use crate::terminal;

/// The id of the plugin that listens.
const PLUGIN: &str = "socket-control";

/// Where it listens when nobody chooses otherwise.
const DEFAULT_SOCKET: &str = "alumet-control.sock";

/// How long an agent may take for one command: each step that it waits for has some seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest reply that is read, in bytes.
const REPLY_LIMIT: u64 = 64 * 1024 * 1024;

/// Sends one command and prints the reply.
pub(crate) fn ctl(app: &App, global: &Global, arguments: &Ctl) -> Result<ExitCode, Failed> {
    let socket = Socket::chosen(app, global, arguments.socket.as_deref());
    let form = if arguments.json { "json " } else { "" };
    let (body, last) = socket.ask(&format!("{form}{}\n", request(&arguments.command)))?;
    if last == "ok\n" {
        terminal::print(&body)?;
        return Ok(readiness(!body.starts_with(Reply::NOT_READY)));
    }
    // An agent that takes no more connections does not know yet how to answer.
    let json = match last.strip_prefix("error: ") {
        Some(error) if arguments.json => Reply::Refused(error.trim_end().to_owned()).to_json(),
        Some(error) => return Err(Failed::running(format!("{error}{body}"))),
        None if last.starts_with("{\"ok\":") => last,
        None => {
            let path = socket.path.display();
            return Err(Failed::running(format!("what listens on {path} is no agent")));
        }
    };
    terminal::print(&json)?;
    let reply: serde_json::Value = serde_json::from_str(&json).map_err(anyhow::Error::from)?;
    if reply["ok"] != true {
        return Ok(ExitCode::from(FAILED));
    }
    let obstacles = reply["status"]["obstacles"].as_array();
    Ok(readiness(obstacles.is_none_or(Vec::is_empty)))
}

/// Begins a phase of what a running agent measures.
pub(crate) fn mark(app: &App, global: &Global, mark: &Mark) -> Result<ExitCode, Failed> {
    let command = CtlCommand::Mark {
        name: mark.name.clone(),
    };
    let arguments = Ctl {
        socket: mark.socket.clone(),
        json: false,
        command,
    };
    ctl(app, global, &arguments)
}

/// What an agent that runs with this configuration says of itself, for whoever looks for faults; nothing when none runs.
pub(super) fn findings(app: &App, global: &Global) -> Vec<Finding> {
    const SUBJECT: &str = "running now";
    let socket = Socket::chosen(app, global, None);
    if !socket.path.exists() {
        return Vec::new();
    }
    let (body, last) = match socket.ask("json status\n") {
        Ok(answer) => answer,
        Err(failed) => return vec![Finding::absent(SUBJECT, failed.message())],
    };
    let reply: serde_json::Value = serde_json::from_str(&last).unwrap_or_default();
    let said = |what: &str| {
        let texts = reply["status"][what].as_array().into_iter().flatten();
        texts.filter_map(|text| text.as_str()).map(str::to_owned)
    };
    if reply["ok"] != true {
        return vec![Finding::absent(SUBJECT, format!("{body}{last}").trim_end())];
    }
    let more = format!("{} ctl status", app.name);
    let obstacles = said("obstacles").map(|obstacle| Finding::broken(SUBJECT, obstacle, &more));
    let notes = said("notes").map(|note| Finding::limited(SUBJECT, note, format!("{more}, and its log")));
    let all: Vec<_> = obstacles.chain(notes).collect();
    match all.is_empty() {
        true => vec![Finding::works(SUBJECT, "it measures and delivers")],
        false => all,
    }
}

/// The plugin through which a program of `exec`, or whoever watches, marks phases, with a socket that has a name of its own in a
/// folder of this user, or of everybody; none if there is no such folder.
pub(crate) fn private_socket() -> Option<(&'static str, toml::Table)> {
    /// The longest path of a socket (`sun_path` of unix(7), less its end).
    const LONGEST: usize = 107;
    let folders = [
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
        Some(std::env::temp_dir()),
    ];
    let socket = folders.into_iter().flatten().find_map(|folder| {
        let is_ours = access(&folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok();
        let path = folder.join(format!("alumet-{}.sock", run_id()));
        let path = path.to_str().filter(|path| path.len() <= LONGEST && is_ours)?;
        Some(path.to_owned())
    });
    let keys = [("socket_path", socket?), ("on_error", "disable".to_owned())];
    let keys = keys.map(|(key, value)| (key.to_owned(), value.into()));
    Some((PLUGIN, toml::Table::from_iter(keys)))
}

/// The socket at which an agent with this configuration listens, if it does.
pub(super) fn socket_of(setup: &Setup) -> Option<PathBuf> {
    let is_enabled = setup.plugins.iter().any(|plugin| plugin.descriptor.id == PLUGIN);
    let table = setup.document.table(&KeyPath::dotted("plugins").key(PLUGIN));
    let path = table.filter(|_| is_enabled)?.get("socket_path")?.as_str()?;
    std::path::absolute(path).ok()
}

/// A status says by the exit code, too, whether the agent measures and delivers.
fn readiness(is_ready: bool) -> ExitCode {
    match is_ready {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(NOT_READY),
    }
}

fn request(command: &CtlCommand) -> Request {
    match command.clone() {
        CtlCommand::List { pattern } => Request::List(pattern),
        CtlCommand::Status => Request::Status,
        CtlCommand::Pause(which) => Request::Pause(which.pattern),
        CtlCommand::Resume(which) => Request::Resume(which.pattern),
        CtlCommand::Stop(which) => Request::Stop(which.pattern),
        CtlCommand::SetInterval { which, interval } => Request::SetInterval(which.pattern, *interval),
        CtlCommand::Trigger(which) => Request::Trigger(which.pattern),
        CtlCommand::Explain { kind, id } => Request::Explain(Consumer::new(&kind, &id)),
        CtlCommand::Mark { name } => Request::Mark(name),
        CtlCommand::Flush => Request::Flush,
        CtlCommand::Reload => Request::Reload,
        CtlCommand::Ping => Request::Ping,
        CtlCommand::Shutdown => Request::Shutdown,
    }
}

/// A socket, and how it was chosen.
struct Socket {
    path: PathBuf,
    /// Says where the path comes from, for a message.
    origin: &'static str,
}

impl Socket {
    /// That of the command line, of the configuration, or the default one.
    fn chosen(app: &App, global: &Global, given: Option<&Path>) -> Self {
        if let Some(path) = given {
            return Self {
                path: path.to_owned(),
                origin: "which --socket names",
            };
        }
        let path = |table: &toml::Table| Some(PathBuf::from(table.get("socket_path")?.as_str()?));
        let (configured, default) = match Setup::effective(app, global) {
            Ok(document) => {
                let table = document.table(&KeyPath::dotted("plugins").key(PLUGIN));
                (table.and_then(path), "the default one")
            }
            // What is wrong with it does not matter here.
            Err(_) => (None, "the default one, because the configuration cannot be read"),
        };
        match configured {
            Some(path) => Self {
                path,
                origin: "which the configuration names",
            },
            None => Self {
                path: path(&app.defaults_of(PLUGIN)).unwrap_or_else(|| DEFAULT_SOCKET.into()),
                origin: default,
            },
        }
    }

    /// Sends a line; gives what the answer says and its last line.
    fn ask(&self, line: &str) -> Result<(String, String), Failed> {
        let mut stream = UnixStream::connect(&self.path).map_err(|error| self.unreachable(&error))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // An agent that takes no more connections hangs up, but says why before.
        let sent = stream.write_all(line.as_bytes());
        let mut replies = BufReader::new(stream.take(REPLY_LIMIT));
        let (mut body, mut line) = (String::new(), String::new());
        let read = loop {
            line.clear();
            let read = replies.read_line(&mut line);
            match line.strip_prefix("  ") {
                Some(said) if line.ends_with('\n') => body.push_str(said),
                _ => break read,
            }
        };
        if line.ends_with('\n') {
            return Ok((body, line));
        }
        let path = self.path.display();
        let failed = sent.err().or(read.err());
        Err(Failed::running(match failed {
            Some(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                format!(
                    "the agent at {path} does not answer within {} s; it may still carry the command out",
                    PATIENCE.as_secs()
                )
            }
            Some(error) if !is_hang_up(&error) => format!("the agent at {path} cannot be asked: {error}"),
            _ => format!(
                "the agent at {path} hung up before it answered: it has ended, or ends; the command may have been \
                     carried out"
            ),
        }))
    }

    /// Explains why nobody answers.
    fn unreachable(&self, error: &io::Error) -> Failed {
        let (path, origin) = (self.path.display(), self.origin);
        Failed::running(match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
                "no agent listens on {path}, {origin}\n  help: start an agent with the plugin enabled \
                     ([plugins.{PLUGIN}], or --plugins …,{PLUGIN}), or name its socket with --socket; a relative path \
                     begins at the working directory of the agent"
            ),
            ErrorKind::PermissionDenied => format!(
                "you may not speak to the agent at {path}, {origin}\n  help: do it as the user of the agent, or as root"
            ),
            _ => format!("the agent at {path}, {origin}, cannot be reached: {error}"),
        })
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}
