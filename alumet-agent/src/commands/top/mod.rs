//! `top`: who uses the machine and its power, live.

mod arrange;
mod batch;
mod choices;
mod details;
mod keys;
mod model;
mod output;
mod screen;
mod units;
mod view;

use std::io::{self, IsTerminal};
use std::panic;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Consumer;
use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::Control;
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::cpu_online::OnlineCpus;
use clap::Args;
use nix::libc::{SIGCONT, SIGTSTP};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::getpgrp;
use parking_lot::Mutex;
use ratatui::crossterm::event::Event;
use regex::Regex;

use crate::app::App;
use crate::cli::Global;
use crate::config::KeyPath;
use crate::exit::Failed;
use crate::logging::Held;
use crate::session::{self, Session};
use crate::settings::{HealthSettings, SpoolSettings};
use crate::setup::{IfMissing, Setup};
use crate::signals::Signals;

use arrange::{Sort, arrange};
use choices::Choices;
use details::Details;
use keys::Action;
use model::{Model, Snapshot};
use output::Feed;
use screen::Screen;
use units::Units;
use view::View;

/// What `top` shows, and how.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Top {
    /// Time between two measurements: 500ms, 1s, 5s
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    interval: HumanDuration,

    /// What the first row has most of
    #[arg(long, value_enum, value_name = "COLUMN", default_value = "power")]
    sort: Sort,

    /// Show those in whose command line, or path of the control group, this regular expression is found
    #[arg(long, value_name = "REGEX")]
    filter: Option<Regex>,

    /// Show each below its parent
    #[arg(long)]
    tree: bool,

    /// Show control groups instead of processes
    #[arg(long)]
    groups: bool,

    /// The unit of power; energy is in the same one times seconds
    #[arg(long, value_enum, value_name = "UNIT", default_value = "W")]
    units: Units,

    /// Print text again and again, for scripts
    #[arg(short, long)]
    batch: bool,

    /// How often to print; without it, until a signal comes
    #[arg(short = 'n', long, value_name = "N", requires = "batch")]
    count: Option<u64>,

    /// Print once and end: --batch --count 1
    #[arg(long, conflicts_with_all = ["batch", "count"])]
    once: bool,
}

/// What it does with a configuration, and where its numbers come from.
const HELP: &str = "Nothing is written: no file, no configuration. It enables the plugins that it needs, and no output. What files \
    say of these plugins counts, such as the nominal power of the CPU, but for what is measured how often. To see more \
    sensors, name all plugins with --plugins.\n\
    Power is that of the machine, as it is measured or estimated, shared by CPU time, and that of GPUs, shared by the time in which \
    they work; the head says how it is known.\n\
    In the terminal, `?` tells the keys. Colours are left out when NO_COLOR is set.";

/// More often, a look costs more than it shows.
const SHORTEST: Duration = Duration::from_millis(100);

/// Samples of one round are shown together.
const ROUND: Duration = Duration::from_millis(50);

/// Shows who uses the machine.
pub(crate) fn top(app: &Arc<App>, global: &Global, top: &Top) -> Result<ExitCode, Failed> {
    if *top.interval < SHORTEST {
        return Err(Failed::usage(format!(
            "--interval {} is too short: a rate needs some time\n  help: give at least {}",
            top.interval,
            HumanDuration(SHORTEST)
        )));
    }
    let global = measuring(app, global, top)?;
    let setup = measured(Setup::load(app, &global, IfMissing::Assume)?);
    let root = SystemRoot::at(&setup.settings.system_root);
    let cpus = OnlineCpus::open(&root).count().max(1);
    let details = Details::open(&root).map_err(anyhow::Error::from)?;
    let feed = Feed {
        model: Arc::new(Mutex::new(Model::new(*top.interval, cpus))),
        came: Arc::default(),
    };
    let output = feed.clone();
    session::block_on(&global, async {
        let is_batch = top.batch || top.once;
        // Dropped the other way round: first the screen is gone, then the log is told.
        let held = (!is_batch && io::stderr().is_terminal()).then(Held::start);
        let screen = (!is_batch).then(Screen::open).transpose()?;
        let mut session = Session::start(app, setup, &global, |mut builder| {
            builder.output("top", output).joined(usize::MAX, ROUND);
            builder
        })
        .await?;
        let mut observer = Observer {
            feed,
            details,
            control: session.pipeline.control().clone(),
        };
        let shown = match screen {
            Some(screen) => show(top, &mut observer, screen, held.as_ref(), &mut session).await,
            None => tokio::select! {
                printed = batch::print(top, &mut observer) => printed,
                _ = session.signal_to_end() => Ok(()),
            },
        };
        let outcome = session.stop().await;
        drop(held);
        shown.map(|()| outcome.exit_code())
    })
}

/// The command line with the plugins that measure what is shown, as often as it is shown.
fn measuring(app: &App, global: &Global, top: &Top) -> Result<Global, Failed> {
    let text = app.top_plugins.replace("INTERVAL", &top.interval.to_string());
    let tables: toml::Table = text.parse().map_err(anyhow::Error::from)?;
    let mut global = global.clone();
    // What goes wrong is shown, and nothing else.
    global.quiet = true;
    let mut needed = Vec::new();
    for (id, table) in tables.iter().filter(|(id, _)| app.find_plugin(id).is_some()) {
        needed.push(id.clone());
        for (key, value) in table.as_table().into_iter().flatten() {
            let path = KeyPath::dotted("plugins").key(id).key(key);
            global.shortcuts.push((path, value.clone(), "interval"));
        }
    }
    global.plugins.get_or_insert(needed);
    Ok(global)
}

/// Without all that a file may say for a program that runs for long.
fn measured(mut setup: Setup) -> Setup {
    let settings = &mut setup.settings;
    settings.health = HealthSettings::default();
    settings.spool = SpoolSettings::default();
    settings.telemetry = None;
    // It belongs to the agent that runs.
    settings.state_dir = None;
    settings.pipeline.self_metrics = HumanDuration::from_secs(0);
    setup.default_text = None;
    setup
}

/// Who looks at what has been measured.
struct Observer {
    feed: Feed,
    details: Details,
    control: Control,
}

impl Observer {
    /// What is known now.
    fn look(&mut self) -> Snapshot {
        let mut snapshot = self.feed.model.lock().look();
        self.details.fill(&mut snapshot);
        if snapshot.machine.quality.is_none()
            && let Ok(why) = self.control.explain(&Consumer::LocalMachine)
        {
            let mut reasons = why
                .lines()
                .filter_map(|line| line.strip_prefix("attributed_energy: "));
            snapshot.machine.why = reasons.next().unwrap_or_default().to_owned();
        }
        snapshot
    }
}

impl Snapshot {
    fn rows(&self, of_groups: bool) -> &[model::Row] {
        if of_groups { &self.groups } else { &self.processes }
    }
}

/// Shows and obeys until the user, a signal or the end of the last source says that it is enough.
async fn show(
    top: &Top,
    observer: &mut Observer,
    mut screen: Screen,
    held: Option<&Held>,
    session: &mut Session,
) -> Result<(), Failed> {
    // A panic of a plugin ends its element, not this program; the message would be anywhere on the screen.
    let before = panic::take_hook();
    panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    let has_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut choices = Choices::from(top);
    let mut snapshot = observer.look();
    let mut events = screen::events()?;
    let mut stops = Signals::listen([SIGTSTP, SIGCONT])?;
    let sources_ended = session.pipeline.sources_ended();
    loop {
        let rows = snapshot.rows(choices.shows_groups);
        let rows = arrange(rows, choices.sort, choices.search.as_ref(), choices.is_tree);
        let warning = held.and_then(Held::latest);
        screen.draw(View {
            machine: &snapshot.machine,
            rows: &rows,
            choices: &choices,
            warning: warning.as_deref(),
            has_colours,
        })?;
        let count = rows.len();
        tokio::select! {
            () = observer.feed.came.notified() => if !choices.is_paused {
                snapshot = observer.look();
                choices.keep_mark(snapshot.rows(choices.shows_groups).len());
            },
            event = events.recv() => match event {
                Some(Event::Key(key)) => match keys::action(key, choices.typed.is_some()) {
                    Some(Action::Quit) => break,
                    // All that the shell takes for this job.
                    Some(Action::Suspend) => killpg(getpgrp(), Signal::SIGTSTP).map_err(io::Error::from)?,
                    Some(action) => choices.apply(action, count, usize::from(view::page(screen.height()))),
                    None => {}
                },
                Some(Event::Resize(..)) => screen.begin_anew()?,
                Some(_) => {}
                None => break,
            },
            signal = stops.next() => match signal {
                SIGTSTP => screen.suspend()?,
                _ => screen.resume()?,
            },
            _ = session.signal_to_end() => break,
            () = sources_ended.cancelled() => break,
        }
    }
    drop(screen);
    panic::set_hook(before);
    Ok(())
}
