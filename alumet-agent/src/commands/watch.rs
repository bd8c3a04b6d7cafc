use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use crate::app::App;
use crate::child::Watched;
use crate::cli::Global;
use crate::exit::Failed;
use crate::session;
use crate::setup::{IfMissing, Setup};
use crate::summary::Times;
use crate::terminal;

use super::measure::{Measurement, wall_clock};

/// Measures a process that runs already, until it ends or a signal comes.
pub(crate) fn watch(app: &Arc<App>, global: &Global, pid: u32) -> Result<ExitCode, Failed> {
    let setup = Setup::load(app, global, IfMissing::Write)?;
    let runtime = session::runtime(global)?;
    runtime.block_on(async {
        let watched = Watched::open(pid).map_err(|error| cannot_watch(pid, error))?;
        let mut measurement = Measurement::start(app, setup, global).await?;
        let started = Instant::now();
        measurement.begin(pid).await;
        let (cause, ended) = tokio::select! {
            ended = watched.ended() => ("the process has ended".to_owned(), ended),
            signal = measurement.session.signal_to_end() => {
                (format!("{signal} came, the process goes on"), Instant::now())
            }
        };
        let times = Times {
            duration: ended.saturating_duration_since(started),
            ended: wall_clock(ended),
            measured: measurement.end(pid).await,
        };
        let summary = measurement.summary;
        let outcome = measurement.session.stop().await;
        terminal::complain(
            summary
                .render(&format!("process {pid}: {cause}"), times, None)
                .trim_end(),
        );
        Ok(outcome.exit_code())
    })
}

/// Explains why a process cannot be watched. Which error the kernel gives for a thread differs between versions, so its
/// entry in `/proc` decides.
fn cannot_watch(pid: u32, error: io::Error) -> Failed {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let process = status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:"))
        .map(str::trim);
    let missing = error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESRCH);
    match process {
        Some(process) if process != pid.to_string() => Failed::usage(format!(
            "{pid} is a thread, not a process\n  help: watch its process, which is {process}"
        )),
        _ if missing => Failed::usage(format!(
            "there is no process {pid}\n  help: list processes with `ps -e`"
        )),
        _ => anyhow::Error::from(error)
            .context(format!("the process {pid} cannot be watched"))
            .into(),
    }
}
