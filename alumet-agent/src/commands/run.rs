use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::pipeline::Control;
use alumet_core::size::BYTES_PER_LINE;

use crate::app::{App, Purpose};
use crate::cli::Global;
use crate::exit::Failed;
use crate::live_line::LiveLine;
use crate::service_manager::ServiceManager;
use crate::session::{self, Session};
use crate::setup::{IfMissing, Setup};

/// Measures until a signal comes.
pub(crate) fn run(app: &Arc<App>, global: &Global) -> Result<ExitCode, Failed> {
    let setup = Setup::load(app, global, IfMissing::Write)?;
    let outcome = session::block_on(global, async {
        let is_shown = !global.quiet && !setup.settings.log.is_json(global);
        let line = is_shown.then(LiveLine::on_terminal).flatten();
        let watch = line.as_ref().map(LiveLine::watch);
        let mut session = Session::start(app, setup, global, |mut builder| {
            if let Some(watch) = watch.filter(|_| app.purpose == Purpose::Measure) {
                builder.transform("live-line", watch);
            }
            builder
        })
        .await?;
        let version = app.version;
        match app.purpose {
            Purpose::Measure => tracing::info!(version, "measuring; Ctrl+C or SIGTERM ends it"),
            Purpose::Receive => tracing::info!(version, "receiving; Ctrl+C or SIGTERM ends it"),
        }
        tokio::spawn(warn_of_much(session.pipeline.control().clone()));
        #[cfg(target_env = "gnu")]
        tokio::spawn(crate::heap::keep_small());
        let manager = ServiceManager::of_environment();
        let health = Arc::clone(&session.health);
        let wait = async {
            match line {
                Some(line) => wait_with(&mut session, line).await,
                None => session.wait().await,
            }
        };
        let cause = match &manager {
            Some(manager) => tokio::select! {
                cause = wait => cause,
                never = manager.keep_informed(&health) => never,
            },
            None => wait.await,
        };
        manager.iter().for_each(ServiceManager::stopping);
        tracing::info!(cause, "stopping: what is not written yet is written");
        Ok(session.stop().await)
    })?;
    Ok(outcome.exit_code())
}

/// So many megabytes of text in a minute surprise nobody.
const MUCH: f64 = 5.0;

/// Warns once when the sources make so much that files grow quickly, by what their first polls made.
async fn warn_of_much(control: Control) {
    // Each has been polled by then.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let Ok(status) = control.status() else {
        return;
    };
    let rates = status.elements.into_iter().filter_map(|element| {
        let interval = element.schedule?.interval?.as_secs_f64();
        let samples = element.samples as f64 / element.calls.max(1) as f64;
        Some((samples / interval, element.key))
    });
    let rates: Vec<_> = rates.collect();
    let rate: f64 = rates.iter().map(|(rate, _)| rate).sum();
    let megabytes = rate * 60.0 * BYTES_PER_LINE / 1e6;
    let most = rates.iter().max_by(|(one, _), (other, _)| one.total_cmp(other));
    if let Some((most, key)) = most.filter(|_| megabytes > MUCH) {
        tracing::warn!(
            "the sources make about {rate:.0} samples a second, {megabytes:.0} MB a minute as text, {most:.0} of them {key}; \
             longer intervals make it less"
        );
    }
}

/// Waits, and shows the status each second.
async fn wait_with(session: &mut Session, mut line: LiveLine) -> &'static str {
    let control = session.pipeline.control().clone();
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            cause = session.wait() => return cause,
            _ = every_second.tick() => {
                if let Ok(status) = control.status() {
                    line.show(&status);
                }
            }
        }
    }
}
