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
use crate::summary::Times;
use crate::terminal;

use super::measure::{Measurement, wall_clock};

/// Runs a program and measures it from its start to its end.
pub(crate) fn exec(app: &Arc<App>, global: &Global, exec: &Exec) -> Result<ExitCode, Failed> {
    let setup = Setup::load(app, global, IfMissing::Write)?;
    // Before anything is started and written for a program that does not exist.
    child::find(&exec.program)?;
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
        let ended = loop {
            tokio::select! {
                ended = running.watched.ended() => break ended,
                signal = measurement.session.signal() => {
                    // A terminal has given Ctrl+C to the program, too; it decides what that means.
                    if signal != Signal::SIGINT || !io::stdin().is_terminal() {
                        tracing::info!(signal = signal.as_str(), "the signal is passed to the program");
                        running.signal(signal);
                    }
                }
            }
        };
        // The program is a zombie now, so its final CPU time can still be read.
        let times = Times {
            duration: ended.saturating_duration_since(running.started),
            ended: wall_clock(ended),
            measured: measurement.end(pid).await,
        };
        let (status, usage) = running.reap()?;
        let summary = measurement.summary;
        let outcome = measurement.session.stop().await;
        let title = format!("{} (process {pid}) has ended: {status}", exec.program.display());
        terminal::complain(summary.render(&title, times, Some(usage)).trim_end());
        let own = outcome.exit_code();
        // That the program failed says more than that its measurement did, too, which is printed.
        Ok(match child::exit_code(status) {
            code if code != 0 && !exec.ignore_exit_code => ExitCode::from(code),
            _ => own,
        })
    })
}
