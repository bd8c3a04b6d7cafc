use std::process::ExitCode;
use std::sync::Arc;

use alumet_reader_procfs::process::ProcessTree;

use crate::app::App;
use crate::child::{self, Inherited, Running};
use crate::cli::{Exec, Global};
use crate::exit::Failed;
use crate::session;
use crate::setup::{IfMissing, Setup};
use crate::signals::Signals;
use crate::tree::{MeasuredTree, SharedTree};

use super::measure::{Measurement, wall_clock};

/// When the agent fails and the program does not, as `env` and container runtimes have it.
const OWN_FAILURE: u8 = 125;

/// Runs a program and measures it from its start to its end.
pub(crate) fn exec(app: &Arc<App>, global: &Global, exec: &Exec) -> Result<ExitCode, Failed> {
    // Those of a program that cannot be run stay.
    measured(app, global, exec).map_err(|failed| failed.or_code(OWN_FAILURE))
}

fn measured(app: &Arc<App>, global: &Global, exec: &Exec) -> Result<ExitCode, Failed> {
    let inherited = Inherited::now();
    let setup = Setup::load(app, global, IfMissing::Assume)?;
    // Before anything is started and written for a program that does not exist.
    child::find(&exec.program)?;
    session::block_on(global, async {
        // Before the program is there, so that no signal can leave it behind.
        let mut passed_on = Signals::listen(child::passed_on())?;
        let mut orphans = Signals::listen([nix::libc::SIGCHLD])?;
        let mut measurement = Measurement::start(app, setup, global).await?;
        let running = match Running::start(&exec.program, &exec.arguments, inherited) {
            Ok(running) => running,
            Err(failed) => {
                measurement.session.stop().await;
                return Err(failed);
            }
        };
        let number = running.watched.number_in(&measurement.root);
        let tree = number.and_then(|pid| {
            let tree = ProcessTree::of_child(&measurement.root, pid).map_err(|error| error.to_string())?;
            Ok(MeasuredTree::new(
                &measurement.root,
                pid,
                tree,
                wall_clock(running.started),
            ))
        });
        let tree = tree.inspect_err(|why| tracing::warn!("the program is not measured: {why}"));
        measurement.begin(tree.ok()).await;
        let ended = loop {
            tokio::select! {
                ended = running.watched.ended() => break ended,
                _ = orphans.next() => running.reap_orphans(&measurement.root, &measurement.tree),
                signal = measurement.session.signal() => running.pass_on(signal),
                signal = passed_on.next() => running.pass_on(signal),
            }
        };
        let pid = running.watched.pid;
        let started = running.started;
        let reap = |tree: &SharedTree| {
            let end = running.reap(tree)?;
            let program = exec.program.display();
            let title = format!("{program} (process {pid}) has ended: {}", end.status);
            Ok((title, Some(end)))
        };
        let (own, end) = measurement.finish(started, ended, reap).await?;
        // That the program failed says more than that its measurement did, too, which is printed.
        Ok(match end.map_or(0, |end| child::exit_code(end.status)) {
            code if code != 0 && !exec.ignore_exit_code => ExitCode::from(code),
            _ if own != ExitCode::SUCCESS => ExitCode::from(OWN_FAILURE),
            _ => own,
        })
    })
}
