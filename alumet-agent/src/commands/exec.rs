use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::process::ProcessTree;

use crate::app::App;
use crate::child::{self, Inherited, Running};
use crate::cli::{CONTROL_SOCKET, Exec, Global};
use crate::compare::{Plan, Variant};
use crate::exit::Failed;
use crate::measured::{Followed, MeasuredTree, RunGroup, SharedTree};
use crate::session;
use crate::setup::{IfMissing, Setup};
use crate::signals::Signals;
use crate::summary::{Subject, Summary, SummaryPlaces};

use super::ctl::socket_of;
use super::measure::{Measurement, wall_clock};
use super::repeat::repeat;

/// When the agent fails and the program does not, as `env` and container runtimes have it.
pub(super) const OWN_FAILURE: u8 = 125;

/// Runs a program and measures it from its start to its end, or several of them several times.
pub(crate) fn exec(app: &Arc<App>, global: &Global, exec: &Exec) -> Result<ExitCode, Failed> {
    let plan = Plan::of(exec)?;
    let inherited = Inherited::now();
    let result = match &plan.variants[..] {
        [variant] if plan.is_single() => once(app, global, exec, variant, inherited),
        _ => repeat(app, global, exec, plan, inherited),
    };
    // Those of a program that cannot be run stay.
    result.map_err(|failed| failed.or_code(OWN_FAILURE))
}

fn once(
    app: &Arc<App>,
    global: &Global,
    exec: &Exec,
    variant: &Variant,
    inherited: Inherited,
) -> Result<ExitCode, Failed> {
    let setup = Setup::load(app, global, IfMissing::Assume)?;
    // Before anything is started and written for a program that does not exist.
    child::find(&variant.program)?;
    let mut places = SummaryPlaces::open(&exec.measuring, global, &setup.settings.log)?;
    let (own, summary) = measured(app, global, setup, exec, variant.command(), inherited)?;
    places.tell(&summary)?;
    // That the program failed says more than that its measurement did, too, which is printed.
    Ok(match summary.exit_code_of_shell() {
        code if code != 0 && !exec.ignore_exit_code => ExitCode::from(code),
        _ if own != ExitCode::SUCCESS => ExitCode::from(OWN_FAILURE),
        _ => own,
    })
}

/// Runs a program once.
pub(super) fn measured(
    app: &Arc<App>,
    global: &Global,
    setup: Setup,
    exec: &Exec,
    mut command: Command,
    inherited: Inherited,
) -> Result<(ExitCode, Summary), Failed> {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    session::block_on(global, async {
        // Before the program is there, so that no signal can leave it behind.
        let mut passed_on = Signals::listen(child::passed_on())?;
        let mut orphans = Signals::listen([nix::libc::SIGCHLD])?;
        if let Some(socket) = socket_of(&setup) {
            command.env(CONTROL_SOCKET, socket);
        }
        // The kernel takes some milliseconds for it, in which everything else starts.
        let is_own_system = SystemRoot::at(&setup.settings.system_root).is_default();
        let shown = words.join(" ");
        let group = is_own_system.then(|| tokio::task::spawn_blocking(move || RunGroup::make(&shown)));
        let mut measurement = Measurement::start(app, setup, global, &exec.measuring).await?;
        let group = match group {
            Some(made) => made.await.unwrap_or_else(|error| Err(error.into())),
            None => Err(anyhow::anyhow!(
                "another system is measured than that of the program"
            )),
        };
        let group = group
            .inspect_err(|why| tracing::debug!("the run has no control group: {why:#}"))
            .ok();
        let mut running = match Running::start(command, inherited, group) {
            Ok(running) => running,
            Err(failed) => {
                measurement.session.stop().await;
                return Err(failed);
            }
        };
        let group = running.group.take();
        let number = running.watched.number_in(&measurement.root);
        let tree = number.and_then(|pid| {
            let tree = ProcessTree::of_child(&measurement.root, pid).map_err(|error| error.to_string())?;
            Ok(MeasuredTree::new(
                &measurement.root,
                Followed::Tree(pid, Box::new(tree)),
                wall_clock(running.started),
            )
            .in_group(group))
        });
        let tree = tree.inspect_err(|why| tracing::warn!("the program is not measured: {why}"));
        measurement.begin(tree.ok());
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
            let program = words.first().map_or("", String::as_str);
            Ok(Subject {
                title: format!("{program} (process {pid}) has ended: {}", end.status),
                command: words,
                end: Some(end),
            })
        };
        measurement.finish(started, ended, reap).await
    })
}

impl Variant {
    /// What runs it.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }

    /// What runs it without input and output.
    pub(super) fn silent_command(&self) -> Command {
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}
