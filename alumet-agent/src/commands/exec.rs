use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use nix::sys::signal::Signal;

use crate::app::App;
use crate::child::{self, Running};
use crate::cli::{Exec, Global};
use crate::exit::Failed;
use crate::session;
use crate::setup::{IfMissing, Setup};
use crate::terminal;

use super::measure::Measurement;

/// Runs a program and measures it from its start to its end.
pub(crate) fn exec(app: &Arc<App>, global: &Global, exec: &Exec) -> Result<ExitCode, Failed> {
    let setup = Setup::load(app, global, IfMissing::Write)?;
    let runtime = session::runtime(global)?;
    runtime.block_on(async {
        let mut measurement = Measurement::start(app, setup, global).await?;
        let running = match Running::start(&exec.program, &exec.arguments) {
            Ok(running) => running,
            Err(failed) => {
                measurement.session.stop().await;
                return Err(failed);
            }
        };
        let pid = running.watched.pid;
        measurement.begin(pid).await;
        loop {
            tokio::select! {
                () = running.watched.ended() => break,
                signal = measurement.session.signal() => {
                    // A terminal has given Ctrl+C to the program, too; it decides what that means.
                    if signal != Signal::SIGINT || !io::stdin().is_terminal() {
                        tracing::info!(signal = signal.as_str(), "the signal is passed to the program");
                        running.signal(signal);
                    }
                }
            }
        }
        // The program is a zombie now, so its final CPU time can still be read.
        let elapsed = measurement.end(pid).await;
        let (status, usage) = running.reap()?;
        let summary = measurement.summary;
        let report = measurement.session.stop().await;
        let title = format!("{} (process {pid}) has ended: {status}", exec.program.display());
        terminal::complain(summary.render(&title, elapsed, Some(usage)).trim_end());
        let own = session::exit_code(&report);
        if own != ExitCode::SUCCESS || exec.ignore_exit_code {
            return Ok(own);
        }
        Ok(ExitCode::from(child::exit_code(status)))
    })
}
