use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{App, Purpose};
use crate::cli::Global;
use crate::exit::Failed;
use crate::live_line::LiveLine;
use crate::service_manager::ServiceManager;
use crate::session::{self, Session};
use crate::setup::{IfMissing, Setup};

/// Measures until a signal comes.
pub(crate) fn run(app: &Arc<App>, global: &Global) -> Result<ExitCode, Failed> {
    let setup = Setup::load(app, global, IfMissing::Assume)?;
    let outcome = session::block_on(global, async {
        let mut session = Session::start(app, setup, global, |builder| builder).await?;
        let version = app.version;
        match app.purpose {
            Purpose::Measure => tracing::info!(version, "measuring; Ctrl+C or SIGTERM ends it"),
            Purpose::Receive => tracing::info!(version, "receiving; Ctrl+C or SIGTERM ends it"),
        }
        let manager = ServiceManager::of_environment();
        let health = Arc::clone(&session.health);
        let wait = async {
            match LiveLine::on_terminal() {
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
