use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::duration::HumanDuration;
use alumet_reader_procfs::process::{ProcessTree, status};
use alumet_reader_procfs::{ReadError, SystemRoot};
use regex::bytes::Regex;

use crate::app::App;
use crate::child::Watched;
use crate::cli::{Global, Watch};
use crate::exit::Failed;
use crate::measured::{AppProcesses, Followed, MeasuredTree, SharedTree, WatchedGroup};
use crate::session;
use crate::setup::{IfMissing, Setup};
use crate::summary::{Subject, SummaryPlaces};

use super::measure::{Measurement, wall_clock};

/// Measures what runs already until it ends, its time is over or a signal comes.
pub(crate) fn watch(app: &Arc<App>, global: &Global, watch: &Watch) -> Result<ExitCode, Failed> {
    let setup = Setup::load(app, global, IfMissing::Assume)?;
    session::block_on(global, async {
        let root = SystemRoot::at(&setup.settings.system_root);
        // Before anything is started and written for what cannot be measured.
        let target = Target::find(watch, &root)?;
        let mut places = SummaryPlaces::open(&watch.measuring, global, &setup.settings.log)?;
        let mut measurement = Measurement::start(app, setup, global, &watch.measuring).await?;
        let started = Instant::now();
        let followed = target.follow(&root);
        let followed =
            followed.inspect_err(|failed| tracing::warn!("nothing is measured: {}", failed.message()));
        let name = target.name(&root);
        let tree = followed.map(|followed| MeasuredTree::new(&root, followed, wall_clock(started)));
        measurement.begin(tree.ok()).await;
        let tree = Arc::clone(&measurement.tree);
        let (cause, ended) = tokio::select! {
            ended = target.ended(&tree) => ("it has ended".to_owned(), ended),
            () = after(watch.r#for) => ("its time is over, it goes on".to_owned(), Instant::now()),
            signal = measurement.session.signal_to_end() => {
                (format!("{signal} came, it goes on"), Instant::now())
            }
        };
        let subject = Subject {
            title: format!("{name}: {cause}"),
            ..Subject::default()
        };
        let (code, summary) = measurement.finish(started, ended, |_| Ok(subject)).await?;
        places.tell(&summary)?;
        Ok(code)
    })
}

/// What is watched.
enum Target {
    /// A process, and its number in the mount that is measured.
    Process(Watched, u32),
    App(String, Regex),
    /// A control group, by its path or its unit.
    Group(PathBuf),
    Unit(String),
}

impl Target {
    fn find(watch: &Watch, root: &SystemRoot) -> Result<Self, Failed> {
        if let Some(pid) = watch.pid {
            let watched = Watched::open(pid).map_err(|error| cannot_watch(pid, error))?;
            let number = watched.number_in(root).map_err(Failed::running)?;
            ProcessTree::of_running(root, number).map_err(|error| cannot_see(pid, root, &error))?;
            return Ok(Self::Process(watched, number));
        }
        let target = if let Some(name) = &watch.app {
            let regex = Regex::new(&format!("^(?:{name})$"));
            let regex = regex
                .map_err(|error| Failed::usage(format!("--app: this is no regular expression: {error}")))?;
            Self::App(name.clone(), regex)
        } else if let Some(path) = &watch.cgroup {
            Self::Group(path.clone())
        } else {
            Self::Unit(watch.unit.clone().unwrap_or_default())
        };
        target.follow(root)?;
        Ok(target)
    }

    fn follow(&self, root: &SystemRoot) -> Result<Followed, Failed> {
        Ok(match self {
            Self::Process(watched, number) => {
                let tree = ProcessTree::of_running(root, *number);
                let tree = tree.map_err(|error| cannot_see(watched.pid, root, &error))?;
                Followed::Tree(*number, Box::new(tree))
            }
            Self::App(name, regex) => {
                let app = AppProcesses::find(root, regex.clone()).map_err(anyhow::Error::from)?;
                Followed::App(name.clone(), Box::new(app))
            }
            Self::Group(path) => {
                let group = WatchedGroup::at(root, path).map_err(|error| {
                    let path = path.display();
                    Failed::usage(format!("the control group {path} cannot be watched: {error:#}"))
                });
                Followed::Group(Box::new(group?))
            }
            Self::Unit(unit) => {
                let group = WatchedGroup::of_unit(root, unit).map_err(Failed::usage);
                Followed::Group(Box::new(group?))
            }
        })
    }

    fn name(&self, root: &SystemRoot) -> String {
        match self {
            Self::Process(Watched { pid, .. }, number) if number == pid => format!("process {pid}"),
            Self::Process(Watched { pid, .. }, number) => {
                format!("process {pid} ({number} in {})", root.proc("").display())
            }
            Self::App(name, _) => format!("all processes called {name}"),
            Self::Group(path) => format!("control group {}", path.display()),
            Self::Unit(unit) => format!("unit {unit}"),
        }
    }

    /// Waits for its end. Processes of an application may begin at any time.
    async fn ended(&self, tree: &SharedTree) -> Instant {
        /// It is seen when the group is read that it has been removed.
        const LOOK: Duration = Duration::from_millis(100);
        match self {
            Self::Process(watched, _) => watched.ended().await,
            Self::App(..) => std::future::pending().await,
            Self::Group(_) | Self::Unit(_) => loop {
                if tree.lock().as_ref().is_none_or(MeasuredTree::is_gone) {
                    return Instant::now();
                }
                tokio::time::sleep(LOOK).await;
            },
        }
    }
}

async fn after(duration: Option<HumanDuration>) {
    match duration {
        Some(duration) => tokio::time::sleep(*duration).await,
        None => std::future::pending().await,
    }
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
