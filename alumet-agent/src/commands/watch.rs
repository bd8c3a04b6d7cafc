use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use alumet_reader_procfs::process::{ProcessTree, status};
use alumet_reader_procfs::{ReadError, SystemRoot};

use crate::app::App;
use crate::child::Watched;
use crate::cli::{Global, Watch};
use crate::exit::Failed;
use crate::session;
use crate::setup::{IfMissing, Setup};
use crate::measured::MeasuredTree;
use crate::summary::{Subject, SummaryPlaces};

use super::measure::{Measurement, wall_clock};

/// Measures a process that runs already, and its descendants, until it ends or a signal comes.
pub(crate) fn watch(app: &Arc<App>, global: &Global, watch: &Watch) -> Result<ExitCode, Failed> {
    let pid = watch.pid;
    let setup = Setup::load(app, global, IfMissing::Assume)?;
    session::block_on(global, async {
        let watched = Watched::open(pid).map_err(|error| cannot_watch(pid, error))?;
        let root = SystemRoot::at(&setup.settings.system_root);
        let number = watched.number_in(&root).map_err(Failed::running)?;
        // Before anything is started and written for a process that cannot be measured.
        ProcessTree::of_running(&root, number).map_err(|error| cannot_see(pid, &root, &error))?;
        let mut places = SummaryPlaces::open(&watch.measuring, setup.settings.log.is_json(global))?;
        let mut measurement = Measurement::start(app, setup, global, &watch.measuring).await?;
        let started = Instant::now();
        let tree = ProcessTree::of_running(&root, number).map_err(|error| cannot_see(pid, &root, &error));
        let tree = tree.map(|tree| MeasuredTree::new(&root, number, tree, wall_clock(started)));
        measurement.begin(tree.ok()).await;
        let (cause, ended) = tokio::select! {
            ended = watched.ended() => ("the process has ended".to_owned(), ended),
            signal = measurement.session.signal_to_end() => {
                (format!("{signal} came, the process goes on"), Instant::now())
            }
        };
        let title = match number == pid {
            true => format!("process {pid}: {cause}"),
            false => format!("process {pid} ({number} in {}): {cause}", root.proc("").display()),
        };
        let subject = Subject {
            title,
            ..Subject::default()
        };
        let (code, summary) = measurement.finish(started, ended, |_| Ok(subject)).await?;
        places.tell(&summary)?;
        Ok(code)
    })
}

/// Explains why a process cannot be watched. Which error the kernel gives for a thread differs between versions, so its
/// entry in `/proc` decides.
fn cannot_watch(pid: u32, error: io::Error) -> Failed {
    let file = std::fs::read(format!("/proc/{pid}/status")).unwrap_or_default();
    let process = status::number(&file, "Tgid");
    let missing = error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESRCH);
    match process {
        Some(process) if process != u64::from(pid) => Failed::usage(format!(
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

/// Explains why nothing of a process that exists can be read.
fn cannot_see(pid: u32, root: &SystemRoot, error: &ReadError) -> Failed {
    match error {
        ReadError::Gone { .. } | ReadError::PermissionDenied { .. } => Failed::running(format!(
            "the process {pid} is hidden from this user: {} is mounted with hidepid\n  help: run as root or as the \
                 owner of the process, grant CAP_SYS_PTRACE, or: sudo mount -o remount,hidepid=0 /proc",
            root.proc("").display()
        )),
        error => Failed::running(format!("the process {pid} cannot be measured: {error}")),
    }
}
