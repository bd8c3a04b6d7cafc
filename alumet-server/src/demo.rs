//! The command `demo`: measures this machine, keeps it and shows it, in one process and without a configuration.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};

/// What it runs with, but for the places of its files: the example for a laptop.
const CONFIGURATION: &str = include_str!("../../examples/server/laptop.toml");

/// How long the page may take to be there before nobody waits for it any more.
const PATIENCE: Duration = Duration::from_secs(20);

/// Measure this machine and show it in the browser, without a configuration
#[derive(Debug, Parser)]
#[command(name = "demo", after_help = HELP)]
struct Demo {
    /// Where the page is
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    address: SocketAddr,

    /// Keep what is measured in this folder, and go on with it the next time
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Do not open the browser
    #[arg(long)]
    no_browser: bool,

    /// Print the configuration, as a beginning of one's own, and end
    #[arg(long)]
    print_config: bool,
}

const HELP: &str = "It listens on the loopback address only, so that nobody else sees what runs here. Without --keep, what was \
    measured is gone when it ends. Energy needs the permission to read its counters, such as root's; without it, it is estimated.";

/// The definition of the command line.
pub(crate) fn command() -> clap::Command {
    Demo::command()
}

/// Runs until a signal comes.
pub(crate) fn run(arguments: &ArgMatches, out: &mut dyn Write) -> Result<ExitCode> {
    let demo = Demo::from_arg_matches(arguments)?;
    if demo.print_config {
        out.write_all(CONFIGURATION.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    // Removed when it is dropped, after all is written.
    let passing =
        tempfile::tempdir().context("there is no room for a temporary folder; name one with --keep DIR")?;
    let folder = demo.keep.as_deref().unwrap_or(passing.path());
    fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let folder = std::path::absolute(folder)?;
    let file = passing.path().join("alumet-demo.toml");
    fs::write(&file, CONFIGURATION).with_context(|| format!("{} cannot be written", file.display()))?;
    let set = |key: &str, value: String| format!("{key} = {}", toml::Value::from(value));
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let overrides = [
        set("plugins.rest-api.address", demo.address.to_string()),
        set("plugins.store.path", path("alumet-store.db")),
        set("plugins.socket-control.socket_path", path("alumet-control.sock")),
    ];
    let mut line = vec!["alumet-server".into(), "--config".into(), file.into_os_string()];
    for text in overrides {
        line.extend(["--config-override".into(), text.into()]);
    }
    if !demo.no_browser {
        thread::spawn(move || open_when_there(demo.address));
    }
    Ok(crate::app().main_with(line))
}

/// Opens the page in the browser of the desktop, if there is one.
fn open_when_there(address: SocketAddr) {
    let has_desktop = ["DISPLAY", "WAYLAND_DISPLAY"]
        .map(std::env::var_os)
        .iter()
        .any(Option::is_some);
    if !has_desktop {
        return;
    }
    let pause = Duration::from_millis(100);
    for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
        if TcpStream::connect_timeout(&address, pause).is_ok() {
            let mut open = Command::new("xdg-open");
            open.arg(format!("http://{address}/")).stdin(Stdio::null());
            // The address stands in the log as well.
            let _ = open.stdout(Stdio::null()).stderr(Stdio::null()).status();
            return;
        }
        thread::sleep(pause);
    }
}
