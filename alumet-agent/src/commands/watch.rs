use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::Attributes;
use alumet_core::duration::HumanDuration;
use alumet_reader_procfs::process::{ProcessTree, status};
use alumet_reader_procfs::{ReadError, SystemRoot};
use regex::bytes::Regex;

use crate::app::App;
use crate::child::Watched;
use crate::cli::{Global, Named, Watch};
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
        let mut target = Target::find(watch, &root)?;
        let mut places = SummaryPlaces::open(&watch.measuring, global, &setup.settings.log)?;
        let mut measurement = Measurement::start(app, setup, global, &watch.measuring).await?;
        if let Target::Named(named) = &target {
            match find_group(named, &measurement).await {
                Ok(path) => target = Target::Group(path, target.name(&root)),
                Err(failed) => {
                    measurement.session.stop().await;
                    return Err(failed);
                }
            }
        }
        let started = Instant::now();
        let followed = target.follow(&root);
        let followed =
            followed.inspect_err(|failed| tracing::warn!("nothing is measured: {}", failed.message()));
        let name = target.name(&root);
        let tree = followed.map(|followed| MeasuredTree::new(&root, followed, wall_clock(started)));
        measurement.begin(tree.ok());
        measurement.poll().await;
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
    /// A control group, by its path, with what it is called, or by its unit.
    Group(PathBuf, String),
    Unit(String),
    /// One that a plugin has to find.
    Named(Named),
}

impl Target {
    fn find(watch: &Watch, root: &SystemRoot) -> Result<Self, Failed> {
        if let Some(named) = &watch.named {
            return Ok(Self::Named(named.clone()));
        }
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
            Self::Group(path.clone(), format!("control group {}", path.display()))
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
            Self::Group(path, _) => {
                let group = WatchedGroup::at(root, path).map_err(|error| {
                    let path = path.display();
                    Failed::usage(format!("the control group {path} cannot be watched: {error:#}"))
                });
                Followed::Group(Box::new(group?))
            }
            Self::Named(named) => {
                return Err(Failed::running(format!(
                    "no {} is called {}",
                    named.lookup.what, named.name
                )));
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
            Self::Group(_, name) => name.clone(),
            Self::Unit(unit) => format!("unit {unit}"),
            Self::Named(Named { lookup, name }) => format!("{} {name}", lookup.what),
        }
    }

    /// Waits for its end. Processes of an application may begin at any time.
    async fn ended(&self, tree: &SharedTree) -> Instant {
        /// It is seen when the group is read that it has been removed.
        const LOOK: Duration = Duration::from_millis(100);
        match self {
            Self::Process(watched, _) => watched.ended().await,
            Self::App(..) => std::future::pending().await,
            Self::Group(..) | Self::Unit(_) | Self::Named(_) => loop {
                if tree.lock().as_ref().is_none_or(MeasuredTree::is_gone) {
                    return Instant::now();
                }
                tokio::time::sleep(LOOK).await;
            },
        }
    }
}

/// The path of the control group that a plugin knows by this name, as soon as it does.
async fn find_group(named: &Named, measurement: &Measurement) -> Result<PathBuf, Failed> {
    /// Names can come from a server, which is not asked at once.
    const PATIENCE: Duration = Duration::from_secs(20);
    /// What the plugin knows of all groups is here by then.
    const ARRIVAL: Duration = Duration::from_secs(1);
    const LOOK: Duration = Duration::from_millis(50);
    let began = Instant::now();
    let mut complete_since = None;
    loop {
        let lacks = notes_of(named.lookup.plugin, measurement);
        complete_since = lacks
            .is_empty()
            .then(|| complete_since.unwrap_or_else(Instant::now));
        let is_over =
            began.elapsed() >= PATIENCE || complete_since.is_some_and(|since| since.elapsed() >= ARRIVAL);
        let groups = measurement.energy.groups();
        let meant = groups.iter().filter(|(_, known)| named.is(known));
        let paths: Vec<&str> = meant.map(|(path, _)| &**path).collect();
        // What is in one of them belongs to it.
        let inside = |path: &str| paths.iter().any(|outer| is_below(path, outer));
        let outermost: Vec<&str> = paths.iter().copied().filter(|path| !inside(path)).collect();
        match outermost[..] {
            [path] => return Ok(PathBuf::from(path)),
            [] if !is_over => tokio::time::sleep(LOOK).await,
            [] => {
                let known = groups.iter().filter_map(|(_, known)| named.describe(known));
                let known: BTreeSet<String> = known.collect();
                let known = match known.is_empty() {
                    true => format!(
                        "the plugin {} knows none on this machine; the log may say why",
                        named.lookup.plugin
                    ),
                    false => format!("there are: {}", known.into_iter().collect::<Vec<_>>().join(", ")),
                };
                let help = [vec![known], lacks].concat().join("; ");
                return Err(Failed::usage(format!(
                    "there is no {} {}\n  help: {help}",
                    named.lookup.what, named.name
                )));
            }
            _ => {
                return Err(Failed::usage(format!(
                    "several control groups are the {} {}\n  help: name one with --cgroup: {}",
                    named.lookup.what,
                    named.name,
                    outermost.join(", ")
                )));
            }
        }
    }
}

/// What the plugin has still to find out about control groups that are there.
fn notes_of(plugin: &str, measurement: &Measurement) -> Vec<String> {
    let status = measurement.session.pipeline.control().status();
    let mut notes = status.map(|status| status.notes).unwrap_or_default();
    let its_own = format!("{plugin}: ");
    notes.retain(|note| note.starts_with(&its_own));
    notes
}

fn is_below(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

impl Named {
    /// Whether a control group with these attributes is meant.
    fn is(&self, known: &Attributes) -> bool {
        let is_meant = |choice: &str| match choice.strip_suffix('*') {
            Some(key) => value(known, key).is_some_and(|value| value.starts_with(&self.name)),
            None => values(known, choice).is_some_and(|value| value == self.name),
        };
        self.lookup.attributes.iter().any(|choice| is_meant(choice))
    }

    /// What others of its kind are called.
    fn describe(&self, known: &Attributes) -> Option<String> {
        values(known, self.lookup.attributes.first()?)
    }
}

fn value(known: &Attributes, key: &str) -> Option<String> {
    known.get(key).map(ToString::to_string)
}

/// The values of the keys between slashes, with slashes between them.
fn values(known: &Attributes, keys: &str) -> Option<String> {
    let values: Option<Vec<_>> = keys.split('/').map(|key| value(known, key)).collect();
    values.map(|values| values.join("/"))
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
